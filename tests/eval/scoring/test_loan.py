"""Loan ratings as predictions: by hand, against scikit-learn, SciPy and statsmodels, and whatever the order."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn import metrics as theirs

from eval.run.record import Record
from eval.scoring import calibration, loan
from eval.suite.item import Expected, Item, Label
from tests.eval.scoring.made import answer, item, passage, rated, refusal

_TOLD = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 100).map(lambda share: share / 100)), min_size=4, max_size=40).filter(
    lambda found: len({y for y, _ in found}) == 2
)


def application(name: str, y: Any) -> Item:
    return item(name, task="loan_risk", answer=Expected(verdict="high" if y else "low"), label=Label(y=y))


def _suite(*outcomes: int) -> dict[str, Item]:
    return {f"q{number}": application(f"q{number}", y) for number, y in enumerate(outcomes)}


def test_by_hand() -> None:
    items = _suite(1, 1, 0, 0)
    records = [rated("high", 0.9, "q0"), rated("medium", 0.4, "q1"), rated("low", 0.1, "q2"), rated("high", 0.6, "q3")]
    values = loan.measures(loan.cases(items, records))
    # of the four pairs of a bad and a good one 0.4 < 0.6 alone is the wrong way round
    assert values["auroc"] == pytest.approx(3 / 4)
    assert values["gini"] == pytest.approx(1 / 2)
    assert values["ks"] == pytest.approx(1 / 2)  # a cut-off at 0.9 declines half of the bad and none of the good
    assert values["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert values["brier"] == pytest.approx((0.01 + 0.36 + 0.01 + 0.36) / 4)
    assert values["log_loss"] == pytest.approx(-(math.log(0.9) * 2 + math.log(0.4) * 2) / 4)
    assert values["loan_mcc"] == 0  # declined are one of two bad and one of two good
    assert values["loan_cost"] == (5 + 1) / 4
    assert values["loan_unrated"] == 0
    assert values["ece"] == pytest.approx((0.1 + 0.6 + 0.1 + 0.6) / 4)  # a bin each
    assert values["ece_reliable"] == 0
    assert loan.measures(loan.cases(items, records), loan.Costs(1, 3))["loan_cost"] == (1 + 3) / 4


def test_an_answer_without_a_rating_is_as_wrong_as_can_be() -> None:
    items = _suite(1, 0)
    values = loan.measures(loan.cases(items, [rated(None, name="q0"), rated("low", 0.2, "q1")]))
    assert (values["auroc"], values["loan_unrated"], values["loan_cost"]) == (0, 1 / 2, 5 / 2)
    assert values["brier"] == pytest.approx((1 + 0.04) / 2)
    assert values["loan_mcc"] == 0  # nobody is declined
    both = loan.measures(loan.cases(items, [rated(None, name="q0"), rated(None, name="q1")]))
    assert (both["loan_mcc"], both["loan_cost"]) == (-1, (5 + 1) / 2)
    assert "auroc" not in both  # no probability was told at all


def test_a_rating_in_words_alone_has_no_probability() -> None:
    (case,) = loan.cases(_suite(1), [answer("Rating: high", "q0")])
    assert (case.rated, case.probability, case.declined, case.approved) == ("high", None, True, False)
    (case,) = loan.cases(_suite(1), [refusal(name="q0", probabilities={"high": 0.9})])
    assert (case.rated, case.probability, case.declined, case.approved) == (None, None, False, False)


def test_of_one_kind_of_loans_nothing_can_be_told_apart() -> None:
    values = loan.measures(loan.cases(_suite(1, 1), [rated("high", 0.9, "q0"), rated("high", 0.8, "q1")]))
    assert values["loan_mcc"] is None
    assert "auroc" not in values


@settings(max_examples=40, deadline=None)
@given(_TOLD)
def test_against_other_libraries(told: list[tuple[int, float]]) -> None:
    labels, probabilities = (np.array(side) for side in zip(*told, strict=True))
    values = loan.of_probabilities(labels, probabilities)
    assert values["ks"] == pytest.approx(ks_2samp(probabilities[labels == 1], probabilities[labels == 0], method="asymp").statistic)
    pairs = [(bad > good) + (bad == good) / 2 for bad in probabilities[labels == 1] for good in probabilities[labels == 0]]
    assert values["auroc"] == pytest.approx(np.mean(pairs))
    assert values["brier"] == pytest.approx(theirs.brier_score_loss(labels, probabilities))
    assert 0 <= values["ece"] <= 1  # type: ignore[operator]
    order = random.Random(1).sample(range(len(told)), len(told))
    again = loan.of_probabilities(labels[order], probabilities[order])
    assert again == {name: value if value is None else pytest.approx(value, abs=1e-6) for name, value in values.items()}


def test_the_line_of_calibration_is_statsmodels() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.uniform(0.02, 0.98, 400)
    labels = (rng.uniform(size=400) < probabilities**2).astype(np.int64)  # risk is overstated
    slope, intercept = loan.calibration_line(labels, probabilities)
    fitted = sm.Logit(labels, sm.add_constant(np.log(probabilities / (1 - probabilities)))).fit(disp=0)
    assert [intercept, slope] == pytest.approx(list(fitted.params), abs=1e-3)
    assert loan.calibration_line(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])) == (None, None)


def test_reasons_that_can_be_traced() -> None:
    asked = item("q0", question="Debt-to-income ratio 46%, 3 missed payments")
    good = {"measure": "Debt-to-income ratio", "value": "46%", "rating": "high", "limit": "above 43%", "citation": 1}

    def high(*reasons: object) -> Record:
        return answer("Rating: high", "q0", structured={"rating": "high", "reasons": list(reasons)}, retrieved=(passage(1),))

    def share(*records: Record) -> float | None:
        return loan.reasons_traceable({"q0": asked}, records)

    assert share(high(good)) == 1
    assert share(high({**good, "value": "47%"}), high({**good, "rating": "low"}), high({**good, "citation": 2}), high()) == 0
    assert share(rated("low", name="q0")) is None


def test_calibration_error_by_hand() -> None:
    # two bins of two: 0.2 and 0.4 expect 0.3 and half came, 0.6 and 0.8 expect 0.7 and all came
    assert calibration.expected_error([0, 1, 1, 1], [0.2, 0.4, 0.6, 0.8], bins=2) == pytest.approx((0.2 + 0.3) / 2)
    assert calibration.expected_error([1, 0, 1, 0], [0.5] * 4) == 0
    assert calibration.is_reliable(300)
    assert not calibration.is_reliable(299)


def test_bins_have_equal_mass() -> None:
    shares = [share for share, _, _ in calibration.reliability(np.zeros(100), np.linspace(0, 1, 100) ** 3)]
    assert shares == pytest.approx([0.1] * 10)


def test_the_stability_index_by_hand() -> None:
    before, now = [0.2] * 5 + [0.8] * 5, [0.2] * 2 + [0.8] * 8
    # two bins of half each, then a fifth and four fifths
    expected = (0.2 - 0.5) * math.log(0.2 / 0.5) + (0.8 - 0.5) * math.log(0.8 / 0.5)
    assert calibration.stability_index(before, now, bins=2) == pytest.approx(expected)
    assert calibration.stability_index(before, before[::-1]) == 0
    # all was at one value, and half went up from it, or down
    gone = (0.5 - 1) * math.log(0.5) + (0.5 - 1e-4) * math.log(0.5 / 1e-4)
    assert calibration.stability_index([0.3] * 4, [0.3, 0.3, 0.9, 0.9]) == pytest.approx(gone)
    assert calibration.stability_index([0.3] * 4, [0.3, 0.3, 0.1, 0.1]) == pytest.approx(gone)
