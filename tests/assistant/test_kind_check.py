"""Is the figure of the kind that was asked for?"""

from __future__ import annotations

import pytest

from assistant.ground import Checker
from assistant.kind_check import check
from core.types import Passage
from eval.bank import FIRST_SEED
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts


@pytest.mark.parametrize(
    ("question", "text", "detail"),
    [
        ("How long does an international transfer take?", "10:30", "a time of day, which does not answer this question"),
        ("How long does an international transfer take?", "USD 12", "an amount, which does not answer this question"),
        ("How often is the file reviewed?", "1.20%", "a rate, which does not answer this question"),
        ("For how many years can I borrow?", "about 2.85%", "a rate, which does not answer this question"),
        ("What does it cost to replace a card?", "5 working days", "a period, which does not answer this question"),
        ("How much would you charge for a copy?", "1 July 2026", "a date, which does not answer this question"),
        ("What is the monthly fee?", "two weeks", "a period, which does not answer this question"),
        ("Which standard rate applies?", "USD 405", "an amount, which does not answer this question"),
        ("When is the fee charged?", "USD 405", "an amount, which does not answer this question"),
        ("How old do I need to be?", "15 working days", "a period, which does not answer this question"),
        ("Which fee, in USD, is due on a loan of USD 200,000?", "0.70%", "a rate, which does not answer this question"),
        ("Extra withdrawals: price per piece?", "1.8%", "a rate, which does not answer this question"),
        ("After how many attempts is it locked?", "5 minutes", "a period, which does not answer this question"),
        ("密码输错几次就进不去了？", "5分钟", "a period, which does not answer this question"),
        ("第一次最少要存进去多少？", "24个月", "a period, which does not answer this question"),
        ("孩子几岁起可以办？", "15个工作日", "a period, which does not answer this question"),
        ("至少要到几名委员才算数？", "9.5万新加坡元", "an amount, which does not answer this question"),
        ("2000新加坡元分24期，手续费是多少新加坡元？", "6.85%", "a rate, which does not answer this question"),
        ("个人贷款最长可以借几年？", "2.85%", "a rate, which does not answer this question"),
        ("补卡要多少钱？", "五个工作日", "a period, which does not answer this question"),
        ("一年期的利率是多少？", "150元", "an amount, which does not answer this question"),
        ("几点以前提交可以当天处理？", "0.5%", "a rate, which does not answer this question"),
    ],
)
def test_a_figure_of_another_kind_fails(question: str, text: str, detail: str) -> None:
    found = check(text, question)
    assert (found.passed, found.detail) == (False, detail)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        pytest.param("How long does a transfer take?", "2 working days", id="the kind asked for"),
        pytest.param("How long does a transfer take?", "Orders received by 10:30 on a working day are carried out on the same day.", id="more than a figure"),
        pytest.param("How long does a transfer take?", "immediately", id="no figure"),
        pytest.param("How long is the card valid?", "until 31 December 2026", id="a date ends a period"),
        pytest.param("What does it cost?", "1.25%", id="a fee may be a rate"),
        pytest.param("What does it cost?", "15", id="a bare number may be anything"),
        pytest.param("What is the fee waiver period?", "12 months", id="the fee is not what is asked for"),
        pytest.param("Until when must a fee be disputed?", "30 days", id="a period ends on a day"),
        pytest.param("What is the exchange rate of the euro?", "USD 1.07", id="a rate that is an amount"),
        pytest.param("How long does it take, and what does it cost?", "USD 5", id="two questions"),
        pytest.param("Tell me about transfers.", "10:30", id="an open question"),
        pytest.param("What is the limit?", "第五条 500元", id="the number of a clause"),
        pytest.param("How old do I need to be?", "18 years", id="an age"),
        pytest.param("Until which birthday?", "27", id="a bare age"),
        pytest.param("What do I pay on deposits in USD?", "2.75%", id="a rate of a currency"),
        pytest.param("How many attempts do I have?", "3 times", id="a count"),
        pytest.param("最多能借多少？", "70%", id="a loan may be a share of a price"),
        pytest.param("孩子几岁起可以办？", "11周岁", id="Chinese age"),
        pytest.param("密码输错几次就进不去了？", "3次", id="Chinese count"),
        pytest.param("取款限额是多少？", "每日5000元", id="Chinese, open"),
    ],
)
def test_what_may_answer_passes(question: str, text: str) -> None:
    assert check(text, question).passed


def test_no_right_answer_of_a_new_bank_fails() -> None:
    """However the question is put; and a quarter of the questions are judged, so that the check is no ornament."""
    judged = asked = 0
    for question in sample_questions.load(Facts.draw(FIRST_SEED + 730)):
        for text in (question.ask, *question.train) if question.answer else ():
            found = check(question.answer[0], text)
            assert found.passed, (text, question.answer, found.detail)
            asked += 1
            judged += found.detail == "of the kind that the question asks for"
    assert judged > 0.2 * asked


def test_the_check_is_part_of_grounding() -> None:
    text = "Orders received by 10:30 are carried out on the same day."
    passage = Passage(1, "c", "d", 1, "Transfers", (), None, 0, len(text), text)
    sentence = Checker([passage], "How long does an international transfer take?").check("10:30 [1]")
    assert [check.name for check in sentence.checks if not check.passed] == ["kind"]


def test_what_is_added_to_an_answer_may_be_of_any_kind() -> None:
    text = "A new card costs USD 18.50 and takes 5 days."
    passage = Passage(1, "c", "d", 1, "Cards", (), None, 0, len(text), text)
    checker = Checker([passage], "What does a new card cost?")
    assert checker.check("USD 18.50 [1]").passed
    assert checker.check("It takes 5 days [1]").passed
    assert not Checker([passage], "What does a new card cost?").check("It takes 5 days [1]").passed
