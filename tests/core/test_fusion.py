"""Reciprocal rank fusion, worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fusion import Fused, fuse

_EVEN = {"vector": 1.0, "word": 1.0}


def test_ranks_are_added_up() -> None:
    fused = fuse({"vector": ["a", "b", "c"], "word": ["c", "a"]}, _EVEN, k=60)
    assert [(found.id, found.ranks) for found in fused] == [("a", {"vector": 1, "word": 2}), ("c", {"vector": 3, "word": 1}), ("b", {"vector": 2})]
    assert [found.score for found in fused] == pytest.approx([1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62])


def test_a_weight_of_zero_leaves_the_leg_as_a_tie_breaker_of_nothing() -> None:
    fused = fuse({"vector": ["b", "a"], "word": ["z"]}, {"vector": 2.0, "word": 0.0}, k=1)
    assert fused == [Fused("b", 1.0, {"vector": 1}), Fused("a", 2 / 3, {"vector": 2}), Fused("z", 0.0, {"word": 1})]


def test_ties_go_by_id() -> None:
    assert [found.id for found in fuse({"vector": ["乙"], "word": ["甲"]}, _EVEN, k=60)] == ["乙", "甲"]
    assert [found.id for found in fuse({"vector": ["b"], "word": ["a"]}, _EVEN, k=60)] == ["a", "b"]


@pytest.mark.parametrize("rankings", [{}, {"vector": []}, {"vector": [], "word": []}], ids=["no legs", "one empty", "all empty"])
def test_nothing_found(rankings: dict[str, list[str]]) -> None:
    assert fuse(rankings, _EVEN, k=60) == []


_RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(_RANKING, _RANKING, st.integers(1, 100))
def test_as_exact_fractions_say(vector: list[str], word: list[str], k: int) -> None:
    exact = {name: sum(Fraction(1, k + ids.index(name) + 1) for ids in (vector, word) if name in ids) for name in {*vector, *word}}
    fused = fuse({"vector": vector, "word": word}, _EVEN, k)
    assert {found.id: found.score for found in fused} == pytest.approx({name: float(score) for name, score in exact.items()})
    assert [exact[found.id] for found in fused] == sorted(exact.values(), reverse=True)
