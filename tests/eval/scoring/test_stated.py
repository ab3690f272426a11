"""Facts and numbers in whatever way they are written."""

from __future__ import annotations

import pytest

from eval.scoring.stated import holds, is_date, states_number
from tests.eval.scoring.made import number


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("The rate is 3.10% a year.", "3.10%"),
        ("The rate is 3.1% a year.", "3.10%"),
        ("It is 310 bp.", "3.1%"),
        ("年利率为3.10%。", "3.1%"),
        ("年利率为百分之三点一", "3.10%"),
        ("费用为1.5万元", "15,000元"),
        ("期限为12个月", "一年"),
        ("for one year", "12 months"),
        ("The Gold card, USD 45.00 a year", "usd 45"),
        ("工资入账合计达到8,000元的，免收当月管理费", "免收当月管理费"),
        ("within 5 business days", "5 business days"),
        ("5个工作日内", "5 business days"),
        ("from 1 July 2027", "2027年7月1日"),
        ("if you are a student", "You are the student!"),
    ],
)
def test_what_a_text_holds(text: str, wording: str) -> None:
    assert holds(text, wording)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("The rate is 31.0%.", "3.10%"),
        ("It takes 310 days.", "3.10%"),
        ("USD 45,000", "USD 45"),
        ("EUR 45", "USD 45"),
        ("期限十三年", "三年"),
        ("5天", "5个工作日"),
        ("年利率2.75%", "2.75万"),
        ("students pay", "student"),
        ("不免收", "免收管理费"),
        ("", "3%"),
        ("3%", ""),
        ("the fee and the rate", "fee rate"),
    ],
)
def test_what_it_does_not_hold(text: str, wording: str) -> None:
    assert not holds(text, wording)


@pytest.mark.parametrize(
    ("text", "value", "unit", "tolerance", "expected"),
    [
        ("2.75%", 2.75, "%", 1e-4, True),
        ("275 bp", 2.75, "%", 1e-4, True),
        ("百分之二点七五", 2.75, "%", 1e-4, True),
        ("2.75 percentage points", 2.75, "%", 1e-4, False),
        ("1.5万元", 15000, "CNY", 1e-4, True),
        ("共1.5万", 15000, "", 1e-4, True),
        ("USD 1,250.00", 1250, "USD", 1e-4, True),
        ("CHF 1,250.00", 1250, "USD", 1e-4, False),
        ("1250", 1250, "USD", 1e-4, False),
        ("USD 1,250", 1250, "", 1e-4, True),
        ("12 months", 1, "year", 1e-4, True),
        ("两年", 24, "month", 1e-4, True),
        ("about USD 99.9", 100, "USD", 0.01, True),
        ("about USD 98.9", 100, "USD", 0.01, False),
        ("it loses -5%", -5, "%", 1e-4, True),
        ("it gains 5%", -5, "%", 1e-4, False),
        ("1 July 2027", 2027, "", 1e-4, False),
        ("nothing", 0, "", 1e-4, False),
    ],
)
def test_numbers_with_their_units(text: str, value: float, unit: str, tolerance: float, expected: bool) -> None:
    assert states_number(text, number(value, unit, tolerance)) is expected


def test_a_date_is_a_date_and_nothing_else() -> None:
    assert is_date("1 July 2027")
    assert is_date("2027年7月1日")
    assert not is_date("from 1 July 2027")
    assert not is_date("3%")
