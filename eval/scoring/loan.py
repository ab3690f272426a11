"""Loan ratings as predictions: how well the probability of a high rating tells bad loans from good ones, and how far it can be taken at its word.

The probability is that of the label's tokens among all labels, as the answer document has it, never a number that the model writes. An answer without a
rating is wrong, and as wrong as it can be. All functions take labels (1 is bad) and probabilities of 1, in any order.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from eval.run.record import Record
from eval.scoring.answers import rating
from eval.scoring.calibration import brier, expected_error, is_reliable
from eval.suite.item import Item

#: the label whose probability is predicted
BAD = "high"
#: probabilities are held away from 0 and 1 by this where their logarithm is taken
_CLIP = 1e-6
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of a wrong decision, in units of one another: a bad loan that is not rated high, a good one that is."""

    missed: float = 5.0
    declined: float = 1.0


#: unless the bank says its own
COSTS = Costs()


@dataclass(frozen=True, slots=True)
class Case:
    """One application: what became of it, the probability that it is bad, and whether it was rated so. ``probability`` is None where the engine tells none;
    ``rated`` is None without a rating."""

    item: Item
    y: int
    probability: float | None
    rated: str | None

    @property
    def declined(self) -> bool:
        """Rated high; without a rating the wrong way round."""
        return self.rated == BAD if self.rated is not None else self.y == 0

    @property
    def approved(self) -> bool:
        """Rated, and not high: what is not rated is not approved."""
        return self.rated is not None and self.rated != BAD


def cases(items: Mapping[str, Item], records: Sequence[Record]) -> list[Case]:
    """The applications of which it is known what became of them."""
    found = []
    for record in records:
        item = items[record.item]
        if item.label.y is not None:
            given = rating(record)
            probabilities = record.probabilities or {}
            found.append(Case(item, item.label.y, probabilities.get(BAD) if given is not None else None, given))
    return found


def measures(found: Sequence[Case], costs: Costs = COSTS) -> dict[str, float | None]:
    """Everything of this module by name; None where it is not defined, as of one kind of loans alone."""
    labels = np.array([case.y for case in found], np.int64)
    declined = np.array([case.declined for case in found], np.int64)
    values: dict[str, float | None] = {
        "loan_count": float(len(found)),
        "loan_unrated": sum(case.rated is None for case in found) / len(found),
        "loan_mcc": float(metrics.matthews_corrcoef(labels, declined)) if len(set(labels)) == 2 else None,
        "loan_cost": cost(labels, declined, costs),
    }
    told = any(case.probability is not None for case in found)
    if told and len(set(labels)) == 2:
        # the worst that could be said where nothing was
        probabilities = np.array([1.0 - case.y if case.probability is None else case.probability for case in found])
        values |= of_probabilities(labels, probabilities)
    return values


def of_probabilities(labels: NDArray[np.int64], probabilities: Floats) -> dict[str, float | None]:
    """Of labels of both kinds."""
    area = float(metrics.roc_auc_score(labels, probabilities))
    slope, intercept = calibration_line(labels, probabilities)
    return {
        "auroc": area,
        "gini": 2 * area - 1,
        "ks": kolmogorov_smirnov(labels, probabilities),
        "pr_auc": float(metrics.average_precision_score(labels, probabilities)),
        "log_loss": float(metrics.log_loss(labels, np.clip(probabilities, _CLIP, 1 - _CLIP))),
        "brier": brier(labels, probabilities),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "ece": expected_error(labels, probabilities),
        "ece_reliable": float(is_reliable(len(labels))),
    }


def kolmogorov_smirnov(labels: NDArray[np.int64], probabilities: Floats) -> float:
    """The greatest distance between the shares of bad and of good loans that a cut-off declines."""
    false, true, _ = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    return float(np.max(np.abs(true - false)))


def calibration_line(labels: NDArray[np.int64], probabilities: Floats) -> tuple[float | None, float | None]:
    """Slope and intercept of the outcome over the log-odds of its probability (Cox 1958): 1 and 0 when they can be taken at their word. None where a cut-off
    tells all bad loans from all good ones, since no slope is steep enough then, and where all probabilities are the same."""
    bad, good = probabilities[labels == 1], probabilities[labels == 0]
    if bad.min() >= good.max() or good.min() >= bad.max():
        return None, None
    clipped = np.clip(probabilities, _CLIP, 1 - _CLIP)
    odds = np.log(clipped / (1 - clipped))
    middle, spread = float(odds.mean()), float(odds.std())
    with warnings.catch_warnings(action="error", category=ConvergenceWarning):
        try:
            model = LogisticRegression(C=np.inf, solver="newton-cholesky").fit((odds[:, None] - middle) / spread, labels)
        except ConvergenceWarning:  # all but told apart
            return None, None
    slope = float(model.coef_[0][0]) / spread
    return slope, float(model.intercept_[0]) - slope * middle


def cost(labels: NDArray[np.int64], declined: NDArray[np.int64], costs: Costs) -> float:
    """The mean cost of a decision."""
    missed, wrongly = (labels == 1) & (declined == 0), (labels == 0) & (declined == 1)
    return float(np.mean(costs.missed * missed + costs.declined * wrongly))


def reasons_traceable(items: Mapping[str, Item], records: Sequence[Record]) -> float | None:
    """The share of high ratings with a principal reason that is rated high, whose figure stands in the application and that cites a passage; None without
    high ratings."""
    high = [record for record in records if rating(record) == BAD]
    return sum(_is_traceable(items[record.item], record) for record in high) / len(high) if high else None


def _is_traceable(item: Item, record: Record) -> bool:
    passages = {passage.rank for passage in record.retrieved}
    return any(
        reason.get("rating") == BAD and str(reason.get("value", "")) in item.question and reason.get("value") and reason.get("citation") in passages
        for reason in (record.structured or {}).get("reasons") or ()
    )
