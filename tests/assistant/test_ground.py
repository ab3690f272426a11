"""Grounding: what passes and what does not, sentence by sentence."""

from __future__ import annotations

import pytest

from assistant.ground import Checker, citations, cite, says_not_found
from core.text.numbers import unsupported
from core.text.tables import header_and_rows, table_lines
from core.types import Passage
from examples.samplebank.facts import Facts
from examples.samplebank.questions import load as load_questions
from examples.samplebank.sources import Source
from examples.samplebank.sources import load as load_sources


def passage(text: str, *, rank: int = 1, title: str = "Fees", start: int = 100) -> Passage:
    return Passage(rank, f"chunk-{rank}", f"doc-{rank}", 2, title, ("Cards",), 3, start, start + len(text), text)


FEES = passage("Card: Classic | Annual fee: USD 30.00 | Foreign currency: 2.35%\nCard: Platinum | Annual fee: USD 405 | Foreign currency: 0.95%")
TERMS = passage("The notice period is 30 days. It does not apply to students.", rank=2, title="Terms")
CHINESE = passage("年费为每年1.5万元，自2026年7月1日起执行。挂失电话为+65 6789 0123。", rank=3, title="收费")
PASSAGES = (FEES, TERMS, CHINESE)
ASKED = "What applies?"  # names no row


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("USD 405 [1]", id="copied"),
        pytest.param("The annual fee of the Platinum card is USD 405.00 [1].", id="same amount, other form"),
        pytest.param("0.95% [1]", id="rate"),
        pytest.param("30 days [2]", id="period"),
        pytest.param("Foreign currency: 0.95%, notice period 30 days [1] [2]", id="two passages"),
        pytest.param("15,000元 [3]", id="Chinese amount in digits"),
        pytest.param("2026年7月1日 [3]", id="Chinese date"),
        pytest.param("Fees [1]", id="title counts as cited"),
    ],
)
def test_a_true_sentence_passes(text: str) -> None:
    sentence = Checker(PASSAGES, ASKED).check(text)
    assert sentence.passed, [check for check in sentence.checks if not check.passed]
    assert sentence.unsupported == 0


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        pytest.param("USD 405", "citation", id="no marker"),
        pytest.param("USD 405 [4]", "citation", id="marker of no passage"),
        pytest.param("USD 405 [1] [7]", "citation", id="one marker of no passage"),
        pytest.param("USD 404 [1]", "numbers", id="wrong amount"),
        pytest.param("EUR 405 [1]", "numbers", id="wrong currency"),
        pytest.param("0.59% [1]", "numbers", id="digits exchanged"),
        pytest.param("USD 405 [2]", "numbers", id="right amount, wrong passage"),
        pytest.param("30 months [2]", "numbers", id="wrong unit"),
        pytest.param("1.6万元 [3]", "numbers", id="wrong Chinese amount"),
        pytest.param("2026年8月1日 [3]", "numbers", id="wrong Chinese date"),
        pytest.param("The minister of agriculture opened a dairy near Geneva [2]", "words", id="words from nowhere"),
        pytest.param("农业部长在日内瓦附近开办奶牛场 [3]", "words", id="Chinese words from nowhere"),
    ],
)
def test_a_false_sentence_fails_the_check_that_sees_it(text: str, failed: str) -> None:
    sentence = Checker(PASSAGES, ASKED).check(text)
    assert next(check.name for check in sentence.checks if not check.passed) == failed


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        ("The late fee is 4.1% of the balance", "4.1 A late fee of 2% of the balance applies."),
        ("The late fee is USD 3", "3. The late fee is USD 45."),
        ("The fee of the Alpha card is USD 40", "Card: Alpha | Fee (USD): 45 | Fee (EUR): 40"),
        ("费用为50元", "费用为50美元"),
        ("The late fee is USD 4\u200b5", "The late fee is USD 4 or 5"),
        ("限额5％", "限额5天"),
    ],
)
def test_a_figure_of_something_else_fails(answer: str, source: str) -> None:
    assert [check.name for check in Checker([passage(source)], ASKED).check(f"{answer} [1]").checks if not check.passed] == ["numbers"]


