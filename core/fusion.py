"""Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): one ranking from several, by ranks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Fused(NamedTuple):
    """``ranks`` holds the place in each ranking that has the id, from 1."""

    id: str
    score: float
    ranks: dict[str, int]


def fuse(rankings: Mapping[str, Sequence[str]], weights: Mapping[str, float], k: int) -> list[Fused]:
    """Ids by the sum of weight / (k + rank) over the rankings, highest first, ties by id."""
    scores: dict[str, float] = {}
    ranks: dict[str, dict[str, int]] = {}
    for name, ids in rankings.items():
        for rank, identifier in enumerate(ids, start=1):
            scores[identifier] = scores.get(identifier, 0.0) + weights[name] / (k + rank)
            ranks.setdefault(identifier, {})[name] = rank
    return [Fused(identifier, score, ranks[identifier]) for identifier, score in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]
