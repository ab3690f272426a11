"""An index with another one behind it, which answers while the first does not. What it finds says so."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from core.errors import IndexRefused, IndexUnavailable
from core.ports import Filter, Legs, Vectors
from engines.catalogue.documents import IndexEntry
from engines.index_store import IndexStore

log = logging.getLogger(__name__)

#: seconds before an index that could not even be opened is tried again
_OPEN_AGAIN_SECONDS = 5


class FallbackIndex:
    """Both follow the catalogue. The keeper's work is done on the first; the second is brought up to date when it is needed.

    Args:
        open_first: may find that it does not answer; it is tried again later.

    Raises:
        IndexRefused: the first is there and cannot be used: nothing that passes by itself.
    """

    def __init__(self, open_first: Callable[[], IndexStore], second: IndexStore) -> None:
        self._open_first = open_first
        self._second = second
        self._first: IndexStore | None = None
        self._opened = float("-inf")
        self._lock = threading.Lock()
        self._down = ""  # why the first does not answer
        try:
            self._opened_first()
        except IndexRefused:
            second.close()
            raise
        except IndexUnavailable as error:
            self._note(error)

    @property
    def sequence(self) -> int:
        return self._second.sequence if self._down or self._first is None else self._first.sequence

    def search(self, vector: Vectors | None, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        if not self._down:
            try:
                return self._opened_first().search(vector, tokens, only, depth)
            except IndexUnavailable as error:
                self._note(error)
                self._second.refresh()
        return replace(self._second.search(vector, tokens, only, depth), fallback=True)

    def refresh(self) -> int:
        try:
            sequence = self._opened_first().refresh()
        except IndexUnavailable as error:
            self._note(error)
            return self._second.refresh()
        if self._down:
            log.warning("the index answers again")
            self._down = ""
        return sequence

    def snapshot(self, *, force: bool = False) -> bool:
        """Of both, so that the second is there at once when it is needed."""
        second = self._second.snapshot(force=force)
        return self._opened_first().snapshot(force=force) or second

    def rebuild(self) -> int:
        return self._opened_first().rebuild()

    def chunk_ids(self) -> list[str]:
        return self._opened_first().chunk_ids()

    def differences(self, entries: Sequence[IndexEntry]) -> Mapping[str, str]:
        return self._opened_first().differences(entries)

    def refused(self) -> Mapping[str, str]:
        return self._opened_first().refused()

    @property
    def trouble(self) -> str:
        if self._down:
            return f"the local index answers: {self._down}"
        return self._first.trouble if self._first is not None else ""

    def close(self) -> None:
        if self._first is not None:
            self._first.close()
        self._second.close()

    def _opened_first(self) -> IndexStore:
        with self._lock:
            if self._first is None:
                if time.monotonic() < self._opened + _OPEN_AGAIN_SECONDS:
                    raise IndexUnavailable(self._down)
                self._opened = time.monotonic()
                self._first = self._open_first()
            return self._first

    def _note(self, error: IndexUnavailable) -> None:
        if not self._down:
            log.warning("the local index answers: %s", error.message)
        self._down = error.message
