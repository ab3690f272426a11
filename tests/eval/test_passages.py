"""Counting what the checks of passages and kinds see."""

from __future__ import annotations

from core.prompts import PromptPassage
from eval.passages import Counts
from eval.reading import ReadingItem

BOXES = PromptPassage("Safe deposit boxes", "Size: Large | Rent per year: USD 187.50")
RATES = PromptPassage("Term deposit rates", "Rate for large deposits: 2.83%")
OPENING = PromptPassage("Opening", "The bank opens at nine.")


def test_the_counts_are_those_made_by_hand() -> None:
    counts = Counts()
    counts.add(ReadingItem("1", "en", "What is the yearly rent of a large safe deposit box?", (RATES, BOXES, OPENING), frozenset({2}), ("USD 187.50",)))
    # held: large, deposit of RATES; all six of BOXES; none of OPENING. The rent is an amount
    assert counts == Counts(right=1, refused=0, wrong=2, seen=2, judged=1, kinds_refused=0)
    counts.add(ReadingItem("2", "en", "How long is a large deposit kept safe in a box?", (BOXES, RATES, OPENING), frozenset({2}), ("2.83%",)))
    # large, deposit, safe, box of BOXES, which is wrong here; large, deposit of RATES; a rate is no period
    assert counts == Counts(right=2, refused=1, wrong=4, seen=3, judged=2, kinds_refused=1)
    counts.add(ReadingItem("3", "en", "Who keeps the box?", (BOXES, RATES), frozenset(), ()))
    assert counts.right == 2
