"""Retrieval measures by hand, and against trec_eval's own definitions on random rankings."""

from __future__ import annotations

import math

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.run.record import Record
from eval.scoring.matching import matches
from eval.scoring.registry import METRICS
from eval.scoring.retrieval import NAMES, recall
from eval.suite.item import Item
from tests.eval.scoring.made import answer, evidence, facts, item, passage, refusal, refuse

#: half of it is code points 50 to 60
_EVIDENCE = evidence(40, 60)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(0, 100, True, id="the passage holds it"),
        pytest.param(45, 50, True, id="it holds the passage"),
        pytest.param(50, 100, True, id="half of the evidence"),
        pytest.param(51, 100, False, id="less than half"),
        pytest.param(35, 45, True, id="half of the passage"),
        pytest.param(60, 70, False, id="beside it"),
        pytest.param(0, 40, False, id="before it"),
    ],
)
def test_matching_survives_another_cut_into_chunks(start: int, end: int, expected: bool) -> None:
    assert matches(passage(1, start, end), _EVIDENCE) is expected


def test_another_document_or_version_is_no_match() -> None:
    assert not matches(passage(1, document="e"), _EVIDENCE)
    assert not matches(passage(1, version=2), _EVIDENCE)


def _values(asked: Item, record: Record) -> dict[str, float | None]:
    return {name: METRICS[name].score(asked, record).value for name in NAMES}


def test_by_hand() -> None:
    # grade 2 at the second place, grade 1 at the fourth, one of grade 1 not found; the third place repeats the first evidence and adds nothing
    asked = item(answer=facts("it"), evidence=(evidence(0, 10), evidence(20, 30, grade=1), evidence(40, 50, grade=1)))
    places = [passage(1, 100, 110), passage(2, 0, 12), passage(3, 0, 10), passage(4, 18, 30)]
    values = _values(asked, answer("", retrieved=tuple(places)))
    gained = 2 / math.log2(3) + 1 / math.log2(5)
    best = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert values == pytest.approx(
        {
            "recall@5": 2 / 3,
            "precision@5": 2 / 5,
            "hit@5": 1,
            "rr@10": 1 / 2,
            "ndcg@10": gained / best,
            "ap@5": (1 / 2 + 2 / 4) / 3,
            "ranked_precision@5": (1 / 2 + 2 / 3 + 3 / 4) / 3,  # here the third place holds evidence too
            "id_recall": 2 / 3,
            "id_precision": 2 / 3,  # the second and the third place are one chunk
            "evidence_recall": 1,  # what was found suffices alone
        }
    )


def test_one_passage_with_both_pieces_is_perfect() -> None:
    asked = item(answer=facts("it"), evidence=(evidence(0, 10, grade=1), evidence(20, 30, grade=1)))
    values = _values(asked, answer("", retrieved=(passage(1, 0, 50),)))
    assert values.pop("precision@5") == pytest.approx(1 / 5)
    assert set(values.values()) == {1.0}


def test_two_pieces_that_are_needed_together() -> None:
    asked = item(answer=facts("it"), evidence=(evidence(0, 10, grade=1), evidence(20, 30, "e", grade=1)))
    assert _values(asked, answer("", retrieved=(passage(1, 0, 50),)))["evidence_recall"] == 1 / 2


def test_nothing_found_is_zero_everywhere() -> None:
    asked = item(answer=facts("it"), evidence=(_EVIDENCE,))
    assert set(_values(asked, refusal()).values()) == {0.0}


def test_recall_ends_at_its_depth() -> None:
    asked = item(answer=facts("it"), evidence=(_EVIDENCE,))
    found = answer("", retrieved=(*(passage(rank, 200, 210) for rank in range(1, 6)), passage(6)))
    assert [recall(asked, found, depth) for depth in (5, 6)] == [0, 1]
    assert METRICS["recall@5"].score(asked, found).value == 0
    assert METRICS["id_recall"].score(asked, found).value == 1
    assert METRICS["id_precision"].score(asked, found).value == 1 / 2  # the first five are one chunk
    assert METRICS["ranked_precision@5"].score(asked, found).value == 0


@pytest.mark.parametrize(("arm", "expected"), [("base", False), ("lora", False), ("oracle", False), ("distractors", False), ("rag", True), ("forced:x", True)])
def test_where_it_applies(arm: str, expected: bool) -> None:
    metric = METRICS["recall@5"]
    assert metric.applies(item(answer=facts("it"), evidence=(_EVIDENCE,)), arm) is expected
    assert not metric.applies(item(answer=facts("it")), arm)
    assert not metric.applies(item(expect=refuse(), evidence=(_EVIDENCE,)), arm)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=6), st.permutations(range(10)), st.integers(0, 10))
def test_it_is_trec_eval_s(grades: list[int], order: list[int], length: int) -> None:
    """Passages of which each holds one piece of evidence or none: then trec_eval's documents are passages."""
    pieces = tuple(evidence(100 * number, 100 * number + 10, grade=grade) for number, grade in enumerate(grades))
    found = answer("", retrieved=tuple(passage(rank, 100 * number, 100 * number + 10) for rank, number in enumerate(order[:length], start=1)))
    values = _values(item(answer=facts("it"), evidence=pieces), found)
    qrel = {"q": {str(number): grade for number, grade in enumerate(grades)}}
    run = {"q": {str(number): float(-rank) for rank, number in enumerate(order[:length])}}
    names = {"recall@5": "recall_5", "precision@5": "P_5", "hit@5": "success_5", "rr@10": "recip_rank", "ndcg@10": "ndcg_cut_10", "ap@5": "map_cut_5"}
    if not length:
        assert set(values.values()) == {0.0}
        return
    theirs = pytrec_eval.RelevanceEvaluator(qrel, set(names.values())).evaluate(run)["q"]
    assert {name: values[name] for name in names} == pytest.approx({name: theirs[other] for name, other in names.items()})
    holds = [number < len(grades) for number in order[:length]]
    assert values["id_precision"] == pytest.approx(sum(holds) / length)
    assert values["id_recall"] == pytest.approx(sum(holds) / len(grades))
    # ragas 0.4.3, LLM and string variants of context precision, of the first five
    precisions = [sum(holds[: rank + 1]) / (rank + 1) for rank in range(min(length, 5)) if holds[rank]]
    assert values["ranked_precision@5"] == pytest.approx(sum(precisions) / len(precisions) if precisions else 0)
    shuffled = found.model_copy(update={"retrieved": found.retrieved[::-1]})  # ranks count, not the order of the line
    assert _values(item(answer=facts("it"), evidence=pieces), shuffled) == values
    assert all(0 <= value <= 1 for value in values.values() if value is not None)
