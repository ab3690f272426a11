"""Does an answer give all that was asked for?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.answer import Request
from assistant.complete_check import check, checked
from assistant.ground import Checker
from core.text.tables import table_lines
from core.types import Answer, AnswerKind, Passage, Query, Sentence
from eval.bank import FIRST_SEED
from eval.pieces import Piece, asked_of, sections
from examples.samplebank.sources import Source
from tests.assistant.test_answer import ASK, TODAY, Running, answering, query


def passage(text: str, heading: str = "Fees") -> Passage:
    return Passage(1, "c", "d", 1, "Services", (heading,), None, 0, len(text), text)


TRANSFERS = passage(
    "Service: Transfer abroad | Fee: SGD 12.50\nService: Express surcharge | Fee: SGD 8.00\nService: Transfer abroad, express, total | Fee: SGD 20.50"
)
COPIES = passage("A certified copy costs SGD 7.00. Ten copies ordered together cost SGD 50.00.")
ACCOUNT = passage("The account costs SGD 4.00 a month.", "Monthly fee")
SAFE = passage("A safe costs SGD 120.00.", "Yearly rents")
LOAN = passage("The arrangement fee is 1.50% of the loan amount. It is 0.50 percentage points lower than for customers.")
CARDS = passage("卡种: 金卡 | 年费: 300元\n卡种: 银卡 | 年费: 120元\n金卡年费比银卡高出180元。\n两种卡的补卡费均为20元。\n办卡费用合计320元。")


@pytest.mark.parametrize(
    ("question", "text", "cited", "asked"),
    [
        ("What do the transfer and the express surcharge cost in total?", "SGD 12.50", TRANSFERS, "a sum"),
        ("The transfer plus the express surcharge, how much is that?", "SGD 8.00", TRANSFERS, "a sum"),
        ("What do three certified copies cost?", "SGD 7.00", COPIES, "the price of several things"),
        ("What does the account cost for a whole year?", "SGD 4.00", ACCOUNT, "the cost of a whole year"),
        ("What is the arrangement fee on a loan of SGD 30,000?", "1.50% of the loan amount", LOAN, "a part of an amount"),
        ("金卡比银卡贵多少？", "300元", CARDS, "a difference"),
        ("What do three certified copies cost?", "For three certified copies you have to pay SGD 7.00.", COPIES, "the price of several things"),
        (
            "What do the transfer and the express surcharge cost in total?",
            "A transfer abroad with express service costs SGD 12.50 in total.",
            TRANSFERS,
            "a sum",
        ),
        ("金卡和银卡的年费一共多少？", "这两种银行卡每年的年费合计为300元。", CARDS, "a sum"),
        ("金卡和银卡的年费一共多少？", "300元", CARDS, "a sum"),
    ],
)
def test_a_part_of_a_computation_fails(question: str, text: str, cited: Passage, asked: str) -> None:
    found = check(text, [cited], question)
    assert (found.name, found.passed, found.detail) == (
        "complete",
        False,
        f"the question asks for {asked}; the answer states one figure of a passage and no more",
    )


@pytest.mark.parametrize(
    ("question", "text", "cited"),
    [
        ("What is the fee of a transfer abroad, and what is the express surcharge?", "SGD 12.50", TRANSFERS),
        ("What rates apply to A and B respectively?", "8.45%", LOAN),
        ("甲和乙的利率分别是多少？", "0.11%", LOAN),
        ("金卡的年费和补卡费是多少？", "300元", CARDS),
        ("Which is cheaper, one copy or a transfer?", "SGD 7.00", COPIES),
    ],
)
def test_one_of_several_figures_fails(question: str, text: str, cited: Passage) -> None:
    found = check(text, [cited], question)
    assert (found.passed, found.detail) == (False, "the question asks for several figures; the answer states one figure and no more")


@pytest.mark.parametrize(
    ("question", "text", "cited"),
    [
        pytest.param("What does an express transfer abroad cost in total?", "SGD 20.50", TRANSFERS, id="the passage's own total"),
        pytest.param("办卡一共多少钱？", "320元", CARDS, id="the passage's own total, Chinese"),
        pytest.param("What do ten copies cost?", "SGD 50.00", COPIES, id="the passage's own price of so many"),
        pytest.param("What does the safe cost for a whole year?", "SGD 120.00", SAFE, id="a heading says yearly"),
        pytest.param("What does the account cost over a full year?", "SGD 4.00 a month", ACCOUNT, id="says itself what it is for"),
        pytest.param("金卡比银卡贵多少？", "180元", CARDS, id="the passage's own difference"),
        pytest.param("By how much is the staff fee lower?", "0.50 percentage points", LOAN, id="points are a difference"),
        pytest.param("金卡和银卡的补卡费分别是多少？", "20元", CARDS, id="one figure for both"),
        pytest.param("What is the arrangement fee on a loan of SGD 30,000?", "SGD 450", LOAN, id="an amount"),
        pytest.param("What do three copies cost?", "SGD 7.00 for each copy; ordered together they are cheaper", COPIES, id="more than a figure"),
        pytest.param("What do three copies cost?", "For three certified copies you have to pay SGD 7.00 each.", COPIES, id="says itself that it is for one"),
        pytest.param(
            "What does an express transfer abroad cost in total?",
            "A transfer abroad with express service costs SGD 20.50 in total.",
            TRANSFERS,
            id="a total in a sentence",
        ),
        pytest.param("What are the fees of A and B respectively?", "SGD 12.50 and SGD 8.00", TRANSFERS, id="two figures"),
        pytest.param("What is a transfer's fee, and how long does it take?", "immediately", TRANSFERS, id="no figure"),
        pytest.param("How many days in total do three transfers cost me?", "3 days", TRANSFERS, id="sums of periods are not judged"),
        pytest.param("What does a certified copy cost?", "SGD 7.00", COPIES, id="one figure asked for"),
    ],
)
def test_what_is_or_may_be_complete_passes(question: str, text: str, cited: Passage) -> None:
    assert check(text, [cited], question).passed


def pieces(source: Source) -> Iterator[Piece]:
    """Running text by headings, and tables with the names of their columns."""
    yield from sections(source, tables=False)
    for element in source.elements:
        if element.kind == "table":
            yield (), "\n".join(table_lines(element.rows[0], element.rows[1:]))


def test_no_right_answer_of_a_new_bank_fails() -> None:
    """Over the piece of its document that holds it, however the question is put."""
    failed = [
        (text, question.answer[0])
        for question, piece in asked_of([FIRST_SEED + 731], pieces)
        if question.answer and question.answer[0] in piece.text
        for text in (question.ask, *question.train)
        if not check(question.answer[0], [piece], text).passed
    ]
    assert failed == []


def test_the_whole_answer_is_judged() -> None:
    asked = "What does a transfer abroad cost, and what is the express surcharge?"
    passages = [passage("A transfer abroad costs SGD 12.50. The express surcharge is SGD 8.00.")]
    checker = Checker(passages, asked)
    first, second, wrong = (checker.check(f"{text} [1]") for text in ("SGD 12.50", "SGD 8.00", "SGD 9.00"))
    assert [sentence.passed for sentence in checked([first, second], passages, asked)] == [True, True]
    assert [sentence.passed for sentence in checked([first], passages, asked)] == [False]
    assert [sentence.passed for sentence in checked([first, wrong], passages, asked)] == [False, False]  # what does not leave completes nothing


def test_a_sum_is_refused_and_nothing_is_streamed(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    *before, answer = application.assistant.events(Request(query("What do an Alpha card and its annual fee cost in total?"), adapter="customer-service"))
    assert not any(isinstance(event, Sentence) for event in before)
    assert isinstance(answer, Answer)
    assert (answer.kind, answer.reason) == (AnswerKind.REFUSED, "unsupported")
    _, finished = application.parts.catalogue.audit.show(answer.audit_id)
    assert finished.body["failed"] == [{"check": "complete", "detail": "the question asks for a sum; the answer states one figure of a passage and no more"}]


def test_both_figures_are_streamed_when_both_are_there(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: answering("USD 45.00", "USD 45.00")(prompt, adapter) + "." + answering("USD 22.00", "USD 22.00")(prompt, adapter)
    asked = Query("What is the annual fee of the Alpha card, and what does a replacement card cost?", query(ASK).principal, TODAY)
    events = list(application.assistant.events(Request(asked, adapter="customer-service")))
    assert [event.text for event in events if isinstance(event, Sentence)] == ["USD 45.00.", "USD 22.00"]
