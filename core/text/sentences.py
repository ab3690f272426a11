"""Sentences of English and Chinese text, with their places. A citation marker behind a full stop belongs to the sentence before."""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKERS = r"(?:[^\S\n]*\[\d+\])*+"
#: a marker of which the text, a draft that is still being written, has only the beginning
_UNFINISHED = r"(?![^\S\n]*\[\d*\Z)"
_END = re.compile(
    rf"""
      (?<=[。！？])[”’」』）]*+{_MARKERS}{_UNFINISHED}            # Chinese
    | (?<=[.!?])["'”’)\]]*{_MARKERS}{_UNFINISHED}(?=\s+["'“‘(\[]?[A-Z\u00c0-\u00de\u4e00-\u9fff\d•-])   # English, before something that can begin a sentence
    | \n+                                                          # a line break always ends one
    """,
    re.VERBOSE,
)
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|No|Nos|Art|Mr|Mrs|Ms|Dr|Prof|St|Inc|Ltd|Co|p\.a|approx|incl|excl|a\.m|p\.m|U\.S|U\.K)|\b[A-Z])\.$")
_ITEM_NUMBER = re.compile(r"\s*\d+(?:\.\d+)*\.")


class Span(NamedTuple):
    text: str
    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """The sentences in order, without white space around them; together they hold every other character of the text.

    Of a text that is still growing, all but the last are final.
    """
    spans: list[Span] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if match[0][:1] != "\n" and _is_no_end(text, start, match.start()):
            continue
        _append(spans, text, start, end)
        start = end
    _append(spans, text, start, len(text))
    return spans


def _is_no_end(text: str, start: int, end: int) -> bool:
    """Whether the full stop before ``end`` belongs to an abbreviation, or to the number of an item that begins at ``start``."""
    # a few characters back are enough for an abbreviation; a search from the start would take hours for a long text of initials
    return bool(_ABBREVIATION.search(text, max(start, end - 12), end) or _ITEM_NUMBER.fullmatch(text, start, end))


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        offset = start + len(piece) - len(piece.lstrip())
        spans.append(Span(stripped, offset, offset + len(stripped)))
