"""How often 95% intervals hold the truth, by method and situation: ``python -m tests.eval.statistics.coverage`` prints the tables of docs/decisions/0014.

1,000 made-up runs each, of clusters of 4 items on average (1 and a Poisson number of others).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

from core.cli import console
from eval.statistics.bootstrap import of_differences, of_means
from eval.statistics.clusters import Clusters
from eval.statistics.estimates import differences, means
from eval.statistics.shares import Bounds, Numbers, wilson_bounds

RUNS = 1000
Method = Callable[[Numbers, list[str]], Bounds]
_SHARES = np.full(RUNS, True)


def tables() -> Iterator[str]:
    """Markdown."""
    yield from (
        "| clusters | share right | correlation in a cluster | Wilson | percentile | BCa | Korn and Graubard | ours |",
        "|---|---|---|---|---|---|---|---|",
    )
    methods: list[Method] = [_wilson, _percentile, _bca, _korn_graubard, _of_share]
    for clusters in (50, 20):
        for share in (0.5, 0.8, 0.9, 0.95, 0.98):
            for correlation in (0.0, 0.1, 0.3):
                generator = np.random.default_rng(1)
                groups = _groups(generator, clusters)
                values = (generator.random((len(groups), RUNS)) < _shares(generator, share, correlation, clusters)[groups]).astype(float)
                yield _row([clusters, share, correlation], values, groups, share, methods)
    yield from ("", "| clusters | items that differ | of them better | correlation | percentile | BCa | ours |", "|---|---|---|---|---|---|---|")
    for clusters in (50, 20):
        for differ, better in ((0.4, 0.6), (0.2, 0.5), (0.2, 0.8), (0.05, 0.5), (0.05, 0.9)):
            for correlation in (0.0, 0.3):
                generator = np.random.default_rng(2)
                groups = _groups(generator, clusters)
                there = generator.random((len(groups), RUNS)) < _shares(generator, differ, correlation, clusters)[groups]
                values = np.where(there, np.where(generator.random(there.shape) < better, 1.0, -1.0), 0.0)
                yield _row([clusters, differ, better, correlation], values, groups, differ * (2 * better - 1), [_percentile, _bca, _of_difference])


def _groups(generator: np.random.Generator, clusters: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(clusters), 1 + generator.poisson(3, clusters))


def _shares(generator: np.random.Generator, share: float, correlation: float, clusters: int) -> Numbers:
    """The share of each cluster in each run."""
    if not correlation:
        return np.full((clusters, RUNS), share)
    strength = (1 - correlation) / correlation
    return generator.beta(share * strength, (1 - share) * strength, (clusters, RUNS))


def _wilson(values: Numbers, _groups: list[str]) -> Bounds:
    return wilson_bounds(values.sum(0), np.full(RUNS, float(len(values))))


def _percentile(values: Numbers, groups: list[str]) -> Bounds:
    return of_differences(Clusters.of(values, groups))


def _bca(values: Numbers, groups: list[str]) -> Bounds:
    return of_means(Clusters.of(values, groups))


def _korn_graubard(values: Numbers, groups: list[str]) -> Bounds:
    """Clopper and Pearson's interval of as many items as the estimated variance makes of them (Korn and Graubard 1998)."""
    part = Clusters.of(values, groups)
    clusters, share = part.sums.shape[0], part.means
    residuals = part.sums - share * part.counts
    variance = clusters / (clusters - 1) * (residuals**2).sum(0) / part.totals**2
    known = variance > 0
    count = np.where(known, share * (1 - share) / np.where(known, variance, 1.0), part.totals)
    count = np.minimum(count * (t.ppf(0.975, part.totals - 1) / t.ppf(0.975, clusters - 1)) ** 2, part.totals)
    hits = share * count
    low = np.where(hits > 0, beta.ppf(0.025, np.maximum(hits, 1e-9), count - hits + 1), 0.0)
    high = np.where(hits < count, beta.ppf(0.975, hits + 1, np.maximum(count - hits, 1e-9)), 1.0)
    return Bounds(low, high)


def _of_share(values: Numbers, groups: list[str]) -> Bounds:
    return means(values, groups, _SHARES, _SHARES).bounds


def _of_difference(values: Numbers, groups: list[str]) -> Bounds:
    found = [pair for pair in differences(np.maximum(-values, 0), np.maximum(values, 0), groups, _SHARES) if pair]
    return Bounds(np.array([pair.low for pair in found]), np.array([pair.high for pair in found]))


def _row(names: list[float], values: Numbers, groups: NDArray[np.int64], truth: float, methods: list[Method]) -> str:
    held = []
    for method in methods:
        low, high = method(values, [str(group) for group in groups])
        held.append(f"{100 * ((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean():.1f}%")
    return f"| {' | '.join(f'{name:g}' for name in names)} | {' | '.join(held)} |"


if __name__ == "__main__":
    for line in tables():
        console.print(line, markup=False, soft_wrap=True)
