"""Intervals and chances of yes and no against scipy, statsmodels and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar

from eval.statistics.shares import cochran_q, mcnemar, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (8, 10), (10, 10), (1980, 2000)])
def test_wilson_s_interval_is_scipy_s(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_of_nothing_the_share_may_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("first", "second", "chance"), [(0, 0, 1.0), (1, 9, 22 / 1024), (9, 1, 22 / 1024), (3, 3, 1.0), (0, 6, 2 / 64)])
def test_mcnemar_counts_the_splits_at_least_as_uneven(first: int, second: int, chance: float) -> None:
    assert mcnemar(first, second) == pytest.approx(chance)
    if first + second:
        assert their_mcnemar(np.array([[5, first], [second, 7]]), exact=True).pvalue == pytest.approx(chance)


def test_cochran_s_q_by_hand() -> None:
    # columns 0, 1, 2, 3; rows 3, 2, 1: 4 * 3 * (2.25 + .25 + .25 + 2.25) / (4 * 6 - (9 + 4 + 1)) = 60 / 10
    q, chance = cochran_q(np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], float))
    assert q == pytest.approx(6.0)
    assert chance == pytest.approx(0.1116, abs=1e-4)  # of chi squared with 3 degrees of freedom


def test_cochran_s_q_is_statsmodels_and_two_arms_are_mcnemar_s_test() -> None:
    right = (np.random.default_rng(3).random((80, 4)) < [0.4, 0.6, 0.5, 0.7]).astype(float)
    theirs = cochrans_q(right)
    assert cochran_q(right) == pytest.approx((theirs.statistic, theirs.pvalue))
    # with two arms Q is (b - c)^2 / (b + c)
    assert cochran_q(np.array([[1, 0]] * 7 + [[0, 1]] * 2 + [[1, 1]] * 5, float)).q == pytest.approx(25 / 9)


def test_arms_that_never_differ_show_nothing() -> None:
    assert cochran_q(np.array([[1, 1, 1, 1], [0, 0, 0, 0]], float)) == (0.0, 1.0)
