"""Counting what the check of sentences sees."""

from __future__ import annotations

from core.types import Passage
from eval.bank import FIRST_SEED
from eval.sentences import Counts, count_banks


def test_the_counts_of_a_passage_are_those_made_by_hand() -> None:
    text = "The origin of cash is recorded and proven from EUR 9,000. Payments are clarified. A clarified origin is recorded."
    counts = Counts()
    counts.add("From what amount is the origin of cash recorded and proven?", Passage(1, "", "", 1, "Policy", (), None, 0, len(text), text), ["EUR 9,000"])
    # of the question the sentences hold: origin, cash, record, proven; nothing; origin, record. Two more refuse, three more correct
    assert counts == Counts(right=1, refused=0, spoilt=0, wrong=2, seen=2, mended=1, missed=0)
    counts.add("Are payments clarified?", Passage(1, "", "", 1, "Policy", (), None, 0, len(text), text), ["recorded and proven"])
    # payments and clarified in the second sentence, which is offered as an answer: a right answer refused, since it is quoted from the first one
    assert counts == Counts(right=2, refused=1, spoilt=0, wrong=4, seen=2, mended=1, missed=0)
    counts.add("Who?", Passage(1, "", "", 1, "Policy", (), None, 0, len(text), text), ["nobody"])
    assert counts.right == 2


def test_right_answers_pass_and_most_wrong_sentences_are_seen() -> None:
    for one in count_banks([FIRST_SEED + 720]).values():
        assert one.right >= 40
        assert one.refused <= 0.03 * one.right
        assert one.seen >= 0.6 * one.wrong > 0
        assert one.mended >= 0.4 * one.wrong
        assert one.missed == one.spoilt == 0
