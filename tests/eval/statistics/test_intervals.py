"""The intervals and tests that a column of values gets: against scipy, by hand, and by how often they hold the truth."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import statsmodels.api
import statsmodels.stats.proportion
from scipy.stats import bootstrap, permutation_test

from eval.statistics.bootstrap import of_differences, of_means
from eval.statistics.clusters import Clusters
from eval.statistics.effective import effective_counts
from eval.statistics.estimates import differences, mean_difference, means
from eval.statistics.flips import exchanged_arms, sign_flip
from eval.statistics.shares import Numbers, cochran_q, wilson

RUNS, CLUSTERS = 1000, 50
ALONE = [str(place) for place in range(60)]


def column(*values: float) -> Numbers:
    return np.array(values, float)[:, None]


def test_values_are_summed_over_their_clusters() -> None:
    part = Clusters.of(np.array([[1, 2], [3, math.nan], [5, math.nan]]), ["b", "a", "b"])
    assert part.sums.tolist() == [[3, 0], [6, 2]]
    assert part.counts.tolist() == [[1, 0], [2, 1]]
    assert (part.totals.tolist(), part.filled.tolist(), part.means.tolist()) == ([3, 1], [2, 1], [3, 2])


@pytest.mark.parametrize(("method", "ours"), [("BCa", of_means), ("percentile", of_differences)])
def test_bootstrap_intervals_are_scipy_s_but_for_chance_and_widening(method: str, ours: object) -> None:
    values = np.random.default_rng(5).exponential(size=60)
    theirs = bootstrap((values,), np.mean, method=method, n_resamples=20_000, rng=np.random.default_rng(1)).confidence_interval
    assert callable(ours)
    low, high = ours(Clusters.of(values[:, None], ALONE))
    factor = 2.0009956 / 1.959964 * math.sqrt(60 / 59)  # t with 59 degrees of freedom
    mean = values.mean()
    assert (low[0], high[0]) == pytest.approx((mean + (theirs.low - mean) * factor, mean + (theirs.high - mean) * factor), abs=0.01)


def test_clusters_are_drawn_as_wholes() -> None:
    """Four copies of an item say no more than one: the interval is that of the clusters, twice as wide as that of as many independent items."""
    values = np.random.default_rng(5).normal(size=60)
    once, copied = of_differences(Clusters.of(values[:, None], ALONE)), of_differences(Clusters.of(np.repeat(values, 4)[:, None], [*np.repeat(ALONE, 4)]))
    assert (copied.low[0], copied.high[0]) == pytest.approx((once.low[0], once.high[0]))
    apart = of_differences(Clusters.of(np.repeat(values, 4)[:, None], [str(place) for place in range(240)]))
    assert (copied.high - copied.low)[0] / (apart.high - apart.low)[0] == pytest.approx(2.0, rel=0.05)


def test_a_mean_difference_has_its_interval_around_it() -> None:
    mean, (low, high) = mean_difference([0.0] * 90 + [1.0] * 10)
    assert mean == pytest.approx(0.1)
    # the share of ten in a hundred: 1.96 deviations of 0.03 to either side
    assert (low, high) == pytest.approx((0.041, 0.159), abs=0.012)
    assert mean_difference([0.25, 0.25]) == (0.25, (0.25, 0.25))
    assert mean_difference([0.25]) == (0.25, (-math.inf, math.inf))


def test_flipped_signs_by_hand_and_by_scipy() -> None:
    # of 16 flips of 1, 2, 3, 4 the sum is as far from 0 as 10 in two, as far as 8 (1 flipped) in four
    assert sign_flip(Clusters.of(column(1, 2, 3, 4), list("abcd"))).tolist() == [2 / 16]
    assert sign_flip(Clusters.of(column(-1, 2, 3, 4), list("abcd"))).tolist() == [4 / 16]
    assert sign_flip(Clusters.of(column(0, 0, 0, 0), list("abcd"))).tolist() == [1.0]
    # two clusters of two: (3, 7) and its mirror
    assert sign_flip(Clusters.of(column(1, 2, 3, 4), list("aabb"))).tolist() == [2 / 4]
    values = np.random.default_rng(2).normal(0.3, 1, 60)
    theirs = permutation_test((values, np.zeros(60)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(4))
    assert sign_flip(Clusters.of(values[:, None], ALONE))[0] == pytest.approx(theirs.pvalue, abs=0.01)


def test_exchanged_arms_agree_with_cochran_s_q_where_items_are_independent_and_not_where_they_are_copies() -> None:
    right = (np.random.default_rng(3).random((60, 4)) < [0.4, 0.45, 0.5, 0.55]).astype(float)
    chance = cochran_q(right).chance
    assert 0.001 < chance < 0.1
    assert exchanged_arms(Clusters.of(right, ALONE)) == pytest.approx(chance, abs=0.01)
    copies = np.repeat(right, 4, 0)
    assert cochran_q(copies).chance < 1e-4
    assert exchanged_arms(Clusters.of(copies, [*np.repeat(ALONE, 4)])) == pytest.approx(chance, abs=0.01)


def test_a_share_of_independent_items_takes_wilson_s_interval_and_one_of_clusters_that_of_fewer_items() -> None:
    right = column(*[1] * 45, *[0] * 15)
    alone = means(right, ALONE, np.array([True]), np.array([True]))
    assert (alone.method, alone.mean[0]) == (["wilson"], 0.75)
    assert (alone.bounds.low[0], alone.bounds.high[0]) == pytest.approx(wilson(45, 60))
    mixed = means(right, [str(place % 15) for place in range(60)], np.array([True]), np.array([True]))  # three right and one wrong in each cluster
    assert mixed.method == ["cluster-wilson"]
    # no correlation, but only 15 clusters: t with 14 degrees of freedom is 2.1448
    few = (1.959964 / 2.1447867) ** 2
    assert (mixed.bounds.low[0], mixed.bounds.high[0]) == pytest.approx(_wilson(45 * few, 60 * few))
    pure = column(*[1] * 44, *[0] * 16)  # clusters of four that are all right or all wrong are worth one item each
    together = means(pure, [str(place // 4) for place in range(60)], np.array([True]), np.array([True]))
    assert (together.bounds.low[0], together.bounds.high[0]) == pytest.approx(_wilson(11 * few, 15 * few))


def _wilson(hits: float, count: float) -> tuple[float, float]:
    """By statsmodels."""
    low, high = statsmodels.stats.proportion.proportion_confint(hits, count, method="wilson")
    return low, high


def test_where_one_item_of_each_cluster_has_a_value_they_are_independent() -> None:
    values = column(*[1, np.nan] * 73)
    found = means(values, [str(place // 2) for place in range(146)], np.array([True]), np.array([True]))
    assert found.method == ["wilson"]
    assert (found.bounds.low[0], found.bounds.high[0]) == pytest.approx(_wilson(73, 73))  # from 0.95 on, as a gate counts items


def test_how_many_items_clustered_ones_are_worth_by_hand() -> None:
    # clusters 1 1 1, 0 1, 0 0 0 (mean 1/2): between (2.5 + 0.5 - 0)/... by hand below; 8 items, 3 clusters
    values, groups = column(1, 1, 1, 0, 1, 0, 0, 0), [*"aaabbccc"]
    between = (3**2 / 3 + 1**2 / 2 + 0 - 8 / 4) / 2
    within = (4 - (3 + 1 / 2)) / (8 - 3)
    size = (8 - (9 + 4 + 9) / 8) / 2
    correlation = (between - within) / (between + (size - 1) * within)
    assert 0.1 < correlation < 1
    found = effective_counts(Clusters.of(values, groups), values.sum(0))
    # t with 2 degrees of freedom is 4.3027
    assert found.tolist() == pytest.approx([8 / (1 + ((9 + 4 + 9) / 8 - 1) * correlation) * (1.959964 / 4.3026527) ** 2])
    # of nothing at all in as many items the correlation is not known, and taken for 0.1
    none = np.zeros((8, 1))
    assert effective_counts(Clusters.of(none, groups), none.sum(0)).tolist() == pytest.approx([8 / (1 + 1.75 * 0.1) * (1.959964 / 4.3026527) ** 2])


def test_nothing_in_sixty_is_not_never() -> None:
    none = np.zeros((60, 2))
    found = means(none, ALONE, np.array([True, False]), np.array([True, True]))
    assert found.bounds.high.tolist() == pytest.approx([wilson(0, 60).high] * 2)
    clustered = means(none, [str(place // 4) for place in range(60)], np.array([True, False]), np.array([True, True]))
    assert clustered.bounds.high.tolist() == pytest.approx([_wilson(0, 60 / 1.3 * (1.959964 / 2.1447867) ** 2)[1]] * 2)
    pair = differences(none[:, :1], none[:, :1], ALONE, np.array([True]))[0]
    assert pair is not None
    assert (pair.low, pair.high, pair.p) == pytest.approx((-wilson(0, 60).high, wilson(0, 60).high, 1.0))


def test_where_there_is_too_little_there_is_no_interval() -> None:
    nan = math.nan
    found = means(np.array([[nan, 1, 0.5], [nan, 0, 0.7]]), ["a", "a"], np.array([False, True, False]), np.array([True] * 3))
    assert found.method == ["none"] * 3
    assert np.isnan(found.mean).tolist() == [True, False, False]
    assert np.isnan([*found.bounds.low, *found.bounds.high]).all()
    assert differences(column(1, nan), column(nan, 0), ["a", "b"], np.array([True])) == [None]


def test_yes_and_no_of_two_arms_by_hand() -> None:
    first, second = column(*[1] * 8, *[0] * 2), column(*[1] * 5, *[0] * 3, 1, 1)
    pair = differences(first, second, ALONE[:10], np.array([True]))[0]
    assert pair is not None
    assert (pair.count, pair.clusters, pair.only_first, pair.only_second, pair.test) == (10, 10, 3, 2, "mcnemar")
    assert (pair.mean, pair.p) == pytest.approx((-0.1, 1.0))
    clustered = differences(first, second, [*"aabbccddee"], np.array([True]))[0]
    assert clustered is not None
    assert (clustered.clusters, clustered.test) == (5, "cluster-sign-flip")
    # sums of clusters 0, 0, -1, -2, 2: 1, 2 and 2 of whatever signs are never nearer to 0 than 1
    assert clustered.p == pytest.approx(1.0)


def test_the_standard_error_of_clusters_is_statsmodels() -> None:
    values = np.random.default_rng(8).normal(size=200)
    groups = [str(place) for place in np.random.default_rng(9).integers(0, 30, 200)]
    fit = statsmodels.api.OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": np.array(groups, int), "use_correction": False})
    pair = differences(np.zeros((200, 1)), values[:, None], groups, np.array([False]))[0]
    assert pair is not None
    assert pair.error == pytest.approx(fit.bse[0] * math.sqrt(30 / 29))


# How often intervals hold the truth. Runs are columns, so that a thousand of them are one call.


def _alike(generator: np.random.Generator, share: float, correlation: float, groups: np.ndarray) -> Numbers:
    """Shares of clusters around ``share``, a column a run: items of a cluster are correlated by ``correlation``."""
    strength = (1 - correlation) / correlation
    of_clusters = generator.beta(share * strength, (1 - share) * strength, (CLUSTERS, RUNS))
    shares: Numbers = of_clusters[groups]
    return shares


def _groups(generator: np.random.Generator, items: int) -> np.ndarray:
    """Clusters of uneven sizes, none empty."""
    return np.concatenate([np.arange(CLUSTERS), generator.integers(0, CLUSTERS, items - CLUSTERS)])


def _covered(low: Numbers, high: Numbers, truth: float) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize(("share", "correlation"), [(0.5, 0.3), (0.8, 0.1), (0.8, 0.3), (0.9, 0.1), (0.95, 0.3), (0.98, 0.3)])
def test_intervals_of_a_clustered_share_hold_the_truth_as_often_as_they_say(share: float, correlation: float) -> None:
    generator = np.random.default_rng(11)
    groups = _groups(generator, 240)
    right = (generator.random((240, RUNS)) < _alike(generator, share, correlation, groups)).astype(float)
    found = means(right, [str(group) for group in groups], np.full(RUNS, True), np.full(RUNS, True))
    assert 0.93 <= _covered(*found.bounds, share) <= 0.97
    naive = [wilson(int(hits), 240) for hits in right.sum(0)]  # what taking the items for independent would say
    assert np.mean([low <= share <= high for low, high in naive]) < 0.925


def test_wilson_holds_the_truth_where_items_are_independent() -> None:
    right = (np.random.default_rng(12).random((200, RUNS)) < 0.85).astype(float)
    found = means(right, [str(place) for place in range(200)], np.full(RUNS, True), np.full(RUNS, True))
    assert set(found.method) == {"wilson"}
    assert 0.93 <= _covered(*found.bounds, 0.85) <= 0.97


def test_intervals_of_clustered_amounts_hold_the_truth() -> None:
    generator = np.random.default_rng(13)
    groups = _groups(generator, 200)
    mean = _alike(generator, 0.7, 0.2, groups)
    found = means(generator.beta(3 * mean, 3 * (1 - mean)), [str(group) for group in groups], np.full(RUNS, False), np.full(RUNS, True))
    assert set(found.method) == {"cluster-bootstrap"}
    assert 0.93 <= _covered(*found.bounds, 0.7) <= 0.97


@pytest.mark.parametrize(("discordant", "better"), [(0.2, 0.5), (0.2, 0.8), (0.4, 0.6)])
def test_intervals_of_differences_hold_the_truth(discordant: float, better: float) -> None:
    """``better`` of the items that differ are right in the second arm alone."""
    generator = np.random.default_rng(14)
    groups = _groups(generator, 240)
    differ = generator.random((240, RUNS)) < _alike(generator, discordant, 0.2, groups)
    gained = generator.random((240, RUNS)) < better
    first, second = (differ & ~gained).astype(float), (differ & gained).astype(float)
    found = [pair for pair in differences(first, second, [str(group) for group in groups], np.full(RUNS, True)) if pair]
    truth = discordant * (2 * better - 1)
    assert 0.93 <= np.mean([pair.low <= truth <= pair.high for pair in found]) <= 0.97
    if better == 0.5:  # there is nothing to be found: one test in twenty finds it
        assert 0.03 <= np.mean([pair.p <= 0.05 for pair in found]) <= 0.07


def test_the_same_scores_give_the_same_interval_each_time() -> None:
    values = np.random.default_rng(5).random((60, 3))
    first, second = (of_means(Clusters.of(values, ALONE)) for _ in range(2))
    for one, other in product(first, second):
        assert one.shape == other.shape
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
