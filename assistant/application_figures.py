"""Which figure of a loan application belongs to which measure.

An application is read clause by clause. A clause belongs to the measure of which it holds the largest share of words, if that is half of them or more and
no other measure has as large a share; its one figure is the measure's. What cannot be told is told to be so: nothing here guesses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.text.units import CODES

#: a colon ends what comes before the first clause, but not "missed payments: 3"
_BETWEEN = re.compile(r",(?!\d{3}(?!\d))|[;，；、。?？]|[.](?!\d)|\b(?:and|with|but)\b|[及和与且]|(?<!\d)[:：](?!\s*\d)")
_FIGURE = re.compile(r"(?<![\d.,])\d+(?:[.,]\d+)*(?:\s?%)?")
_HALF = 0.5
_MONEY = re.compile(rf"\b(?:{'|'.join(CODES)}|RMB)\s?\d|[$€£¥]\s?\d|\d\s?(?:元|万|亿|美元|港元|(?:dollars?|euros?|{'|'.join(CODES)})\b)")


@dataclass(frozen=True, slots=True)
class Figure:
    """``measure`` is None where the clause belongs to none, or to more than one, or holds several figures."""

    text: str
    measure: str | None


def figures(application: str, measures: Sequence[str]) -> list[Figure]:
    """The figures of an application, each with its measure; amounts of money are left out."""
    named = {name: _words(name) for name in dict.fromkeys(measures)}
    found = []
    for clause in _BETWEEN.split(application):
        own = [text.replace(" ", "") for text in _FIGURE.findall(clause)]
        if not own or _MONEY.search(clause):
            continue
        measure = _nearest(_words(clause), named)
        if measure is not None:
            inside = _FIGURE.findall(measure)  # as in "the last 12 months"
            rest = [text for text in own if text not in inside] or own
            own, measure = rest, measure if len(rest) == 1 else None
        found += [Figure(text, measure) for text in own]
    return found


def _nearest(words: set[str], named: dict[str, set[str]]) -> str | None:
    shares = {name: len(own & words) / len(own) for name, own in named.items() if own}
    best = max(shares.values(), default=0.0)
    names = {name.casefold() for name, share in shares.items() if share == best}
    return next(name for name, share in shares.items() if share == best) if best >= _HALF and len(names) == 1 else None


def _words(text: str) -> set[str]:
    return {token for token in index_tokens(text) if token not in STOP_WORDS and not token[0].isdigit()}
