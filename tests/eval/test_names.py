"""Counting what the check of names sees."""

from __future__ import annotations

from eval.bank import FIRST_SEED
from eval.names import count


def test_no_question_of_the_bank_is_refused_and_many_with_another_banks_product_are() -> None:
    found = count([FIRST_SEED + 730])
    for one in found.values():
        assert one.right >= 40
        assert one.refused == 0
        assert one.seen >= 0.25 * one.wrong > 0
