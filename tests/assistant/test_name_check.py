"""Does the product that a question names stand in any passage? The words behind each case are read by hand."""

from __future__ import annotations

import time

import pytest

from assistant.ground import Checker
from assistant.name_check import check
from core.types import Passage


def passage(title: str, text: str, *headings: str) -> Passage:
    return Passage(1, "c", "d", 1, title, headings, None, 0, len(text), text)


MILLSTREAM = passage(
    "Millstream Current Account", "Closing the account costs USD 26. Withdrawals need notice. Cafés abroad and European banks take the card.", "Fees"
)
BRIDGE = passage("桥路活期账户章程", "销户每次收费26.00美元。挂失须书面通知本行。", "第五章 变更与销户")


@pytest.mark.parametrize(
    ("question", "cited", "name"),
    [
        pytest.param("What does closing a Harbour Notice Account cost?", MILLSTREAM, "Harbour Notice Account", id="one word of the name is nowhere"),
        pytest.param("What do Harbour Accounts cost?", MILLSTREAM, "Harbour Accounts", id="a plural of the kind"),
        pytest.param("Harbour Account closing fee", MILLSTREAM, "Harbour Account", id="at the beginning"),
        pytest.param("Under my Harbour-Notice Account, what is charged?", MILLSTREAM, "Harbour Notice Account", id="joined by a hyphen"),
        pytest.param("港湾通知账户销户收多少钱？", BRIDGE, "港湾通知账户", id="Chinese"),
        pytest.param("我的储蓄账户销户收多少钱？", BRIDGE, "储蓄账户", id="Chinese, one word"),
    ],
)
def test_a_name_that_is_in_no_passage_fails(question: str, cited: Passage, name: str) -> None:
    found = check([cited], [cited], question)
    assert not found.passed
    assert found.detail == f"the question names {name}, which is in no passage"


@pytest.mark.parametrize(
    ("question", "cited"),
    [
        pytest.param("What does closing a Millstream Current Account cost?", MILLSTREAM, id="the title's"),
        pytest.param("What does closing the Kestrel Bay Millstream Current Account cost?", MILLSTREAM, id="with the bank's name"),
        pytest.param("What does closing an account cost?", MILLSTREAM, id="no name"),
        pytest.param("What does closing a harbour account cost?", MILLSTREAM, id="small letters"),
        pytest.param("What does closing an account in Zurich cost?", MILLSTREAM, id="a name alone"),
        pytest.param("Can I use it in New York?", MILLSTREAM, id="a name of no kind that a title has"),
        pytest.param("What does closing an HNA Account cost?", MILLSTREAM, id="an abbreviation"),
        pytest.param("What Is The Fee Of The Harbour Account?", MILLSTREAM, id="all words capitalised"),
        pytest.param("WHAT IS THE FEE OF THE HARBOUR ACCOUNT?", MILLSTREAM, id="all letters capital"),
        pytest.param("Does a Cafe Account cost more?", MILLSTREAM, id="without its accent, in the plural"),
        pytest.param("Does a Europe Account cost more?", MILLSTREAM, id="a word derived from it"),
        pytest.param("Under Account rules, what is charged?", MILLSTREAM, id="a preposition"),
        pytest.param("What did closing an account cost on 1 July Account year?", MILLSTREAM, id="a month"),
        pytest.param("", MILLSTREAM, id="nothing"),
        pytest.param("桥路活期账户销户收多少钱？", BRIDGE, id="Chinese, the title's"),
        pytest.param("隼湾银行桥路账户销户收多少钱？", BRIDGE, id="Chinese, with the bank's name"),
        pytest.param("销户收多少钱？", BRIDGE, id="Chinese, no name"),
        pytest.param("注销账户收多少钱？", BRIDGE, id="what is done with it"),
        pytest.param("一个账户收多少钱？", BRIDGE, id="how many"),
        pytest.param("活期账户收多少钱？", BRIDGE, id="a word of the title"),
        pytest.param("港湾信用卡收多少钱？", BRIDGE, id="a kind that the title has not"),
        pytest.param("港湾通知账户销户收多少钱？", MILLSTREAM, id="another language"),
    ],
)
def test_what_cannot_be_told_passes(question: str, cited: Passage) -> None:
    assert check([cited], [cited], question).passed


def test_a_name_that_stands_in_another_passage_passes() -> None:
    harbour = passage("Notice periods", "The Harbour Notice Account has 30 days.")
    assert check([MILLSTREAM], [MILLSTREAM, harbour], "What does closing a Harbour Notice Account cost?").passed
    assert check([], [MILLSTREAM], "What does closing a Harbour Notice Account cost?").passed


def test_nothing_of_another_product_leaves() -> None:
    sentence = Checker([BRIDGE], "港湾通知账户销户收多少钱？").check("26.00美元 [1]")
    assert [one.name for one in sentence.checks if not one.passed] == ["name"]
    assert Checker([BRIDGE], "桥路活期账户销户收多少钱？").check("26.00美元 [1]").passed


@pytest.mark.parametrize(
    ("question", "cited"),
    [
        ("Harbour Notice fee " * 50_000, MILLSTREAM),
        ("Millstream Account fee " * 50_000, MILLSTREAM),
        ("Aa " * 100_000, MILLSTREAM),
        ("桥路章程账户" * 50_000, BRIDGE),
        ("通知账户" * 50_000, BRIDGE),
        ("账户" * 100_000, BRIDGE),
    ],
)
def test_a_long_question_does_not_keep_it_busy(question: str, cited: Passage) -> None:
    check([BRIDGE], [BRIDGE], "账户")  # jieba's dictionary is loaded once
    started = time.perf_counter()
    check([cited], [cited], question)
    assert time.perf_counter() - started < 0.5
