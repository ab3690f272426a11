"""An answer out of running text: is it the sentence that was asked about? The counts behind each case are by hand."""

from __future__ import annotations

import pytest

from assistant.ground import Checker
from assistant.sentence_check import check, corrected
from core.types import Passage


def passage(text: str, title: str = "Policy", heading: str = "Cash and unusual payments") -> Passage:
    return Passage(1, "c", "d", 1, title, (heading,), None, 0, len(text), text)


CASH = passage(
    "4.1 For cash transactions of EUR 9,000 or more, the origin of the money is recorded and proven. Several that belong together are added up.\n"
    "4.2 Payments that do not fit what is known of the customer are clarified before they are carried out."
)
ORIGIN = "From what amount must the origin of cash be recorded and proven?"  # origin, recorded, proven in 4.1; cash is in the heading; none in 4.2
REFUNDS = passage("退款在五个工作日内到账。投诉须在三十天内提出。", "说明", "卡片")
CHINESE = "投诉应在多少天内提出？"  # 投诉, 提出 in the second sentence


def test_another_sentence_than_the_one_asked_about_fails() -> None:
    found = check("4.2 Payments that do not fit what is known of the customer are clarified before they are carried out", [CASH], ORIGIN)
    assert not found.passed
    assert found.detail == "another sentence of the passage has origin, proven, record of the question"
    assert not check("五个工作日", [REFUNDS], CHINESE).passed


@pytest.mark.parametrize(
    ("text", "cited", "question"),
    [
        pytest.param("EUR 9,000", CASH, ORIGIN, id="in the sentence asked about"),
        pytest.param("三十天", REFUNDS, CHINESE, id="in the Chinese one"),
        pytest.param("carried out", CASH, "Are payments in cash carried out?", id="in the sentence that fits best"),
        pytest.param("carried out", CASH, "Is the origin clarified later?", id="one word each"),
        pytest.param("carried out", CASH, "Which cash?", id="words of the heading alone tell nothing"),
        pytest.param("clarified later", CASH, ORIGIN, id="nowhere to the letter"),
        pytest.param("carried out", CASH, "现金来源应从多少金额起记录？", id="a question in another language"),
        pytest.param("5 days", passage("Origin: recorded and proven\nStep: closing | Time: 5 days"), ORIGIN, id="a row of a table"),
        pytest.param("", CASH, ORIGIN, id="nothing"),
    ],
)
def test_what_cannot_be_told_passes(text: str, cited: Passage, question: str) -> None:
    assert check(text, [cited], question).passed


def test_one_cited_passage_in_which_it_fits_is_enough() -> None:
    other = passage("5.1 Origin, once recorded and proven, is carried out.")
    assert check("carried out", [CASH, other], ORIGIN).passed
    assert not check("carried out", [CASH], ORIGIN).passed


def test_a_whole_sentence_quoted_for_another_is_corrected_and_said() -> None:
    sentence = Checker([CASH], ORIGIN).check("4.2 Payments that do not fit what is known of the customer are clarified before they are carried out. [1]")
    assert (sentence.text, sentence.citations, sentence.passed) == (
        "4.1 For cash transactions of EUR 9,000 or more, the origin of the money is recorded and proven.",
        (1,),
        True,
    )
    assert sentence.checks[-1].name == "correction"
    assert sentence.checks[-1].detail.startswith("the model quoted '4.2 Payments that do not fit")
    assert sentence.numbers == 2  # of what is shown, not of what was written: 4.1 and EUR 9,000


@pytest.mark.parametrize(
    ("text", "cited", "question"),
    [
        pytest.param("carried out", CASH, ORIGIN, id="a part of a sentence"),
        pytest.param(
            "4.2 Payments that do not fit what is known of the customer are clarified before they are carried out.",
            CASH,
            "Which origin is recorded?",
            id="two words are enough to refuse and too few to correct",
        ),
        pytest.param("Nothing else.", passage("Origin recorded, proven. Proven, recorded origin. Nothing else."), ORIGIN, id="two sentences fit equally well"),
    ],
)
def test_what_is_not_plain_is_refused_and_not_corrected(text: str, cited: Passage, question: str) -> None:
    assert not check(text, [cited], question).passed
    assert corrected(text, cited, question) is None
    assert not Checker([cited], question).check(f"{text} [1]").passed


def test_what_is_added_to_an_answer_may_be_about_anything() -> None:
    checker = Checker([CASH], ORIGIN)
    assert checker.check("EUR 9,000 [1]").passed
    added = "Several that belong together are added up."
    assert checker.check(f"{added} [1]").text == added
    assert Checker([CASH], ORIGIN).check(f"{added} [1]").text != added
