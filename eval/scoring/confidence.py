"""Does it know when it is right? Answers in the order of their confidence, surest first. Answers of equal confidence count as mixed evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

_COVERAGE = 0.8


def separation(right: ArrayLike, confidence: ArrayLike) -> float | None:
    """The chance that a right answer is surer than a wrong one (AUROC); None where all are right, or all wrong."""
    outcomes = np.asarray(right, np.int64)
    return float(roc_auc_score(outcomes, np.asarray(confidence, np.float64))) if len(np.unique(outcomes)) == 2 else None


def risk_coverage(right: ArrayLike, confidence: ArrayLike) -> NDArray[np.float64]:
    """The share of wrong ones among the surest 1, 2, ... n answers (Geifman and El-Yaniv, 2017)."""
    outcomes, sure = np.asarray(right, np.float64), np.asarray(confidence, np.float64)
    order = np.argsort(-sure, kind="stable")
    wrong = 1 - outcomes[order]
    _, starts, counts = np.unique(-sure[order], return_index=True, return_counts=True)
    even = np.repeat(np.add.reduceat(wrong, starts) / counts, counts)
    return np.cumsum(even) / np.arange(1, len(even) + 1)


def area(right: ArrayLike, confidence: ArrayLike) -> float:
    """The mean risk over all coverages (AURC): 0 when all are right."""
    return float(risk_coverage(right, confidence).mean())


def accuracy_at(right: ArrayLike, confidence: ArrayLike, coverage: float = _COVERAGE) -> float:
    """The share of right ones among the surest answers that make up a coverage."""
    curve = risk_coverage(right, confidence)
    return float(1 - curve[max(1, round(coverage * len(curve))) - 1])
