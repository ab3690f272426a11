"""Limits on questions, and what of them may be stored."""

from __future__ import annotations

import pytest

from assistant.guard import MAX_TURNS, checked_history, checked_passages, checked_question, mask
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
        pytest.param("ch93 0076 2011 6238 5295 7 please help me", "[IBAN] please help me", id="iban, small letters"),
        pytest.param(
            "我的账户ch9300762011623852957，CH93 0076 2011 6238 5295 7 DE89 3704 0044 0532 0130 00", "我的账户[IBAN]，[IBAN] [IBAN]", id="ibans, Chinese"
        ),
        pytest.param("4111.1111.1111.1111 or 4111-1111-1111-1111", "[CARD] or [CARD]", id="cards with other signs"),
        pytest.param("3782.822463.10005", "[CARD]", id="card of fifteen digits"),
        pytest.param("No 7 4111 1111 1111 1111 12 26", "No 7 [CARD] 12 26", id="card between numbers"),
        pytest.param("079 123 45 67, 0791234567, 044/123.45.67", "[PHONE], [PHONE], [PHONE]", id="Swiss phones"),
        pytest.param("(555) 123-4567 or 555-123-4567", "[PHONE] or [PHONE]", id="American phones"),
        pytest.param("座机010-12345678，手机138 1234 5678", "座机[PHONE]，手机[PHONE]", id="Chinese phones"),
        pytest.param("020 7946 0958; 01 23 45 67 89", "[PHONE]; [PHONE]", id="British and French phones"),
        pytest.param("account 12345678, please", "account [ACCOUNT], please", id="account of eight digits"),
        pytest.param("账号12345678的余额", "账号[ACCOUNT]的余额", id="account of eight digits, Chinese"),
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
        "from 01.02.2024 to 2026-12-31, 05/06/2025, 20260105 and 01.05.2026-30.06.2026",
        "USD 12345678 or CHF12345678.50, 12'345'678 francs, 12,345,678, 12 345 678",
        "a loan of 10000000, EUR 250000000, 12345678 dollars; 12345678元, 人民币12345678, ¥12345678, 3000000000",
        "0.12345678%, 0.079 and 1.25% of 500.000.000",
        "clauses 4.1.2 and 010-2; years 2023 2024 2025; 24 hours, 365 days",
        "aa11 aa11 aa11 aa11 aa11",
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


def test_what_is_far_over_a_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.guard.normalise", lambda text: pytest.fail("was normalised"))
    with pytest.raises(BadInput, match="401 characters, more than the limit of 100") as error:
        checked_question("a" * 401, 100)
    assert error.value.code == "question_too_long"
    with pytest.raises(BadInput, match="longer than 200 characters"):
        checked_history([Turn("user", "a" * 400), Turn("user", "a" * 401)], 100)
    with pytest.raises(BadInput, match="passage 1 has 401 characters, more than the limit of 400") as error:
        checked_passages([("Fees", "费" * 401)], 100)
    assert (error.value.code, error.value.param) == ("passage_too_long", "passages")


def test_given_passages_are_normalised_and_numbered() -> None:
    first, second = checked_passages([(" Fees\n2026 ", "１２ francs\u200b"), ("", "免费")], 100)
    assert (first.rank, first.document_id, first.title, first.text, first.end) == (1, "passage-1", "Fees 2026", "12 francs", 9)
    assert (second.rank, second.title, second.text) == (2, "Passage 2", "免费")


def test_a_long_history_is_refused_with_its_length() -> None:
    turns = [Turn("user", "x")] * (MAX_TURNS + 1)
    with pytest.raises(BadInput, match=r"21 turns, more than the limit of 20"):
        checked_history(turns, 100)
    with pytest.raises(BadInput, match="longer than 200 characters"):
        checked_history([Turn("user", "x" * 201)], 100)
    assert checked_history([Turn("user", " a\u200b ")], 100) == (Turn("user", "a"),)
