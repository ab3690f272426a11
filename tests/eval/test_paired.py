"""Intervals and chances against values worked out elsewhere."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from eval.paired import mcnemar, mean_difference, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (8, 10), (10, 10), (1980, 2000)])
def test_wilson_s_interval_is_scipy_s(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_of_nothing_the_share_may_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("first", "second", "chance"), [(0, 0, 1.0), (1, 9, 22 / 1024), (9, 1, 22 / 1024), (3, 3, 1.0), (0, 6, 2 / 64)])
def test_mcnemar_counts_the_splits_at_least_as_uneven(first: int, second: int, chance: float) -> None:
    assert mcnemar(first, second) == pytest.approx(chance)


def test_a_mean_difference_has_its_interval_around_it() -> None:
    mean, (low, high) = mean_difference([0.0] * 90 + [1.0] * 10)
    assert mean == pytest.approx(0.1)
    # the share of ten in a hundred: 1.96 deviations of 0.03 to either side
    assert (low, high) == pytest.approx((0.041, 0.159), abs=0.012)
    assert mean_difference([0.25, 0.25]) == (0.25, (0.25, 0.25))
