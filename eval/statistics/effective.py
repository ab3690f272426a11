"""The interval of a share where items come in clusters: Wilson's, with as many items as they are worth (Dean and Pagano, Evaluating confidence interval
methods for binomial proportions in clustered surveys, 2015).

What a clustered item is worth follows from the correlation within clusters (Kish, Survey Sampling, 1965), which is estimated from the analysis of variance
(Donner, 1986), and from how few clusters there are, by the squared ratio of t to z (Korn and Graubard, 1998). Where fewer than ten items are of the rarer
kind they say nothing about that correlation, which is then taken for at least 0.1. All this was decided by simulation: docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from eval.statistics.clusters import Clusters
from eval.statistics.shares import Bounds, Numbers, Z, wilson_bounds

#: items of the rarer kind from which on a correlation can be estimated, and what it is at least where there are fewer
_RARE, _LEAST = 10, 0.1
_UPPER = 0.975


def clustered_bounds(values: Numbers, groups: Sequence[str]) -> Bounds:
    """95% intervals of the columns' shares, from items x columns of values between 0 and 1, NaN where there is none. NaN where fewer than two clusters have
    a value."""
    return bounds_of(Clusters.of(values, groups), values)


def bounds_of(part: Clusters, values: Numbers) -> Bounds:
    """The same where the values were summed over their clusters already."""
    counts = effective_counts(part, np.nansum(values**2, axis=0))
    low, high = wilson_bounds(np.nan_to_num(part.means) * np.nan_to_num(counts), np.nan_to_num(counts))
    return Bounds(np.where(np.isnan(counts), np.nan, low), np.where(np.isnan(counts), np.nan, high))


def effective_counts(part: Clusters, squares: Numbers) -> Numbers:
    """How many independent items the items of each column are worth; never more than there are.

    Args:
        squares: sums of the squared values of each column.
    """
    count, number, mean = part.totals, part.filled, part.means
    rare = np.minimum(mean, 1 - mean) * count < _RARE - 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        size = (part.counts**2).sum(0) / count  # of the cluster that an item is in, on average
        correlation = np.nan_to_num(_correlation(part, squares), nan=0.0, posinf=0.0, neginf=0.0)
        correlation = np.clip(np.where(rare, np.maximum(correlation, _LEAST), correlation), 0.0, 1.0)
        found = count / (1 + (size - 1) * correlation) * (Z / t.ppf(_UPPER, np.maximum(number - 1, 1.0))) ** 2
    found = np.where(count == number, count, found)  # each in a cluster of its own: nothing was estimated between them
    return np.where(number >= 2, found, np.nan)


def _correlation(part: Clusters, squares: Numbers) -> Numbers:
    """Of two items of one cluster."""
    count, number = part.totals, part.filled
    total = np.where(part.counts > 0, part.sums**2 / np.maximum(part.counts, 1.0), 0.0).sum(0)
    between = (total - count * part.means**2) / (number - 1)
    within = (squares - total) / (count - number)
    size = (count - (part.counts**2).sum(0) / count) / (number - 1)
    found: Numbers = (between - within) / (between + (size - 1) * within)
    return found
