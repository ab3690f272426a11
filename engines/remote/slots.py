"""How many requests a server is sent at once; the rest wait in the queue, and are taken from it in its order, each by its own caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Generic

from engines.waiting import W, Waiting

#: seconds after which somebody who waits looks whether they are to leave
_POLL = 0.1


class Slots(Generic[W]):
    def __init__(self, waiting: Waiting[W], most: int) -> None:
        self._waiting = waiting
        self._most = most
        self._changed = threading.Condition()
        self.running = 0

    @contextmanager
    def slot(self, request: W) -> Iterator[None]:
        """Wait until it is the turn of a request that was put into the queue; others wait for the end of the block.

        Raises:
            CallerLeft, TooLate, Overloaded: it is not to be worked on any more.
            Unavailable: the queue was closed.
        """
        try:
            with self._changed:
                while self._waiting.take(lambda first: first is request and self.running < self._most, wait=0) is None:
                    if (why := request.given_up()) is not None:
                        raise why
                    self._raise_told(request)
                    self._changed.wait(_POLL)
                self.running += 1
        except BaseException:
            request.closed = True
            with self._changed:
                self._changed.notify_all()  # it may have been the first, for which nobody else was taken
            raise
        try:
            with self._changed:
                self._changed.notify_all()
            yield
        finally:
            with self._changed:
                self.running -= 1
                self._changed.notify_all()

    @staticmethod
    def _raise_told(request: W) -> None:
        try:
            raise request.events.get_nowait()  # the queue tells those that it sends away
        except Empty:
            return
