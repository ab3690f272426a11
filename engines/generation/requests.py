"""What callers ask of the engine thread, and the bounded queue in which they wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Literal

from core.errors import Overloaded, Unavailable
from core.ports import GenerationOptions
from engines.chat import EncodedPrompt
from engines.generation.lora import LoadedAdapter
from engines.grammar import TokenMatcher


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a text: why it ended."""

    reason: Literal["stop", "length"]


@dataclass(eq=False)
class Request:
    """One piece of work. Its events are token ids and an :class:`Ended`, or log-probabilities where ``labels`` are given, or an exception.

    Where ``forced`` is given these tokens are written one after another, and the events are what would have been chosen in their places and behind them.
    """

    prompt: EncodedPrompt
    adapter: LoadedAdapter | None
    options: GenerationOptions
    cancelled: threading.Event | None = None
    before: Sequence[int] = ()
    labels: Sequence[Sequence[int]] = ()
    matcher: TokenMatcher | None = None
    forced: Sequence[int] | None = None
    events: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    queued_at: float = field(default_factory=time.monotonic)
    closed: bool = False  # nobody reads the events any more

    @property
    def tokens(self) -> list[int]:
        """What is read before the first token is written or the first label scored."""
        return [*(self.prompt.all if self.adapter else self.prompt.without_adapter), *self.before]

    @property
    def longest(self) -> int:
        """Tokens that memory is needed for."""
        return len(self.tokens) + (max(map(len, self.labels)) if self.labels else self.options.max_tokens)

    @property
    def caller_left(self) -> bool:
        return self.cancelled is not None and self.cancelled.is_set()

    @property
    def wanted(self) -> bool:
        return not (self.closed or self.caller_left)


class Waiting:
    """Requests that wait for the engine. Callers take turns: one with many requests does not hold up one with a few."""

    def __init__(self, places: int, longest_seconds: float) -> None:
        self._places = places
        self._seconds = longest_seconds
        self._requests: list[Request] = []
        self._turns: dict[str, int] = {}  # caller -> number of the turn in which one of its requests was taken last
        self._turn = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        with self._changed:
            return sum(request.wanted for request in self._requests)

    def admit(self) -> None:
        """Returns when there is room for one more.

        Raises:
            Overloaded: there is none.
            Unavailable: it was closed.
        """
        with self._changed:
            self._requests = [request for request in self._requests if request.wanted]
            if self._closed:
                raise stopping()
            if len(self._requests) >= self._places:
                raise Overloaded(f"{self._places} requests wait for the model already; try again in a moment")

    def put(self, request: Request) -> None:
        with self._changed:
            self.admit()
            self._requests.append(request)
            self._turns.setdefault(request.options.caller, self._turn)  # whoever comes later is not owed the turns before
            self._changed.notify()

    def take(self, fits: Callable[[Request], bool], *, wait: bool) -> Request | None:
        """The request whose turn it is. None when nothing waits, when it does not fit yet, or when the queue was closed."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._requests or self._closed)
            self.refuse_late()
            self._requests = [request for request in self._requests if request.wanted]
            if self._closed or not self._requests:
                return None
            chosen = min(self._requests, key=lambda request: (request.options.priority, self._turns.get(request.options.caller, 0), request.queued_at))
            if not fits(chosen):
                return None
            self._requests.remove(chosen)
            self._turn += 1
            self._turns[chosen.options.caller] = self._turn
            waiting = {request.options.caller for request in self._requests} | {chosen.options.caller}
            self._turns = {caller: turn for caller, turn in self._turns.items() if caller in waiting}
            return chosen

    def refuse_late(self) -> None:
        """Tell those that have waited too long."""
        now = time.monotonic()
        with self._changed:
            for request in [request for request in self._requests if now - request.queued_at > self._seconds]:
                request.events.put(Overloaded(f"the request waited {self._seconds:g} s for the model without reaching it; try again later"))
                self._requests.remove(request)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Those that wait are told so, nobody else is let in."""
        with self._changed:
            self._closed = True
            for request in self._requests:
                request.events.put(stopping())
            self._requests.clear()
            self._changed.notify()


def stopping() -> Unavailable:
    return Unavailable("the service is stopping; try again in a moment", code="stopping")
