"""What callers ask of the engine thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from queue import SimpleQueue
from typing import Any, Literal

from core.ports import GenerationOptions
from engines.chat import EncodedPrompt
from engines.generation.lora import ReadyAdapter
from engines.grammar import TokenMatcher
from engines.waiting import Waits


@dataclass(frozen=True, slots=True)
class Scored:
    """A token that was written, its log-probability, and those of the likeliest tokens in its place, best first."""

    token: int
    logprob: float
    alternatives: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a text: why it ended."""

    reason: Literal["stop", "length"]


@dataclass(eq=False)
class Request(Waits):
    """One piece of work. Its events are token ids, or :class:`Scored` ones, and an :class:`Ended`; or log-probabilities where ``labels`` are given; or an
    exception.

    Where ``forced`` is given these tokens are written one after another, and the events are what would have been chosen in their places and behind them.
    """

    prompt: EncodedPrompt
    adapter: ReadyAdapter | None
    options: GenerationOptions
    cancelled: threading.Event | None = None
    before: Sequence[int] = ()
    labels: Sequence[Sequence[int]] = ()
    matcher: TokenMatcher | None = None
    forced: Sequence[int] | None = None
    events: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    cached_tokens: int = 0  # of the prompt, that need not be read; the engine's to count
    queued_at: float = 0.0  # with start_by the queue's to set
    start_by: float = math.inf
    closed: bool = False  # nobody reads the events any more

    @cached_property
    def tokens(self) -> Sequence[int]:
        """What is read before the first token is written or the first label scored."""
        return [*(self.prompt.all if self.adapter else self.prompt.without_adapter), *self.before]

    @property
    def longest(self) -> int:
        """Tokens that memory is needed for."""
        return len(self.tokens) + (max(map(len, self.labels)) if self.labels else self.options.max_tokens)

    @property
    def finishes(self) -> bool:
        """Whether it finishes an answer: labels are scored behind a text that was written just before."""
        return bool(self.labels)
