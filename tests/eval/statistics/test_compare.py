"""Two runs, and two arms of a run, item by item."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli import DONE, WRONG_USAGE
from eval.statistics.shares import mcnemar
from tests.eval.statistics.folders import Values, make_suite, write_run
from tests.eval.statistics.test_gate import command

BEFORE: Values = {"correct": {"rag": [1] * 5 + [0] * 5, "rag+lora": [1] * 8 + [0] * 2}, "over_refusal": {"rag": [0.0] * 10, "rag+lora": [0.0] * 9 + [1.0]}}
# the first item is wrong now, the last two are right; one has no value any more
AFTER: Values = {
    "correct": {"rag": [1] * 5 + [0] * 5, "rag+lora": [0, None, *[1] * 8]},
    "over_refusal": {"rag": [0.0] * 10, "rag+lora": [1.0] + [0.0] * 9},
    "token_f1": {"rag+lora": [0.5] * 10},
}


def test_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    suite = make_suite(tmp_path / "suite", 10)
    one, other = write_run(tmp_path / "one", suite, BEFORE), write_run(tmp_path / "other", suite, AFTER)
    code, out, _ = command(monkeypatch, capsys, "compare", one, other, "--json")
    found = json.loads(out)
    assert (code, found["first"], found["second"]) == (DONE, "one", "other")
    pairs = {(pair["metric"], pair["second"]): pair for pair in found["pairs"]}
    assert set(pairs) == {(metric, arm) for metric in ("correct", "over_refusal") for arm in ("rag", "rag+lora")}
    correct = pairs["correct", "rag+lora"]
    assert (correct["count"], correct["only_first"], correct["only_second"]) == (9, 1, 2)
    assert (correct["difference"], correct["p"], correct["p_holm"]) == pytest.approx((1 / 9, mcnemar(1, 2), mcnemar(1, 2)))
    assert pairs["over_refusal", "rag+lora"]["p_holm"] is None
    changed = {(one["metric"], one["arm"]): one for one in found["changed"]}
    assert changed["correct", "rag+lora"] == {
        "metric": "correct", "arm": "rag+lora", "newly_failing": ["i0"], "newly_right": ["i8", "i9"], "scored_on_one_side": 1,
    }  # fmt: skip
    # of what should be low, more is failing
    assert (changed["over_refusal", "rag+lora"]["newly_failing"], changed["over_refusal", "rag+lora"]["newly_right"]) == (["i0"], ["i9"])

    code, out, _ = command(monkeypatch, capsys, "compare", one, other)
    assert "correct, rag+lora: i9 is right now: 年费是多少？" in out
    assert "over_refusal, rag+lora: i0" not in out
    assert "over_refusal, rag+lora: i0 fails now" in command(monkeypatch, capsys, "compare", one, other, "--metric", "over_refusal")[1]


def test_two_arms_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run:1", make_suite(tmp_path / "suite", 10), BEFORE)
    code, out, _ = command(monkeypatch, capsys, "compare", f"{run}:rag", f"{run}:rag+lora", "--metric", "correct", "--json")
    (pair,) = json.loads(out)["pairs"]
    assert (code, pair["first"], pair["second"], pair["difference"], pair["only_second"]) == (DONE, "rag", "rag+lora", pytest.approx(0.3), 3)


@pytest.mark.parametrize(
    ("first", "second", "options", "says"),
    [
        ("one", "two", [], "only the same items can be compared"),
        ("one", "none", [], "neither the folder of a run nor RUN:ARM"),
        ("one:rag", "one:oracle", [], "has no arm 'oracle'; it has rag, rag+lora"),
        ("one:rag", "one", [], "--by arm takes A and B as RUN:ARM"),
        ("one", "one", ["--by", "arm"], "--by arm takes A and B as RUN:ARM"),
        ("one:rag", "one:rag", ["--by", "version"], "--by version takes A and B as RUN;"),
        ("one", "one", ["--metric", "blue"], "there is no metric 'blue'"),
    ],
)
def test_what_cannot_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], first: str, second: str, options: list[str], says: str
) -> None:
    write_run(tmp_path / "one", make_suite(tmp_path / "suite", 10), BEFORE)
    write_run(tmp_path / "two", make_suite(tmp_path / "other", 12), {"correct": {"rag": [1] * 12}})
    code, _, err = command(monkeypatch, capsys, "compare", tmp_path / first, tmp_path / second, *options)
    assert (code, says in err.replace("\n", " ")) == (WRONG_USAGE, True), err
