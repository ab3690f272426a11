"""Which interval and which test a column of values gets: shares or amounts, of independent items or of clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.statistics.bootstrap import of_differences, of_means
from eval.statistics.clusters import Clusters
from eval.statistics.effective import bounds_of
from eval.statistics.flips import sign_flip
from eval.statistics.shares import Bounds, Interval, Numbers, mcnemar, wilson_bounds

Method = Literal["wilson", "cluster-wilson", "cluster-bootstrap", "bootstrap", "none"]
Test = Literal["mcnemar", "sign-flip", "cluster-sign-flip"]
Flags = NDArray[np.bool_]


class Means(NamedTuple):
    """Of each column, NaN where there is none."""

    mean: Numbers
    bounds: Bounds
    method: Sequence[Method]


@dataclass(frozen=True, slots=True)
class Difference:
    """Second less first on ``count`` items in ``clusters``; ``only_first`` and ``only_second`` where the values are yes or no."""

    count: int
    clusters: int
    mean: float
    low: float
    high: float
    p: float
    test: Test
    only_first: int | None = None
    only_second: int | None = None
    #: of the differences: for yes and no (nearly) the share of items that one way alone has right
    spread: float = 0.0
    #: standard error of the mean, with clusters drawn as a whole
    error: float = 0.0


def independent(groups: Sequence[str]) -> bool:
    """Whether every item is a cluster of its own."""
    return len(set(groups)) == len(groups)


def means(values: Numbers, groups: Sequence[str], share: Flags, bounded: Flags) -> Means:
    """Mean and 95% interval of the columns of items x columns, NaN where an item has no value.

    Shares take Wilson's interval, of clusters with as many items as they are worth. So that nothing in 300 is not taken for never, amounts between 0 and 1
    that are all 0 or all 1 are treated as shares.

    Args:
        share: of each column whether its values are 0 or 1.
        bounded: whether they lie between 0 and 1.
    """
    part = Clusters.of(values, groups)
    counts, mean = part.totals, part.means
    alone = independent(groups)
    with np.errstate(invalid="ignore"):
        by_wilson = (counts > 0) & (share | (bounded & ((mean == 0) | (mean == 1)))) & (alone | (part.filled >= 2))
    low, high = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    found = wilson_bounds((mean * counts)[by_wilson], counts[by_wilson]) if alone else bounds_of(part.only(by_wilson), values[:, by_wilson])
    low[by_wilson], high[by_wilson] = found
    drawn = np.flatnonzero((part.filled >= 2) & ~by_wilson)
    if len(drawn):
        found = of_means(part.only(drawn))
        seen = values[:, drawn]
        low[drawn] = np.fmax(found.low, np.nanmin(seen, 0))
        high[drawn] = np.fmin(found.high, np.nanmax(seen, 0))
    bootstrap: Method = "bootstrap" if alone else "cluster-bootstrap"
    methods: list[Method] = ["none"] * len(mean)
    for column in np.flatnonzero(by_wilson):
        methods[column] = "wilson" if alone or counts[column] == part.filled[column] else "cluster-wilson"
    for column in drawn:
        methods[column] = bootstrap
    return Means(mean, Bounds(low, high), methods)


def differences(first: Numbers, second: Numbers, groups: Sequence[str], share: Flags, bounded: Flags | None = None) -> list[Difference | None]:
    """Each column of ``second`` against that of ``first``, on the items that have a value in both; None where fewer than two clusters have.

    Where yes and no are compared the interval reaches at least as far as one change in as many items could hide (Wilson's bound of none).

    Args:
        share: of each column whether its values are 0 or 1.
        bounded: whether they lie between 0 and 1, so that no difference is beyond 1; shares do in any case.
    """
    within = share if bounded is None else share | bounded
    apart = second - first
    part = Clusters.of(apart, groups)
    found: list[Difference | None] = [None] * apart.shape[1]
    columns = np.flatnonzero(part.filled >= 2)
    if not len(columns):
        return found
    part = part.only(columns)
    mean, counts, alone = part.means, part.totals, independent(groups)
    low, high = of_differences(part)
    chances = sign_flip(part)
    errors = _standard_errors(part)
    hidden = wilson_bounds(np.zeros(len(columns)), counts).high
    flipped: Test = "sign-flip" if alone else "cluster-sign-flip"
    for place, column in enumerate(columns):
        both = ~np.isnan(apart[:, column])
        at = float(mean[place])
        ends = Interval(float(low[place]), float(high[place]))
        p, test = float(chances[place]), flipped
        only_first = only_second = None
        if share[column]:
            ends = Interval(min(ends.low, at - hidden[place]), max(ends.high, at + hidden[place]))
            if np.isin(first[both, column], (0, 1)).all() and np.isin(second[both, column], (0, 1)).all():  # not so where repetitions disagree
                only_first, only_second = int((apart[both, column] < 0).sum()), int((apart[both, column] > 0).sum())
                if alone:
                    p, test = mcnemar(only_first, only_second), "mcnemar"
        if within[column]:
            ends = Interval(max(-1.0, ends.low), min(1.0, ends.high))
        found[column] = Difference(
            count=int(counts[place]), clusters=int(part.filled[place]), mean=at, low=float(ends.low), high=float(ends.high), p=p, test=test,
            only_first=only_first, only_second=only_second, spread=float(apart[both, column].var()), error=float(errors[place]),
        )  # fmt: skip
    return found


def _standard_errors(part: Clusters) -> Numbers:
    number = part.filled
    residuals = part.sums - part.means * part.counts
    error: Numbers = np.sqrt(number / (number - 1) * (residuals**2).sum(0)) / part.totals
    return error


def mean_difference(apart: Sequence[float]) -> tuple[float, Interval]:
    """The mean of paired differences of independent items and its interval; of a single pair nothing is known, and the interval is without end."""
    part = Clusters.of(np.array(apart, float)[:, None], [str(place) for place in range(len(apart))])
    mean = float(part.means[0])
    if len(apart) < 2:
        return mean, Interval(-math.inf, math.inf)
    low, high = of_differences(part)
    return mean, Interval(float(low[0]), float(high[0]))
