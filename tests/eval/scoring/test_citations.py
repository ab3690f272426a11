"""Citations: right ones, missing ones, invented ones."""

from __future__ import annotations

import pytest

from eval.run.record import Cited, Record
from eval.scoring.registry import METRICS
from tests.eval.scoring.made import TEXT, answer, cited, evidence, facts, item, passage, refusal, refuse, said

_ASKED = item(answer=facts("it"), evidence=(evidence(0, 30), evidence(500, 530, "e")))
_PLACES = (passage(1), passage(2, 0, 90, "other"), passage(3, 480, 570, "e"))


def _value(name: str, record: Record) -> tuple[float | None, str]:
    scored = METRICS[name].score(_ASKED, record)
    return scored.value, scored.reason


@pytest.mark.parametrize(
    ("citations", "precision", "recall"),
    [
        pytest.param((cited(1), cited(3, 480, 570, "e")), 1, 1, id="both"),
        pytest.param((cited(1), cited(2, 0, 90, "other")), 1 / 2, 1 / 2, id="one of two"),
        pytest.param((cited(2, 0, 90, "other"),), 0, 0, id="another document"),
        # its own words are others, but they stand in the passage with the evidence, to which the reader is sent
        pytest.param((cited(1, 60, 90),), 1, 1 / 2, id="by the passage"),
        pytest.param((cited(9, 0, 30),), 1, 1 / 2, id="by its own place"),
    ],
)
def test_precision_and_recall(citations: tuple[Cited, ...], precision: float, recall: float) -> None:
    record = answer("it", retrieved=_PLACES, cited=citations)
    assert (_value("citation_precision", record), _value("citation_recall", record)) == ((precision, ""), (recall, ""))


def test_an_answer_without_citations_has_none_right() -> None:
    record = answer("it", retrieved=_PLACES, sentences=(said("it"),))
    for name in ("citation_precision", "citation_recall", "citation_format"):
        assert _value(name, record) == (0, "no citation")
    assert _value("fabricated", record) == (0, "")


def test_a_refusal_is_left_out_and_arms_without_passages_are_not_asked() -> None:
    for name in ("citation_precision", "citation_recall", "citation_format", "fabricated", "number_grounding", "quote_grounding"):
        metric = METRICS[name]
        assert _value(name, refusal(retrieved=_PLACES)) == (None, "refused")
        assert not metric.applies(_ASKED, "base")
        assert not metric.applies(_ASKED, "lora")
        assert metric.applies(_ASKED, "oracle")
    assert METRICS["fabricated"].applies(item(expect=refuse()), "rag")
    assert not METRICS["citation_recall"].applies(item(expect=refuse()), "rag")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(cited(1, quote=TEXT[:28]), 0, id="true"),
        pytest.param(cited(4), 1, id="no such passage"),
        pytest.param(cited(1, document="e"), 1, id="another document under the number"),
        pytest.param(cited(1, version=2), 1, id="another version"),
        pytest.param(cited(1, 60, 91), 1, id="beyond the passage"),
        pytest.param(cited(1, quote="The monthly fee is USD 3.50"), 1, id="other words"),
    ],
)
def test_fabricated_citations(one: object, expected: int) -> None:
    record = answer("it", retrieved=_PLACES, cited=(one,), sentences=(said("it", 1),))
    assert _value("fabricated", record)[0] == expected


def test_a_marker_of_a_passage_that_is_not_there_is_fabricated_and_of_no_form() -> None:
    record = answer(
        "it", retrieved=_PLACES, cited=(cited(1),), sentences=(said("it", 1), said("more", 7), said("bare", failed=("citation",)), said("Rating: low"))
    )
    assert METRICS["fabricated"].score(_ASKED, record).detail == {"citations": [7]}
    assert _value("citation_format", record) == (1 / 2, "")
