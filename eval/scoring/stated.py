"""What a text states: facts in any of their wordings, quantities in any way of writing them, in English and Chinese.

A text is read as a row of words (of Chinese, characters) and quantities in normal form, so that ``3.1% a year`` stands in ``年利率3.10%`` as far as its
number goes, ``31.0%`` does not, and ``USD 45`` is no piece of ``USD 45,000``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from core.text.normalise import normalise
from core.text.numbers import Quantity, quantities, states
from eval.metrics import answer_tokens
from eval.suite.item import Number

Piece = str | Quantity


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[Piece, ...]:
    """Words and quantities in order; case, punctuation and English articles do not count."""
    plain = normalise(text)
    found: list[Piece] = []
    at = 0
    for quantity in quantities(plain):
        if _only_a_word(quantity):
            continue
        found += answer_tokens(plain[at : quantity.start])
        found.append(quantity)
        at = quantity.end
    return (*found, *answer_tokens(plain[at:]))


@lru_cache(maxsize=4096)
def figures(text: str) -> tuple[Quantity, ...]:
    """The quantities of a text."""
    return tuple(quantities(normalise(text)))


def holds(text: str, wording: str) -> bool:
    """Whether the wording stands in the text as words and quantities of their own, in this order and without others between."""
    wanted, known = pieces(wording), pieces(text)
    last = len(known) - len(wanted)
    return bool(wanted) and any(all(map(_same, known[at:], wanted)) for at in range(last + 1))


def holds_any(text: str, wordings: Sequence[str]) -> bool:
    return any(holds(text, wording) for wording in wordings)


def states_number(text: str, number: Number) -> bool:
    """Whether a quantity of the text is the number, within its tolerance and in its unit, whatever way either is written."""
    wanted = _normal(number)
    return any(_near(known, wanted, number.rel_tol) for known in figures(text))


def is_date(text: str) -> bool:
    """Whether a text is a date and nothing else."""
    found = pieces(text)
    return len(found) == 1 and isinstance(found[0], Quantity) and found[0].unit == "date"


def _only_a_word(quantity: Quantity) -> bool:
    """``one`` and 一 without a unit are mostly no numbers."""
    return quantity.spelled and quantity.unit == "" and quantity.value in (Decimal(0), Decimal(1))


def _same(known: Piece, wanted: Piece) -> bool:
    if isinstance(known, Quantity) and isinstance(wanted, Quantity):
        return states(known, wanted) or known.text.casefold() == wanted.text.casefold()
    return known == wanted


@lru_cache(maxsize=1024)
def _normal(number: Number) -> Quantity:
    """The number in the base unit of what it is written in: one year is twelve months."""
    written = f"{Decimal(str(number.value)):f} {number.unit}".strip()
    found = quantities(written)
    if len(found) == 1 and isinstance(found[0].value, Decimal) and found[0].end == len(written):
        return found[0]
    return Quantity(Decimal(str(number.value)), number.unit, written, 0, len(written))


def _near(known: Quantity, wanted: Quantity, tolerance: float) -> bool:
    assert isinstance(wanted.value, Decimal)
    if not isinstance(known.value, Decimal) or abs(known.value - wanted.value) > abs(wanted.value) * Decimal(str(tolerance)):
        return False
    # of one value, so that only the units are compared
    return states(Quantity(wanted.value, known.unit, known.text, known.start, known.end, known.spelled), wanted)
