"""Several chances looked at together."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from eval.statistics.holm import holm


def test_holm_by_hand() -> None:
    # sorted .01 * 4, .02 * 3, .03 * 2, .2 * 1
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]  # never above 1, never below a smaller one's


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    chances = np.random.default_rng(seed).random(6) ** 4
    assert holm(chances.tolist()) == pytest.approx(multipletests(chances, method="holm")[1])
