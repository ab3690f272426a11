"""Which of the product's two languages a text is in, by counting scripts."""

from __future__ import annotations

import re

from core.types import Language

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]{2,}")


def language_of(text: str) -> Language:
    """Chinese when Han characters are at least as many as words in Latin script, else English."""
    han = len(HAN.findall(text))
    return "zh" if han and han >= len(_LATIN_WORD.findall(text)) else "en"
