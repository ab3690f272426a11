"""Grounding: what passes and what does not, sentence by sentence."""

from __future__ import annotations

import pytest

from assistant.ground import Checker, citations, cite, says_not_found
from core.types import Passage


def passage(text: str, *, rank: int = 1, title: str = "Fees", start: int = 100) -> Passage:
    return Passage(rank, f"chunk-{rank}", f"doc-{rank}", 2, title, ("Cards",), 3, start, start + len(text), text)


FEES = passage("Card: Classic | Annual fee: USD 30.00 | Foreign currency: 2.35%\nCard: Platinum | Annual fee: USD 405 | Foreign currency: 0.95%")
TERMS = passage("The notice period is 30 days. It does not apply to students.", rank=2, title="Terms")
CHINESE = passage("年费为每年1.5万元，自2026年7月1日起执行。挂失电话为+65 6789 0123。", rank=3, title="收费")
PASSAGES = (FEES, TERMS, CHINESE)


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
    sentence = Checker(PASSAGES).check(text)
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
    sentence = Checker(PASSAGES).check(text)
    assert next(check.name for check in sentence.checks if not check.passed) == failed


def test_numbers_are_counted() -> None:
    sentence = Checker(PASSAGES).check("USD 404 and 0.95% [1]")
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
    checker = Checker(PASSAGES)
    kept = [checker.check("30 days [2]"), checker.check("USD 405 [1]"), checker.check("0.95% [1]")]
    assert [(one.n, one.document_id, one.version, one.page) for one in citations(kept, PASSAGES)] == [(1, "doc-1", 2, 3), (2, "doc-2", 2, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" Not in the documents.", True), ("not in the documents", True), ("Not in the documents [1].", True), ("Not in use", False), ("", False)],
)
def test_the_models_refusal_is_understood(text: str, expected: bool) -> None:
    assert says_not_found(text) is expected
