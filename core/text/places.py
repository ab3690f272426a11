"""Where words stand in a text as words of their own: ``9 years`` stands in ``19 years`` only as characters."""

from __future__ import annotations

import re


def place_of(words: str, text: str) -> int:
    """The first place where the words are not part of a longer number or word; -1 without one."""
    found = re.search(rf"(?<![\d.,A-Za-z]){re.escape(words)}(?![.,]?\d|[A-Za-z])", text) if words else None
    return found.start() if found else -1
