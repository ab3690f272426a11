"""Nobody scores by refusing everything, by answering everything, or by dropping every sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eval.run.record import Record
from eval.scoring.registry import METRICS
from eval.scoring.scorer import score_records
from eval.suite.item import Expected, Item
from tests.eval.scoring.made import TEXT, answer, cited, evidence, facts, item, number, passage, refusal, refuse, said

_KNOWN = {"evidence": (evidence(0, 30),), "caller": {"groups": ()}}
_SUITE = [
    *(item(f"fact {n}", answer=facts("USD 4.50"), **_KNOWN) for n in range(4)),
    *(item(f"事实 {n}", lang="zh", answer=facts("2.75%"), **_KNOWN) for n in range(3)),
    item("sum", task="calc", answer=Expected(numbers=(number(54, "USD"),)), **_KNOWN),
    *(item(f"refuse {n}", task="refuse", expect=refuse()) for n in range(2)),
]
_RIGHT = {"f": "It is USD 4.50.", "事": "年利率为2.75%。", "s": "That is USD 54 a year."}


def _good(one: Item) -> Record:
    if one.expect.refuse:
        return refusal(name=one.id)
    text = _RIGHT[one.id[0]]
    return answer(text, one.id, retrieved=(passage(1),), cited=(cited(1, quote=TEXT),), sentences=(said(text, 1),))


def _refuses(one: Item) -> Record:
    return refusal(name=one.id)


def _answers(one: Item) -> Record:
    return answer("It is USD 4.50.", one.id) if one.expect.refuse else _good(one)


def _drops(one: Item) -> Record:
    return refusal("unsupported", one.id, dropped=2, retrieved=(passage(1),))


def _mean(assistant: Callable[[Item], Record], metric: str) -> float:
    found = [score.value for score in score_records(_SUITE, map(assistant, _SUITE), {metric: METRICS[metric]}) if score.value is not None]
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("assistant", "right", "recall", "over", "kept"),
    [
        pytest.param(_good, 1.0, 1.0, 0.0, 1.0, id="good"),
        pytest.param(_refuses, 0.2, 1.0, 1.0, 0.0, id="refuses everything"),
        pytest.param(_answers, 0.8, 0.0, 0.0, 1.0, id="answers everything"),
        pytest.param(_drops, 0.2, 1.0, 1.0, 0.0, id="drops every sentence"),
    ],
)
def test_only_the_good_one_wins(assistant: Callable[[Item], Record], right: float, recall: float, over: float, kept: float) -> None:
    assert _mean(assistant, "correct") == pytest.approx(right)
    assert _mean(assistant, "refused_right") == recall
    assert _mean(assistant, "over_refusal") == over
    assert _mean(assistant, "kept") == kept


@pytest.mark.parametrize(("assistant", "share"), [(_good, 0.0), (_refuses, 0.0), (_answers, 0.2), (_drops, 0.0)])
def test_who_misleads(assistant: Callable[[Item], Record], share: float) -> None:
    """Two of ten were answered that must be refused; nobody who refuses misleads."""
    assert _mean(assistant, "wrong_answer") == pytest.approx(share)
