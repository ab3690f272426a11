"""What the best vectors are, and rates: worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bench.cluster import Asked, _Exact, _rate
from bench.frame import Spread
from core.ports import Filter
from engines.catalogue.documents import IndexEntry
from engines.catalogue.validity import Window

DAY = date(2026, 2, 1)


def entry(name: str, vector: tuple[float, float], groups: tuple[str, ...] = ("public",), start: date | None = None, end: date | None = None) -> IndexEntry:
    return IndexEntry(name, groups, (Window(start, end),), np.array(vector, np.float32), "")


def test_the_best_are_those_of_the_allowed_that_are_nearest() -> None:
    exact = _Exact(
        [
            entry("east", (1, 0)),
            entry("north-east", (0.6, 0.8)),
            entry("west", (-1, 0)),
            entry("secret", (0.8, 0.6), ("risk",)),
            entry("tomorrow", (0.8, 0.6), start=date(2026, 2, 2)),
            entry("until today", (0.8, 0.6), end=DAY),
        ]
    )
    found = exact.best(Asked(np.array([0.8, 0.6], np.float32), [], Filter(frozenset({"public"}), DAY)))
    assert [hit.chunk_id for hit in found] == ["north-east", "east", "west"]
    assert [hit.score for hit in found] == pytest.approx([0.96, 0.8, -0.8])


def test_the_slowest_run_is_the_lowest_rate() -> None:
    assert _rate(20_000, Spread(10, 5, 20)) == Spread(2000, 1000, 4000)
