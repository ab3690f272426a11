"""What is wrong with an item is told, whatever it is; a sound suite has nothing told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.suite.file import Draft, read_draft
from eval.suite.item import Item
from eval.suite.power import detectable, smallest_difference
from eval.suite.validate import check_items, check_warnings
from tests.eval.suite.suites import ANNUAL, CORPUS, FEES_1, FEES_2, ITEMS, MANUAL, TODAY, changed, span, write


def told(path: Path, items: list[Item] | None = None, **values: Any) -> list[str]:
    return [str(problem) for problem in check_items(read_draft(write(path / "suite", items, **values).path), CORPUS, TODAY)]


def test_a_sound_suite_has_no_problems_and_nothing_to_look_at(tmp_path: Path) -> None:
    draft = read_draft(write(tmp_path / "small").path)
    assert check_items(draft, CORPUS, TODAY) == []
    assert check_warnings(draft) == []


@pytest.mark.parametrize(
    ("place", "values", "says"),
    [
        (0, {"evidence": [{**span(FEES_2, ANNUAL, "fees", 2), "start": 6, "end": 35}]}, "evidence 1: fees@2 has 'he card costs CHF 45 a year. ' at 6 to 35, not 'The card costs CHF 45 a year.'; the quote stands at 5 to 34"),
        (0, {"evidence": [{**span(FEES_2, ANNUAL, "fees", 2), "quote": "The card is free."}]}, "the quote stands nowhere in that version"),
        (0, {"evidence": [span(FEES_1, "The card costs CHF 40 a year.", "fees", 1)]}, "evidence 1: on 2026-11-01 version 2 of fees is in force, not 1"),
        (0, {"evidence": [span(FEES_2, ANNUAL, "tariff", 2)]}, "evidence 1: the corpus has no version 2 of 'tariff'"),
        (1, {"as_of": "2023-01-01"}, "evidence 1: no version of fees is in force on 2023-01-01"),
        (2, {"caller": {}}, "evidence 1: the caller, of no groups, may not read manual"),
        (3, {"caller": {"groups": ["staff"]}}, "is to be refused since the caller may not read manual, but the caller may"),
        (3, {"expect": {"refuse": True, "reason": "not_permitted"}}, "expect.must_not_cite names none"),
        (3, {"expect": {"refuse": True, "reason": "no_evidence", "must_not_cite": ["manual@2"]}}, "expect.must_not_cite: the corpus has no manual@2"),
        (3, {"expect": {"refuse": True}}, "is to be refused, and expect.reason does not say why"),
        (0, {"expect": {"refuse": True, "reason": "no_evidence"}}, "is to be refused, and has an answer or evidence"),
        (0, {"answer": {}}, "is to be answered, and nothing says with what"),
        (0, {"evidence": []}, "is to be answered, and has no evidence"),
        (0, {"task": "multi_hop"}, "is of two passages or more, and its evidence is one"),
        (0, {"task": "injection"}, "is an injection, and names no canary"),
        (0, {"task": "loan_risk"}, "is a loan application, and has no verdict"),
        (0, {"answer": {"texts": ["CHF 45"], "forbidden": ["45"]}}, "an accepted answer holds '45', which is forbidden or a canary"),
        (0, {"question": "What does the card of anna.keller@example.com cost?"}, "personal data (EMAIL) in what is asked or expected"),
    ],
)  # fmt: skip
def test_an_item_that_cannot_be_right_is_told(tmp_path: Path, place: int, values: dict[str, Any], says: str) -> None:
    found = told(tmp_path, changed(place, **values), general=False)
    assert len(found) == 1
    assert found[0].startswith(f"line {place + 1} ({ITEMS[place]['id']}): ")
    assert says in found[0]


def test_a_general_suite_asks_enough_that_must_be_refused_and_not_too_much(tmp_path: Path) -> None:
    items = changed()
    assert told(tmp_path / "none", items[:3]) == ["0% of the items are to be refused; a general suite has 15% to 40%"]
    assert told(tmp_path / "many", items[2:]) == ["50% of the items are to be refused; a general suite has 15% to 40%"]
    assert told(tmp_path / "other", items[:3], general=False) == []


def test_another_corpus_than_the_manifest_names_is_told(tmp_path: Path) -> None:
    suite = write(tmp_path / "small")
    needs = suite.manifest.corpus.model_copy(
        update={
            "documents": tuple(one.model_copy(update={"digest": "0" * 64}) if one.document_id == "manual" else one for one in suite.manifest.corpus.documents)
        }
    )
    (text,) = told(tmp_path / "other", corpus=needs)
    assert text.startswith("version 1 of manual has another text: ")


def test_an_answer_that_no_evidence_states_is_to_be_looked_at() -> None:
    items = changed(0, answer={"facts": [["yearly", "a year"], ["free"]], "numbers": [{"value": 45, "unit": "CHF"}, {"value": 54, "unit": "CHF"}]})
    warnings = [str(warning) for warning in check_warnings(Draft(Path(), items=list(enumerate(items, start=1))))]
    assert warnings == ["line 1 (fee): no evidence states any of 'free'", "line 1 (fee): no evidence states 54 CHF"]


def test_chinese_evidence_is_counted_in_characters() -> None:
    assert span(MANUAL, "每6个月", "manual", 1)["start"] == 8


def test_the_smallest_difference_is_that_of_the_reference() -> None:
    # reference/evaluation.md, section 4: at 20% discordance 8.9, 6.3 and 4.0 points
    assert [round(100 * smallest_difference(count, 0.2), 1) for count in (200, 400, 1000)] == [8.9, 6.3, 4.0]
    assert [round(100 * one.difference, 1) for one in detectable(400)] == [3.1, 4.4, 6.3, 7.7, 8.9]
