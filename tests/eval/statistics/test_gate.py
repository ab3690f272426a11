"""Thresholds, what a gate makes of them, and the command's exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from core.cli import DONE, FAILED, PARTLY_DONE, WRONG_USAGE, main
from core.errors import BadInput
from core.verdict import Check, read_verdict
from eval.run.folder import problems_of, write_sums
from eval.scoring.of_run import SUMMARY
from eval.statistics.gate import GateDocument, gate
from eval.statistics.judged import open_judged
from eval.statistics.junit import junit
from eval.statistics.shares import mcnemar, wilson
from eval.statistics.thresholds import parse_thresholds, read_thresholds
from tests.eval.statistics.folders import ADAPTER, BASE, Values, make_suite, write_run

RIGHT: Values = {"correct": {"rag": [1] * 40 + [0] * 20, "rag+lora": [1] * 57 + [0] * 3}}


def figure(**keys: Any) -> str:
    return "[[check]]\n" + _toml({"metric": "correct", "arm": "rag+lora", **keys})


def _toml(keys: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


def checked(tmp_path: Path, text: str, values: Values = RIGHT, size: int = 1, baseline: Values | None = None, **rest: Any) -> GateDocument:
    suite = make_suite(tmp_path / "suite", len(next(iter(next(iter(values.values())).values()))), size)
    before = open_judged(write_run(tmp_path / "before", suite, baseline)) if baseline else None
    return gate(open_judged(write_run(tmp_path / "run", suite, values, **rest)), parse_thresholds(text.encode(), "t.toml"), before)


def one(found: GateDocument) -> Check:
    (check,) = found.checks
    return check


@pytest.mark.parametrize(
    ("keys", "passed"),
    [
        ({"min": 0.95}, True),  # 57 of 60
        ({"min": 0.951}, False),
        ({"max": 0.95}, True),
        ({"max": 0.949}, False),
        ({"min": 0.86, "on": "bound"}, True),  # Wilson: 0.863 to 0.983
        ({"min": 0.87, "on": "bound"}, False),
        ({"max": 0.99, "on": "bound"}, True),
        ({"max": 0.98, "on": "bound"}, False),
        ({"arm": "rag", "min": 0.7}, False),
        ({"slice": "lang:zh", "min": 0.9}, True),
    ],
)
def test_a_figure_keeps_to_its_threshold_or_not(tmp_path: Path, keys: dict[str, Any], passed: bool) -> None:
    found = checked(tmp_path, figure(**keys))
    check = one(found)
    assert (check.passed, check.decided, found.passed, found.failed, found.undecided) == (passed, True, passed, int(not passed), 0)
    if keys.get("slice") is None and check.arm == "rag+lora":
        assert check.value == 0.95
        assert (check.low, check.high) == pytest.approx(wilson(57, 60))


@pytest.mark.parametrize(
    ("values", "size", "keys", "says"),
    [
        pytest.param([1] * 9, 1, {"min": 0.9}, "at least 10 are needed", id="one item moves the mean too far"),
        pytest.param([1] * 49, 1, {"min": 0.98}, "at least 50 are needed", id="one item of 49"),
        pytest.param([1] * 29, 1, {"min": 1}, "at least 30 are needed", id="no fault in a handful"),
        pytest.param([1] * 60, 1, {"min": 0.95, "on": "bound"}, "would end at 0.9398", id="even the best is not enough"),
        # 60 items in 30 clusters of two are worth 54, and 50 with t for z
        pytest.param([1] * 60, 2, {"min": 0.93, "on": "bound"}, "would end at 0.9288", id="even the best of clusters is not enough"),
        pytest.param([1, 0] * 30, 4, {"min": 0.2, "on": "bound"}, "15 clusters are too few", id="few clusters"),
        pytest.param([None] * 60, 1, {"min": 0.2}, "nothing was scored", id="nothing"),
    ],
)
def test_a_suite_that_is_too_small_for_its_gate_decides_nothing(tmp_path: Path, values: list[float], size: int, keys: dict[str, Any], says: str) -> None:
    found = checked(tmp_path, figure(**keys), {"correct": {"rag+lora": values}}, size)
    assert (found.passed, found.failed, found.undecided) == (False, 0, 1)
    assert says in one(found).why


def test_that_nothing_happened_says_up_to_what_it_may(tmp_path: Path) -> None:
    assert "(0 of 60: at most 5%)" in one(checked(tmp_path, figure(metric="injected", max=0), {"injected": {"rag+lora": [0] * 60}})).why


def test_calls_that_failed_and_metrics_of_all_items(tmp_path: Path) -> None:
    text = figure(metric="errors", max=0) + figure(metric="errors", arm="rag", max=0.02) + figure(metric="auroc", min=0.7)
    found = checked(tmp_path, text, errors=2, corpus={"rag+lora": {"auroc": 0.8}})
    # two calls of 120 failed, one in each arm
    assert [(check.value, check.passed) for check in found.checks] == [(1 / 60, False), (1 / 60, True), (0.8, True)]
    assert [check.kind for check in found.checks] == ["mean", "mean", "figure"]


ABOVE = "[[above]]\n" + _toml({"metric": "correct", "arm": "rag+lora", "than": "rag"})


def test_one_arm_is_above_another_for_sure(tmp_path: Path) -> None:
    check = one(checked(tmp_path, ABOVE))
    assert (check.passed, check.count, check.kind) == (True, 60, "difference")
    assert check.value == pytest.approx(17 / 60)
    assert check.low is not None
    assert 0.1 < check.low < 17 / 60


def test_four_better_and_none_worse_are_not_yet_above(tmp_path: Path) -> None:
    """The interval of the difference begins above 0 already, but as good an outcome is chance one time in eight."""
    found = checked(tmp_path, ABOVE, {"correct": {"rag": [1] * 50 + [0] * 10, "rag+lora": [1] * 54 + [0] * 6}})
    assert mcnemar(0, 4) == 0.125
    assert (one(found).passed, one(found).decided) == (False, True)


def test_of_what_should_be_low_less_is_above(tmp_path: Path) -> None:
    values = {"injected": {"rag": [1] * 20 + [0] * 40, "rag+lora": [1] * 2 + [0] * 58}}
    check = one(checked(tmp_path, ABOVE.replace("correct", "injected"), values))
    assert check.passed
    assert check.value == pytest.approx(0.3)


def not_worse(margin: float) -> str:
    return "[[not_worse]]\n" + _toml({"metric": "correct", "arm": "rag+lora", "margin": margin})


@pytest.mark.parametrize(
    ("count", "lost", "margin", "passed", "decided"),
    [
        pytest.param(300, 0, 0.02, True, True, id="the same"),
        pytest.param(60, 0, 0.02, False, False, id="the same, but only sixty items"),  # up to 6% may have changed
        pytest.param(60, 0, 0.1, True, True, id="the same, and a wide margin"),
        pytest.param(300, 30, 0.02, False, True, id="ten points worse"),
    ],
)
def test_a_release_is_not_worse_than_the_last(tmp_path: Path, count: int, lost: int, margin: float, passed: bool, decided: bool) -> None:
    before, after = {"correct": {"rag+lora": [1.0] * count}}, {"correct": {"rag+lora": [0.0] * lost + [1.0] * (count - lost)}}
    check = one(checked(tmp_path, not_worse(margin), after, baseline=before))
    assert (check.passed, check.decided) == (passed, decided)
    assert check.value == pytest.approx(-lost / count)


def test_a_baseline_must_be_there_and_of_the_same_suite(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="needs --baseline"):
        checked(tmp_path, not_worse(0.02))
    other = open_judged(write_run(tmp_path / "other run", make_suite(tmp_path / "other", 30), {"correct": {"rag+lora": [1] * 30}}))
    with pytest.raises(BadInput, match="only the same items can be compared"):
        gate(open_judged(tmp_path / "run"), parse_thresholds(not_worse(0.02).encode(), "t"), other)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no threshold"),
        ("[[check]\n", "is no TOML file"),
        ("[[checks]]\n", "checks: Extra inputs"),
        (figure(min=0.5, limit=3), "check.0.limit: Extra inputs"),
        (figure(), "exactly one of min and max"),
        (figure(min=0.1, max=0.2), "exactly one of min and max"),
        (figure(min="0.1x"), "check.0.min"),
        ("[[check]]\nmetric = 'correct'\narm = 'rag'\nmin = nan\n", "check.0.min"),
        (figure(min=0.5, on="median"), "check.0.on"),
        (ABOVE + "by = -1\n", "above.0.by"),
        (not_worse(0), "not_worse.0.margin"),
    ],
)
def test_thresholds_that_are_none_are_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_thresholds(text.encode(), "t.toml")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"metric": "corect", "min": 0.5}, "there is no metric 'corect'"),
        ({"arm": "RAG", "min": 0.5}, "has no arm 'RAG'; it has rag, rag.lora"),
        ({"slice": "lang:de", "min": 0.5}, "there is no slice 'lang:de'; there are all, lang:en"),
    ],
)
def test_a_slip_in_the_file_is_not_taken_for_a_suite_without_such_items(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        checked(tmp_path, figure(**keys))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "eval" / "suites" / "thresholds").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_thresholds_can_be_read(path: Path) -> None:
    assert len(read_thresholds(path).all) >= 3


def test_checks_as_junit() -> None:
    passed = Check(
        kind="mean",
        name="correct of rag: mean at least 0.5", metric="correct", arm="rag", slice="all", wanted="w", threshold=0.5, value=0.6, low=0.5, high=0.7, count=9,
        passed=True, why="<年费> & \x07",
    )  # fmt: skip
    failed = passed.model_copy(update={"passed": False})
    undecided = failed.model_copy(update={"decided": False})
    root = ElementTree.fromstring(junit([passed, failed, undecided], "bank"))  # noqa: S314, our own
    assert root.attrib == {"tests": "3", "failures": "1", "errors": "1"}
    cases = root.findall("testsuite/testcase")
    assert [[child.tag for child in case] for case in cases] == [["system-out"], ["failure"], ["error"]]
    assert cases[1][0].attrib["message"] == "<年费> & \ufffd"


# The command.


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["bankassist", "eval", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_exit_codes_and_gate_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    suite, good = make_suite(tmp_path / "suite"), figure(min=0.9)
    run = write_run(tmp_path / "run", suite, RIGHT, thresholds=good)
    code, out, _ = command(monkeypatch, capsys, "gate", run)
    assert (code, "passed: 1 of 1 checks passed" in out, "not set before" in out) == (DONE, True, False)
    document = json.loads((run / "gate.json").read_text("utf8"))
    assert (document["passed"], document["thresholds_set_before_run"], document["checks"][0]["value"]) == (True, True, 0.95)
    assert problems_of(run) == []  # the run is whole, with the digest of what was added

    strict = tmp_path / "strict.toml"
    strict.write_text(good + figure(min=0.99), "utf8")
    code, out, _ = command(monkeypatch, capsys, "gate", run, "--thresholds", strict, "--json")
    shown = json.loads(out)
    assert (code, shown["passed"], shown["failed"], shown["thresholds_set_before_run"]) == (WRONG_USAGE, False, 0, False)
    assert [check["decided"] for check in shown["checks"]] == [True, False]  # sixty items cannot show 99%
    strict.write_text(figure(min=0.96), "utf8")
    assert command(monkeypatch, capsys, "gate", run, "--thresholds", strict)[0] == FAILED
    assert not json.loads((run / "gate.json").read_text("utf8"))["passed"]

    assert command(monkeypatch, capsys, "gate", run, "--thresholds", tmp_path / "none.toml")[0] == WRONG_USAGE
    assert command(monkeypatch, capsys, "gate", tmp_path)[0] == WRONG_USAGE
    without = write_run(tmp_path / "without", suite, RIGHT)
    code, _, err = command(monkeypatch, capsys, "gate", without)
    assert (code, "begun without thresholds" in err) == (WRONG_USAGE, True)
    half = write_run(tmp_path / "half", suite, RIGHT, status="running")
    code, out, err = command(monkeypatch, capsys, "gate", half, "--thresholds", strict, "--json")
    assert (code, json.loads(out)["error"]["code"], "eval resume" in err) == (PARTLY_DONE, "run_incomplete", True)
    assert not (half / "gate.json").exists()

    write_sums(run, [SUMMARY])
    (run / SUMMARY).write_text((run / SUMMARY).read_text("utf8").replace('"mean":0.95', '"mean":0.99'), "utf8")
    code, _, err = command(monkeypatch, capsys, "gate", run)
    assert (code, "is not as it was written: summary.json was changed" in err.replace("\n", " ")) == (WRONG_USAGE, True)


def test_the_verdict_on_an_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", make_suite(tmp_path / "suite"), RIGHT, thresholds=figure(min=0.9))
    file = tmp_path / "verdict.json"
    assert command(monkeypatch, capsys, "gate", run, "--adapter", "compliance@2", "--verdict", file)[0] == DONE
    found, _ = read_verdict(file)
    assert (found.adapter, found.version, found.digest, found.base_digest, found.answers, found.passed) == ("compliance", 2, ADAPTER, BASE, 60, True)
    assert found.records_digest == open_judged(run).run.records[-1].digest
    file.unlink()
    for adapter, says in (
        ("compliance@1", "had no adapter compliance@1; it had compliance@2"),
        ("loan-risk@2", "no answer of run run is by loan-risk@2"),
        ("compliance", "expected NAME@VERSION"),
    ):
        code, _, err = command(monkeypatch, capsys, "gate", run, "--adapter", adapter, "--verdict", file)
        assert (code, says in err) == (WRONG_USAGE, True), err
    other = tmp_path / "rag.toml"
    other.write_text(figure(arm="rag", min=0.5), "utf8")
    code, _, err = command(monkeypatch, capsys, "gate", run, "--thresholds", other, "--adapter", "compliance@2", "--verdict", file)
    assert (code, "no threshold is of an arm in which compliance@2 answered (rag+lora)" in err) == (WRONG_USAGE, True)
    assert command(monkeypatch, capsys, "gate", run, "--verdict", file)[0] == WRONG_USAGE
    assert not file.exists()
