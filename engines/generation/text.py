"""Token ids as they come, to text: whole characters, and nothing behind a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TextStream:
    """Decodes one answer. A character whose bytes come in several tokens appears with its last one; text that may begin a stop string waits."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self._shown = 0
        self.stopped = False

    @property
    def text(self) -> str:
        """All of it, without the stop string and what follows it."""
        text = str(self._tokenizer.decode(self._ids, skip_special_tokens=True))
        ends = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        return text[: min(ends)] if ends else text

    def add(self, token: int) -> str:
        """What can be shown since the token before."""
        self._ids.append(token)
        text = self.text
        if not self.stopped:
            if text.endswith("\ufffd"):
                return ""
            text = text[: len(text) - self._held(text)]
        return self._new(text)

    def rest(self) -> str:
        """What was held back, at the end."""
        return self._new(self.text)

    def _held(self, text: str) -> int:
        """Characters at the end that may begin a stop string."""
        lengths = (length for stop in self._stop for length in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-length:]))
        return max(lengths, default=0)

    def _new(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new
