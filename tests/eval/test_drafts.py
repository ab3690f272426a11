"""Scores of drafts, by hand."""

from __future__ import annotations

from core.prompts import PromptPassage
from eval.drafts import Scores, drafts, record, score
from eval.reading import ReadingItem
from tests.fakes import ScriptedGenerator

PASSAGES = (PromptPassage("Fees", "The annual fee is USD 45.00."), PromptPassage("Rates", "The rate is 2.75%."))


def item(answers: tuple[str, ...], gold: frozenset[int]) -> ReadingItem:
    return ReadingItem("q", "en", "What is the fee?", PASSAGES, gold, answers)


ANSWERABLE = item(("USD 45.00",), frozenset({1}))
UNANSWERABLE = item((), frozenset())


def test_scores_of_six_answers() -> None:
    records = [
        record(ANSWERABLE, " USD 45.00 [1]"),  # right
        record(ANSWERABLE, " USD 45.00 [2]"),  # right words, wrong passage
        record(ANSWERABLE, " USD 46.00 [1]"),  # a number that is in no passage
        record(ANSWERABLE, " Not in the documents."),  # refused although it is there
        record(UNANSWERABLE, " Not in the documents."),  # rightly refused
        record(UNANSWERABLE, " 2.75% [2]"),  # should have been refused
    ]
    # token F1 of the third: usd of usd, 4600 against usd, 4500 is 1/2
    assert score(records) == Scores(
        count=6, f1=(1 + 1 + 0.5 + 0) / 4, contains=2 / 4, citation=2 / 4, refusal=1 / 2, over_refusal=1 / 4, answered=4 / 6, invented=1 / 4
    )


def test_a_share_with_nothing_to_count_is_none() -> None:
    found = score([record(UNANSWERABLE, "")])
    assert (found.f1, found.contains, found.citation, found.over_refusal, found.invented, found.refusal) == (None, None, None, None, None, 1.0)


def test_citing_a_wrong_passage_too_is_not_right() -> None:
    assert score([record(ANSWERABLE, " USD 45.00 [1] [2]")]).citation == 0.0
    assert score([record(ANSWERABLE, " USD 45.00")]).citation == 0.0


def test_drafts_are_written_with_the_product_s_own_prompt() -> None:
    generator = ScriptedGenerator(lambda prompt, adapter: " USD 45.00 [1]")
    (found,) = drafts([ANSWERABLE], generator, None, "Be brief.")
    assert found.text == "USD 45.00"
    prompt, adapter = generator.prompts[0]
    assert (adapter, prompt.instruction) == (None, "\nBe brief.")
    assert prompt.context == "[1] Fees\nThe annual fee is USD 45.00.\n\n[2] Rates\nThe rate is 2.75%.\n\nQuestion: What is the fee?"
