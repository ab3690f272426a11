"""Limits on questions, and what of them may be stored."""

from __future__ import annotations

import pytest

from assistant.guard import MAX_TURNS, checked_history, checked_question, mask
from core.errors import BadInput
from core.types import Turn


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("write to anna.k@bank.example please", "write to [EMAIL] please", id="e-mail"),
        # the example IBAN of the Swiss standard; its check digits are right
        pytest.param("my IBAN is CH93 0076 2011 6238 5295 7.", "my IBAN is [IBAN].", id="iban"),
        pytest.param("card 4111 1111 1111 1111 was stolen", "card [CARD] was stolen", id="card"),
        pytest.param("我的卡号是6222021234567890128，丢了", "我的卡号是[CARD]，丢了", id="card, Chinese"),
        # the example of GB 11643
        pytest.param("身份证11010519491231002X", "身份证[RESIDENT_ID]", id="resident id"),
        pytest.param("call +65 6789 0123 today", "call [PHONE] today", id="phone"),
        pytest.param("手机13812345678", "手机[PHONE]", id="mobile, Chinese"),
        pytest.param("account 123456789012 is empty", "account [ACCOUNT] is empty", id="account"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "What is the rate for USD 12,500 over 36 months in 2026?",
        "card 4111 1111 1111 1112 has a wrong check digit",
        "第12条规定的利率是2.75%吗？1.5万元",
    ],
)
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert mask(text) == text


def test_a_question_is_normalised() -> None:
    assert checked_question("  What\u200b is  the\u00a0rate? \x07", 100) == "What is the rate?"


@pytest.mark.parametrize(
    ("text", "code"), [("", "invalid_request"), (" \u200b\n ", "invalid_request"), ("利" * 101, "question_too_long")], ids=["empty", "blank", "too long"]
)
def test_a_question_out_of_bounds_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadInput) as error:
        checked_question(text, 100)
    assert error.value.code == code
    assert error.value.param == "question"


def test_the_longest_question_passes() -> None:
    assert len(checked_question("a" * 100, 100)) == 100


def test_a_long_history_is_refused_with_its_length() -> None:
    turns = [Turn("user", "x")] * (MAX_TURNS + 1)
    with pytest.raises(BadInput, match=r"21 turns, more than the limit of 20"):
        checked_history(turns, 100)
    with pytest.raises(BadInput, match="longer than 200 characters"):
        checked_history([Turn("user", "x" * 201)], 100)
    assert checked_history([Turn("user", " a\u200b ")], 100) == (Turn("user", "a"),)
