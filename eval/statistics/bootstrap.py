"""Intervals of means and of paired differences by drawing whole clusters anew (Efron 1979; Davison and Hinkley 1997, 3.8).

Means take the bias-corrected and accelerated interval (Efron 1987), differences the percentile interval. Both are widened for few clusters by
t / z * sqrt(n / (n - 1)) (Hesterberg 2015). Which covers best was decided by simulation: docs/decisions/0014.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, t

from eval.statistics.clusters import Clusters
from eval.statistics.shares import Bounds, Numbers, Z

DRAWS = 10_000
_AT_ONCE = 500
_LEVELS = (0.025, 0.975)


def of_means(part: Clusters, seed: int = 0) -> Bounds:
    """95% intervals of the columns' means. NaN where fewer than two clusters have a value."""
    means = part.means
    drawn = _drawn(part, seed)
    below = (drawn < means[:, None]).mean(1) + 0.5 * (drawn == means[:, None]).mean(1)
    bias = norm.ppf(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    acceleration = _acceleration(part)
    levels = []
    for level in _LEVELS:
        shifted = bias + norm.ppf(level)
        levels.append(norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    return _widened(part, Bounds(_quantile(drawn, levels[0]), _quantile(drawn, levels[1])))


def of_differences(part: Clusters, seed: int = 0) -> Bounds:
    """95% intervals of the columns' means, where each value is the difference of a pair. NaN where fewer than two clusters have a value."""
    drawn = _drawn(part, seed)
    low, high = (_quantile(drawn, np.full(len(drawn), level)) for level in _LEVELS)
    return _widened(part, Bounds(low, high))


def _drawn(part: Clusters, seed: int) -> Numbers:
    """Sorted means of the draws, columns x draws. A draw without any value of a column counts as its mean."""
    clusters, columns = part.sums.shape
    generator = np.random.default_rng(seed)
    sums = np.ascontiguousarray(part.sums.T)
    counts, alike = np.unique(part.counts.T, axis=0, return_inverse=True)  # most columns have values of the same items
    means = np.empty((columns, DRAWS))
    for start in range(0, DRAWS, _AT_ONCE):
        places = generator.integers(0, clusters, (_AT_ONCE, clusters), dtype=np.int32) + np.arange(_AT_ONCE, dtype=np.int32)[:, None] * clusters
        times = np.bincount(places.ravel(), minlength=_AT_ONCE * clusters).reshape(_AT_ONCE, clusters).T.astype(float)
        with np.errstate(invalid="ignore"):
            means[:, start : start + _AT_ONCE] = (sums @ times) / (counts @ times)[alike]
    empty = np.isnan(means)
    if empty.any():
        means = np.where(empty, part.means[:, None], means)
    means.sort(axis=1)
    return means


def _quantile(drawn: Numbers, levels: Numbers) -> Numbers:
    """Of each row, which is sorted, at its own level."""
    place = np.nan_to_num(levels, nan=0.5) * (DRAWS - 1)
    under = np.floor(place).astype(int)
    rows = np.arange(len(drawn))
    low, high = drawn[rows, under], drawn[rows, np.minimum(under + 1, DRAWS - 1)]
    value: Numbers = low + (high - low) * (place - under)
    return value


def _acceleration(part: Clusters) -> Numbers:
    """How fast the deviation changes with the mean, by leaving out one cluster at a time."""
    left_sums, left_counts = part.sums.sum(0) - part.sums, part.counts.sum(0) - part.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(left_counts > 0, left_sums / left_counts, part.means)
        away = means.mean(0) - means
        found: Numbers = (away**3).sum(0) / (6 * (away**2).sum(0) ** 1.5)
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def _widened(part: Clusters, bounds: Bounds) -> Bounds:
    number = part.filled
    enough = number >= 2
    others = np.maximum(number, 2.0) - 1
    factor = t.ppf(_LEVELS[1], others) / Z * np.sqrt((others + 1) / others)
    means = part.means
    low, high = (np.where(enough, means + (bound - means) * factor, np.nan) for bound in bounds)
    return Bounds(low, high)
