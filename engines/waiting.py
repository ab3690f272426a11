"""The bounded queue in which callers wait for whatever generates: they take turns, and whoever finds no place is told so before any work."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from core.errors import BankassistError, CallerLeft, Overloaded, TooLate, Unavailable
from core.place import Place
from core.ports import GenerationOptions


class Waits:
    """What waits. ``queued_at`` and ``start_by`` are the queue's to set; ``closed`` says that nobody reads the events any more."""

    options: GenerationOptions
    cancelled: threading.Event | None
    events: SimpleQueue[Any]
    queued_at: float
    start_by: float
    closed: bool

    @property
    def finishes(self) -> bool:
        """Whether it finishes an answer, and so goes before those that begin one."""
        return False

    def given_up(self) -> BankassistError | None:
        """Why nobody is to work on it any more, if so. Callers look themselves, so that nobody waits for a step of the model to hear it."""
        now = time.monotonic()
        if self.cancelled is not None and self.cancelled.is_set():
            return CallerLeft("the caller left")
        if self.options.deadline is not None and now >= self.options.deadline:
            return TooLate("the time that the request had was over before the model had done it; allow more time, or ask for less")
        if now >= self.start_by:
            return Overloaded(f"the request waited {self.start_by - self.queued_at:g} s for the model without reaching it; try again later")
        return None

    @property
    def wanted(self) -> bool:
        return not self.closed and self.given_up() is None


W = TypeVar("W", bound=Waits)


class Waiting(Generic[W]):
    """Requests that wait for the model. Callers take turns: one with many requests does not hold up one with a few. What finishes an answer goes before
    what begins one."""

    def __init__(self, places: int, longest_seconds: float) -> None:
        self._places = places
        self._seconds = longest_seconds
        self._requests: list[W] = []
        self._held = 0
        self._turns: dict[str, int] = {}  # caller -> number of the turn in which one of its requests was taken last
        self._turn = 0
        self._draining = False
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        with self._changed:
            return sum(request.wanted for request in self._requests)

    def place(self) -> Place:
        """To be held while a request is made ready, so that whoever finds none is told before any work. Entering it raises Overloaded where there is none,
        and Unavailable where no more are taken."""
        return Place(self._hold, self._give_back)

    def _hold(self) -> None:
        with self._changed:
            self._forget_unwanted()
            if self._draining:
                raise stopping()
            if len(self._requests) + self._held >= self._places:
                raise Overloaded(f"{self._places} requests wait for the model already; try again in a moment")
            self._held += 1

    def _give_back(self) -> None:
        with self._changed:
            self._held -= 1

    def put(self, request: W) -> None:
        """Let a request wait. One that begins an answer needs a place; there are no more of those that finish one than answers.

        Raises:
            Unavailable: no more are taken.
        """
        with self._changed:
            if self._closed or (self._draining and not request.finishes):
                raise stopping()
            request.queued_at = time.monotonic()
            request.start_by = request.queued_at + self._seconds
            self._requests.append(request)
            self._turns.setdefault(request.options.caller, self._turn)  # whoever comes later is not owed the turns before
            self._changed.notify()

    def take(self, fits: Callable[[W], bool], *, wait: float | None) -> W | None:
        """The request whose turn it is. None when nothing waits, when it does not fit yet, or when the queue was closed.

        Args:
            wait: seconds to wait for one at most; None is for ever.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._closed, wait)
            self._forget_unwanted()
            if self._closed or not self._requests:
                return None
            chosen = min(self._requests, key=self._order)
            if not fits(chosen):
                return None
            self._requests.remove(chosen)
            chosen.start_by = math.inf
            self._turn += 1
            self._turns[chosen.options.caller] = self._turn
            waiting = {request.options.caller for request in self._requests} | {chosen.options.caller}
            self._turns = {caller: turn for caller, turn in self._turns.items() if caller in waiting}
            return chosen

    def _order(self, request: W) -> tuple[bool, int, int, float]:
        return not request.finishes, request.options.priority, self._turns.get(request.options.caller, 0), request.queued_at

    def _forget_unwanted(self) -> None:
        self._requests = [request for request in self._requests if request.wanted]

    @property
    def closed(self) -> bool:
        return self._closed

    def drain(self) -> None:
        """Take no more, and tell those that wait so; what finishes an answer is still let in."""
        with self._changed:
            self._draining = True
            self._tell([request for request in self._requests if not request.finishes])

    def close(self) -> None:
        """Those that wait are told so, nobody else is let in."""
        with self._changed:
            self._draining = self._closed = True
            self._tell(self._requests)
            self._changed.notify()

    def _tell(self, requests: Sequence[W]) -> None:
        for request in requests:
            request.events.put(stopping())
        self._requests = [request for request in self._requests if request not in requests]


def stopping() -> Unavailable:
    return Unavailable("the service is stopping; try again in a moment", code="stopping")
