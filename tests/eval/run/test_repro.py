"""Answers made again: what is compared, what is excused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.ports import TokenLogprob
from core.settings import Settings
from eval.run.folder import open_run
from eval.run.record import Record
from eval.run.repro import Comparison, Reproduced, compare, reproduce
from eval.run.start import Wanted, Watch, begin
from eval.suite.file import Suite
from tests.eval.run.conftest import TODAY
from tests.fakes import ScriptedGenerator


def token(text: bytes, best: float, second: float) -> TokenLogprob:
    return TokenLogprob(text, best, (TokenLogprob(text, best), TokenLogprob(b"?", second)))


def record(draft: str, **changes: Any) -> Record:
    return Record(item="i", arm="rag", kind="answered", draft=draft, text=draft.strip(), prompt_digest="p", **changes)


TOKENS = (token("年".encode(), -0.1, -3.0), token("费 4".encode(), -0.5, -0.5004), token(b"5", -0.1, -2.1))


@pytest.mark.parametrize(
    ("then", "place", "margin"),
    [("年费 45", None, None), ("年费 15", 3, 0.0004), ("年费 46", 4, 2.0), ("年费 451", 5, None), ("年", 1, 0.0004)],
    ids=["same", "near-tie", "clear", "it stopped there", "it went on"],
)
def test_where_texts_part_and_how_clear_the_choice_was_there(then: str, place: int | None, margin: float | None) -> None:
    found = compare(record(then), record("年费 45"), TOKENS)
    assert (found.same, found.first_difference) == (place is None, place)
    assert found.margin == (None if margin is None else pytest.approx(margin))
    assert found.near_tie == (margin is not None and margin < 0.001)


def test_probabilities_are_compared_label_by_label() -> None:
    then = record("a", probabilities={"low": 0.7, "high": 0.3})
    assert compare(then, record("a", probabilities={"low": 0.7003, "high": 0.2997}), ()).probability == pytest.approx(0.0003)
    assert compare(then, record("a"), ()).probability is None


def test_what_is_demanded_depends_on_how_the_run_was_made(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    begin(Wanted(suite.path, ("rag",), at_once=1, today=TODAY), tmp_path / "run", bank, Watch())
    document = open_run(tmp_path / "run").document

    def made(dtype: str, at_once: int, **other: Any) -> Reproduced:
        engines = document.engines.model_copy(update={"base": {**document.engines.base, "dtype": dtype}})
        comparison = Comparison("i", "rag", 0, **{"same": True, "same_prompt": True, **other})
        return Reproduced(document.model_copy(update={"engines": engines, "at_once": at_once}), (comparison,), 1)

    right: dict[str, Any] = {}
    tie: dict[str, Any] = {"same": False, "margin": 0.0001}
    clear: dict[str, Any] = {"same": False, "margin": 0.5}
    expected = {("float32", 1): (True, False, False), ("float32", 8): (True, True, False), ("bfloat16", 1): (True, True, True)}
    assert {key: tuple(made(*key, **other).passed for other in (right, tie, clear)) for key in expected} == expected
    assert not made("float32", 8, probability=0.0002).passed
    assert made("float32", 8, probability=0.0001).passed


def test_answers_are_made_again(bank: Settings, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = bank.model_copy(update={"models": bank.models.model_copy(update={"dtype": "float32"})})
    begin(Wanted(suite.path, ("rag", "lora"), at_once=1, today=TODAY), tmp_path / "run", exact, Watch())
    found = reproduce(tmp_path / "run", 5, 3, bank, Watch())  # the settings may name another format by now
    assert (found.document["compared"], found.document["same"], found.demands, found.passed) == (5, 5, "equal bytes", True)
    assert {one.item for one in found.compared} != {one.item for one in reproduce(tmp_path / "run", 5, 4, bank, Watch()).compared}
    monkeypatch.setattr("tests.fakes.ScriptedGenerator._pieces", _other(ScriptedGenerator._pieces))
    changed = reproduce(tmp_path / "run", 12, 0, bank, Watch())
    assert (changed.document["compared"], changed.document["same"], changed.passed) == (12, 6, False)
    assert {one.first_difference for one in changed.different} == {0}
    assert changed.different[0].margin == pytest.approx(1.0)  # what stands beside the tokens of the scripted generator
    document = found.run.model_copy(update={"target": "http://bank.example.com"})
    (tmp_path / "run" / "run.json").chmod(0o644)
    (tmp_path / "run" / "run.json").write_text(document.model_dump_json())
    with pytest.raises(BadInput, match="only what was made in process can be made again here"):
        reproduce(tmp_path / "run", 5, 0, bank, Watch())


def _other(pieces: Any) -> Any:
    """Another text where none was retrieved."""

    def changed(self: Any, prompt: Any, text: str, logprobs: int | None) -> Any:
        return pieces(self, prompt, text if " [1]" in text else f"X{text}", logprobs)

    return changed
