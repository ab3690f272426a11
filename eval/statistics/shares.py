"""How sure a share of yes and no is, and whether two or four ways of answering the same items differ at all."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Numbers = NDArray[np.float64]

Z = 1.959964  # deviations to either side that hold 95%


class Interval(NamedTuple):
    """Of 95% confidence."""

    low: float
    high: float


class Bounds(NamedTuple):
    """Intervals of many columns; NaN where there is none."""

    low: Numbers
    high: Numbers


class Omnibus(NamedTuple):
    """A test of all arms at once: its statistic and the chance of one as large."""

    q: float
    chance: float


def wilson(hits: int, count: int) -> Interval:
    """The interval of a share of independent items (Wilson 1927): right for shares near 0 and 1 too. Of nothing it is everything."""
    low, high = wilson_bounds(np.array([float(hits)]), np.array([float(count)]))
    return Interval(float(low[0]), float(high[0]))


def wilson_bounds(hits: Numbers, counts: Numbers) -> Bounds:
    """:func:`wilson` of many shares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share, weight = hits / counts, Z**2 / counts
        middle = (share + weight / 2) / (1 + weight)
        half = Z / (1 + weight) * np.sqrt(np.maximum(share * (1 - share), 0.0) / counts + weight / (4 * counts))
    nothing = counts == 0
    return Bounds(np.where(nothing, 0.0, np.clip(middle - half, 0.0, 1.0)), np.where(nothing, 1.0, np.clip(middle + half, 0.0, 1.0)))


def mcnemar(only_first: int, only_second: int) -> float:
    """The chance that so uneven a split of what differs comes from two ways that are equally good: exact and two-sided (McNemar 1947).

    It takes the items for independent."""
    differ = only_first + only_second
    tail = sum(math.comb(differ, number) for number in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << differ))


def cochran_q(right: Numbers) -> Omnibus:
    """Cochran's Q (1950) of items x arms of 0 and 1. It takes the items for independent; of arms that never differ it is 0 with chance 1."""
    arms = right.shape[1]
    rows, columns = right.sum(1), right.sum(0)
    spread = float(arms * rows.sum() - (rows**2).sum())
    if not spread:
        return Omnibus(0.0, 1.0)
    q = float(arms * (arms - 1) * ((columns - columns.mean()) ** 2).sum() / spread)
    return Omnibus(q, float(chi2.sf(q, arms - 1)))
