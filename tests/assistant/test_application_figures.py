"""Whose figure is whose."""

from __future__ import annotations

import pytest

from assistant.application_figures import Figure, figures

_EN = ("Debt-to-income ratio", "Loan-to-value ratio", "Years in employment", "Missed payments in the last 12 months")
_ZH = ("负债收入比", "抵押率", "现单位工作年限", "近12个月逾期次数")


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        pytest.param(
            "Please rate this loan application: debt-to-income ratio 25%, loan-to-value ratio 55%, 9 years in employment, 0 missed payments in the last 12 months.",
            [("25%", 0), ("55%", 1), ("9", 2), ("0", 3)],
            id="as the sample bank asks",
        ),
        pytest.param(
            "What is the risk of a borrower with a loan-to-value ratio of 85%, a debt-to-income ratio of 28%, 0 years in employment and 3 missed payments in the last 12 months?",
            [("85%", 1), ("28%", 0), ("0", 2), ("3", 3)],
            id="in another order, without a comma",
        ),
        pytest.param("Down payment 30%, debt-to-income ratio of 46%", [("30%", None), ("46%", 0)], id="another figure before the name"),
        pytest.param("DTI 46%, LTV 30%", [("46%", None), ("30%", None)], id="names that nobody told us"),
        pytest.param("payments missed: 9", [("9", 3)], id="other order of the words"),
        pytest.param("A loan of USD 250,000, loan-to-value ratio 60%", [("60%", 1)], id="amounts are no measures"),
        pytest.param("debt-to-income ratio 20% or 46%", [("20%", None), ("46%", None)], id="two figures, which one?"),
        pytest.param("no figure at all", [], id="none"),
    ],
)
def test_english(application: str, expected: list[tuple[str, int | None]]) -> None:
    assert figures(application, _EN) == [Figure(text, None if number is None else _EN[number]) for text, number in expected]


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        pytest.param(
            "申请人抵押率47%,负债收入比29%,现单位工作年限5年,近12个月逾期次数0,风险评级应是多少?",
            [("47%", 1), ("29%", 0), ("5", 2), ("0", 3)],
            id="as the sample bank asks",
        ),
        pytest.param("首付比例30%,负债收入比目前为46%", [("30%", None), ("46%", 0)], id="another figure before the name"),
        pytest.param("贷款50万元,抵押率为47%", [("47%", 1)], id="amounts are no measures"),
    ],
)
def test_chinese(application: str, expected: list[tuple[str, int | None]]) -> None:
    assert figures(application, _ZH) == [Figure(text, None if number is None else _ZH[number]) for text, number in expected]
