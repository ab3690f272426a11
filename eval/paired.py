"""How sure a figure is: intervals of shares and of differences, and whether two ways of answering the same questions differ at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_Z = 1.959964  # both ends of 95%
_DRAWS = 4000


class Interval(NamedTuple):
    """Of 95% confidence."""

    low: float
    high: float


def wilson(hits: int, count: int) -> Interval:
    """The interval of a share (Wilson 1927): right for shares near 0 and 1 too. Of nothing it is everything."""
    if not count:
        return Interval(0.0, 1.0)
    share, weight = hits / count, _Z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = _Z / (1 + weight) * math.sqrt(share * (1 - share) / count + weight / (4 * count))
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0))


def mean_difference(differences: Sequence[float]) -> tuple[float, Interval]:
    """The mean of paired differences and its interval, by drawing them anew (Efron 1979); the draws are the same each time."""
    values = np.array(differences, np.float64)
    drawn = np.random.default_rng(0).choice(values, (_DRAWS, len(values))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values.mean()), Interval(float(low), float(high))


def mcnemar(only_first: int, only_second: int) -> float:
    """The chance that so uneven a split of what differs comes from two ways that are equally good: exact and two-sided (McNemar 1947)."""
    differ = only_first + only_second
    tail = sum(math.comb(differ, number) for number in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << differ))
