"""Citation markers in an answer: ``CHF 4.00 per month [2]``."""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")


class Marked(NamedTuple):
    """A text without its markers, and the passage numbers that they name, in order, each once."""

    text: str
    numbers: tuple[int, ...]


def marker(number: int) -> str:
    return f" [{number}]"


def split_markers(text: str) -> Marked:
    numbers = tuple(dict.fromkeys(int(number) for number in _MARKER.findall(text)))
    return Marked(_MARKER.sub("", text).strip(), numbers)
