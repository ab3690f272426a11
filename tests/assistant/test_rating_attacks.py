"""What a review got past the checks of loan ratings: each stays refused."""

from __future__ import annotations

import pytest

from assistant.rating import RatingChecker
from core.types import Passage

_TABLE = "Measure: Debt-to-income ratio | Low: at most 31% | High: above 31%\nMeasure: Loan-to-value ratio | Low: at most 60% | High: above 60%"


@pytest.mark.parametrize(
    ("passage", "application", "line"),
    [
        pytest.param(_TABLE, "Debt-to-income ratio 46%", "Loan-to-value ratio 46%: low, at most 60% [1]", id="a figure under another measure"),
        pytest.param("The risk is high where the ratio is above 43%", "Ratio 46%", "Ratio 46%: low, above 43% [1]", id="a limit with no rating beside it"),
        pytest.param("超过43%的借款申请人应当评定为高风险", "负债收入比46%", "负债收入比46%：低，超过43% [1]", id="the same in Chinese"),
        pytest.param(_TABLE, "Down payment 30%, debt-to-income ratio of 46%", "Debt-to-income ratio 30%: low, at most 31% [1]", id="the figure before"),
        pytest.param(_TABLE, "DTI 46%, LTV 30%", "Debt-to-income ratio 30%: low, at most 31% [1]", id="names that are not the guide's"),
        pytest.param(_TABLE, "Debt-to-income ratio 46%, for 12 months", "Debt-to-income ratio 12: low, at most 31% [1]", id="another unit"),
        pytest.param(
            "Measure: Ratio | Low: above 31% but never above 43% | High: above 43%",
            "Ratio 46%",
            "Ratio 46%: low, above 31% but never above 43% [1]",
            id="never",
        ),
    ],
)
def test_a_wrong_line_does_not_pass(passage: str, application: str, line: str) -> None:
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(passage), passage)], application)
    sentence = ratings.check(line)
    assert not sentence.passed or "low" not in sentence.text


@pytest.mark.parametrize(
    ("words", "value", "right"),
    [
        ("not less than 5", "3", False),
        ("not less than 5", "5", True),
        ("not exceeding 43%", "46%", False),
        ("不得超过43%", "46%", False),
        ("不得超过43%", "36%", True),
        ("above 31% but not exceeding 43%", "46%", False),
        ("above 31% but not exceeding 43%", "40%", True),
        ("不小于5", "4", False),
    ],
)
def test_a_limit_is_read_as_it_is_meant(words: str, value: str, right: bool) -> None:
    passage = f"Measure: Quota | Low: {words}"
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(passage), passage)], f"Quota {value}")
    assert ratings.check(f"Quota {value}: low, {words} [1]").passed is right


def test_a_limit_of_another_measure_is_replaced_by_the_own_one() -> None:
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(_TABLE), _TABLE)], "Debt-to-income ratio 46%, loan-to-value ratio 50%")
    assert ratings.check("Debt-to-income ratio 46%: low, at most 60% [1]").text == "Debt-to-income ratio 46%: high, above 31%"
    assert ratings.check("Loan-to-value ratio 50%: low, at most 60% [1]").passed
    assert ratings.check("Rating: low").text == "Rating: high"
