"""Whether probabilities can be taken at their word, and whether they have moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BINS = 10
#: fewer answers say little about calibration (HELM)
_RELIABLE = 300
#: a share of nothing has no logarithm
_LEAST_SHARE = 1e-4


def is_reliable(count: int) -> bool:
    """Whether so many outcomes are enough for :func:`expected_error`."""
    return count >= _RELIABLE


def expected_error(outcomes: ArrayLike, probabilities: ArrayLike, bins: int = _BINS) -> float:
    """The expected calibration error over bins of equal mass (Nixon et al., Measuring calibration in deep learning, 2019): the mean distance between what was
    expected and what came, weighted by the answers in a bin. Equal probabilities share a bin."""
    return float(sum(share * abs(expected - came) for share, expected, came in reliability(outcomes, probabilities, bins)))


def reliability(outcomes: ArrayLike, probabilities: ArrayLike, bins: int = _BINS) -> list[tuple[float, float, float]]:
    """Per bin, lowest first: its share of all, the mean probability, and the share that came true."""
    came, expected = np.asarray(outcomes, np.float64), np.asarray(probabilities, np.float64)
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    places = np.searchsorted(edges, expected, side="right")
    return [(float(mine.mean()), float(expected[mine].mean()), float(came[mine].mean())) for place in np.unique(places) for mine in [places == place]]


def brier(outcomes: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean squared distance, between 0 and 1 (of one outcome, not summed over both classes)."""
    return float(np.mean((np.asarray(probabilities, np.float64) - np.asarray(outcomes, np.float64)) ** 2))


def stability_index(expected: ArrayLike, actual: ArrayLike, bins: int = _BINS) -> float:
    """The population stability index: how far values have moved from the deciles that they had. Below 0.10 is stable, to 0.25 to be watched, above to be acted
    on."""
    before, now = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    cuts, times = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]), return_counts=True)
    edges = np.unique([*cuts, *np.nextafter(cuts[times > 1], np.inf)])  # a value that fills more than one bin is one of its own
    first, second = (np.maximum(_shares(values, edges), _LEAST_SHARE) for values in (before, now))
    return float(np.sum((second - first) * np.log(second / first)))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) / len(values)
