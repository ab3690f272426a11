"""Whether a paired difference may be chance, without any assumption on how values are spread: labels are exchanged cluster by cluster."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from eval.statistics.clusters import Clusters
from eval.statistics.shares import Numbers

DRAWS = 10_000
_AT_ONCE = 500
#: up to so many clusters all flips are tried
_FEW = 13
_SAME = 1e-9


def sign_flip(part: Clusters, seed: int = 0) -> Numbers:
    """Of each column of paired differences the chance of a sum as far from 0 when every cluster's sign is as likely the other one (two-sided).

    Exact up to 13 clusters, else of 10,000 draws, the observed one among them (Phipson and Smyth 2010). 1 of differences that are all 0."""
    clusters, columns = part.sums.shape
    seen = np.abs(part.sums.sum(0)) - _SAME * (1 + np.abs(part.sums).sum(0))
    beyond = np.zeros(columns)
    if clusters <= _FEW:
        signs = 1.0 - 2.0 * ((np.arange(1 << clusters)[:, None] >> np.arange(clusters)) & 1)
        share: Numbers = (np.abs(signs @ part.sums) >= seen).mean(0)
        return share
    generator = np.random.default_rng(seed)
    for _ in range(0, DRAWS, _AT_ONCE):
        signs = 1.0 - 2.0 * generator.integers(0, 2, (_AT_ONCE, clusters), dtype=np.int8)
        beyond += (np.abs(signs @ part.sums) >= seen).sum(0)
    chance: Numbers = (1 + beyond) / (1 + DRAWS)
    return chance


def exchanged_arms(part: Clusters, seed: int = 0) -> float:
    """Whether arms (the columns, all with the same items) differ at all: the chance of column sums as far apart when the arms of each cluster are in any
    order. What Cochran's Q asks, where items are not independent."""
    orders = np.array(list(permutations(range(part.sums.shape[1]))))
    reordered = part.sums[:, orders]  # clusters x orders x arms
    clusters = np.arange(len(reordered))

    def apart(sums: Numbers) -> Numbers:
        spread: Numbers = ((sums - sums.mean(-1, keepdims=True)) ** 2).sum(-1)
        return spread

    seen = float(apart(part.sums.sum(0)))
    generator = np.random.default_rng(seed)
    beyond = 0
    for _ in range(0, DRAWS, _AT_ONCE):
        drawn = reordered[clusters, generator.integers(0, len(orders), (_AT_ONCE, len(clusters)))].sum(1)
        beyond += int((apart(drawn) >= seen - _SAME * (1 + seen)).sum())
    return (1 + beyond) / (1 + DRAWS)
