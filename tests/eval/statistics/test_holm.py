"""Several chances looked at together."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from eval.statistics.holm import holm
from eval.statistics.power import detectable, needed


def test_holm_by_hand() -> None:
    # sorted .01 * 4, .02 * 3, .03 * 2, .2 * 1
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]  # never above 1, never below a smaller one's


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    chances = np.random.default_rng(seed).random(6) ** 4
    assert holm(chances.tolist()) == pytest.approx(multipletests(chances, method="holm")[1])


@pytest.mark.parametrize(("count", "points"), [(200, 8.9), (400, 6.3), (1000, 4.0)])
def test_what_a_suite_can_show_is_what_the_reference_says(count: int, points: float) -> None:
    assert 100 * detectable(0.2, count) == pytest.approx(points, abs=0.05)


def test_how_many_items_a_difference_takes() -> None:
    assert needed(0.2, 0.02) == 3920  # 0.2 * (2.8 / 0.02)^2
    assert detectable(0.2, needed(0.2, 0.02)) <= 0.02
    assert detectable(0.2, 0) == 1.0
