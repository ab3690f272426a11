"""Questions that the bank does not want answered, whatever its documents hold: those with a word or phrase that the settings name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from core.text.language import HAN
from core.text.normalise import normalise

#: Latin letters of any language and digits. Not \b, for which a Chinese character beside a Latin word is one more letter of it.
_LETTER = r"[a-z0-9\u00df-\u024f]"


@dataclass(frozen=True)
class Policy:
    """``blocked`` are words and phrases in any language. Case and spacing do not count; a Latin word is met as a whole word, a Chinese one wherever it stands."""

    blocked: Sequence[str] = ()

    def blocks(self, question: str) -> bool:
        return self._pattern is not None and self._pattern.search(_folded(question)) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        shapes = [_shape(words) for phrase in self.blocked if (words := _folded(phrase).split())]
        return re.compile("|".join(shapes)) if shapes else None


def _folded(text: str) -> str:
    return normalise(text).casefold()


def _shape(words: Sequence[str]) -> str:
    shape = r"\s+".join(map(re.escape, words))
    before = "" if HAN.match(words[0]) else f"(?<!{_LETTER})"
    behind = "" if HAN.match(words[-1][-1]) else f"(?!{_LETTER})"
    return before + shape + behind