def test_a_heading_s_number_is_no_figure() -> None:
    cited = Passage(1, "c", "d", 1, "Fees", ("9 Late fee USD",), 3, 0, 6, "USD 45")
    assert not Checker([cited], ASKED).check("The late fee is USD 9 [1]").passed
    assert Checker([cited], ASKED).check("The late fee is USD 45 [1]").passed


def test_a_sentence_is_shown_as_it_was_checked() -> None:
    assert Checker(PASSAGES, ASKED).check("USD 4\u200b05 [1]").text == "USD 405"


ACCOUNTS = passage("客户不得出借账户。安德银行（Alder Bank）每月收费8.25美元。", title="账户")


@pytest.mark.parametrize("text", ["USD 8.25 a month", "Alder Bank", "8.25 US dollars per month"])
def test_figures_and_names_pass_between_languages(text: str) -> None:
    assert Checker([ACCOUNTS], ASKED).check(f"{text} [1]").passed


@pytest.mark.parametrize("text", ["Customers may lend their account to anybody.", "USD 8.25 is the fee for lending an account"])
def test_what_cannot_be_compared_between_languages_fails(text: str) -> None:
    (words,) = [check for check in Checker([ACCOUNTS], ASKED).check(f"{text} [1]").checks if not check.passed]
    assert (words.name, words.detail[:19]) == ("words", "in another language")


def test_a_passage_in_the_answer_s_language_is_enough_to_compare() -> None:
    assert Checker([ACCOUNTS, TERMS], ASKED).check("It does not apply to students. [1] [2]").passed


def _written(source: Source) -> str:
    """The document's text as ingest writes it."""
    lines = [source.title]
    for element in source.elements:
        lines += [element.text] if element.text else table_lines(*header_and_rows(element.rows))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_figures_of_every_accepted_answer_of_the_sample_bank_are_supported(seed: int) -> None:
    facts = Facts.draw(seed)
    versions: dict[str, list[str]] = {}
    for source in load_sources(facts):
        versions.setdefault(source.metadata["id"], []).append(_written(source))
    answers: dict[str, list[str]] = {}
    for question in load_questions(facts):
        if question.document:
            asked = versions[question.document][question.version - 1] if question.version else "\n".join(versions[question.document])
            answers.setdefault(asked, []).extend(question.answer)
    # all answers of a document at once: reading it for each would take minutes
    assert [claim.text for text, accepted in answers.items() for claim in unsupported("\n\n".join(accepted), [text])] == []
    assert sum(len(accepted) for accepted in answers.values()) > 300


def test_numbers_are_counted() -> None:
    sentence = Checker(PASSAGES, ASKED).check("USD 404 and 0.95% [1]")
    assert (sentence.numbers, sentence.unsupported) == (2, 1)


def test_a_citation_points_at_the_row_or_sentence_it_was_taken_from() -> None:
    row = cite(FEES, 1, "USD 405")
    assert row.quote == "Card: Platinum | Annual fee: USD 405 | Foreign currency: 0.95%"
    assert (row.start, row.end) == (100 + 64, 100 + len(FEES.text))
    assert cite(TERMS, 2, "It does not apply to students.").quote == "It does not apply to students."
    assert cite(CHINESE, 3, "+65 6789 0123").quote == "挂失电话为+65 6789 0123。"


def test_a_citation_of_rephrased_text_is_the_whole_passage() -> None:
    found = cite(TERMS, 2, "30 calendar days")
    assert (found.quote, found.start, found.end) == (TERMS.text, 100, 100 + len(TERMS.text))


def test_each_passage_is_cited_once_in_order() -> None:
    checker = Checker(PASSAGES, ASKED)
    kept = [checker.check("30 days [2]"), checker.check("USD 405 [1]"), checker.check("0.95% [1]")]
    assert [(one.n, one.document_id, one.version, one.page) for one in citations(kept, PASSAGES)] == [(1, "doc-1", 2, 3), (2, "doc-2", 2, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" Not in the documents.", True), ("not in the documents", True), ("Not in the documents [1].", True), ("Not in use", False), ("", False)],
)
def test_the_models_refusal_is_understood(text: str, expected: bool) -> None:
    assert says_not_found(text) is expected
