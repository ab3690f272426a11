"""What is written, as it comes, to text that can be shown: whole characters, and nothing behind a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PieceStream:
    """One answer that comes in pieces of text. Text that may begin a stop string waits."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = [text for text in stop if text]
        self._shown = 0
        self._written = ""
        self.stopped = False

    @property
    def text(self) -> str:
        """All of it, without the stop string and what follows it."""
        text = self._all()
        ends = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        return text[: min(ends)] if ends else text

    def add_text(self, piece: str) -> str:
        """What can be shown since the piece before."""
        self._written += piece
        return self._showable()

    def rest(self) -> str:
        """What was held back, at the end."""
        return self._new(self.text)

    def _all(self) -> str:
        return self._written

    def _showable(self) -> str:
        text = self.text
        if not self.stopped:
            if text.endswith("\ufffd"):
                return ""
            text = text[: len(text) - self._held(text)]
        return self._new(text)

    def _held(self, text: str) -> int:
        """Characters at the end that may begin a stop string."""
        lengths = (length for stop in self._stop for length in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-length:]))
        return max(lengths, default=0)

    def _new(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new


class TextStream(PieceStream):
    """One answer that comes in token ids. A character whose bytes come in several tokens appears with its last one."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        super().__init__(stop)
        self._tokenizer = tokenizer
        self._ids: list[int] = []

    def add(self, token: int) -> str:
        """What can be shown since the token before."""
        self._ids.append(token)
        return self._showable()

    def _all(self) -> str:
        return str(self._tokenizer.decode(self._ids, skip_special_tokens=True))
