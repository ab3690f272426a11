"""What the product needs from the heavy parts, as Protocols. ``engines/`` holds the implementations."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.place import Place
from core.prompts import Prompt
from core.types import AdapterRef, DataLevel, Draft, Language

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Texts to unit vectors of one fixed dimension."""

    @property
    def digest(self) -> str:
        """Names the weights and settings; vectors of different digests are never compared."""

    @property
    def dimension(self) -> int: ...

    @property
    def languages(self) -> frozenset[Language]:
        """Queries in another language are left to the word leg."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimension)."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimension)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Who may read, and the day for which the rules are asked. Both legs obey it inside the search."""

    groups: frozenset[str]
    as_of: date


@dataclass(frozen=True, slots=True)
class Hit:
    """A higher score is better; scores of different legs are not comparable."""

    chunk_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Legs:
    """Hits of both legs, best first, ties by chunk id. ``fallback``: another index found them, because the one of the settings did not answer."""

    vector: tuple[Hit, ...]
    word: tuple[Hit, ...]
    fallback: bool = False


class Index(Protocol):
    """A derived search index that follows the catalogue's change log.

    Raises:
        IndexUnavailable: it does not answer; from every method.
    """

    def search(self, vector: Vectors | None, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        """At most ``depth`` hits per leg. ``vector`` has shape (dimension,); None leaves the vector leg empty."""

    def refresh(self) -> int:
        """Apply the changes since the last applied one; returns the sequence number reached."""

    @property
    def sequence(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer may take numbers from: the question with all that was said before, and the passages as the model reads them, [1] being the first."""

    question: str
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Greedy when ``temperature`` is 0. Else a token is drawn from the likeliest ones that have the probability ``top_p`` together (nucleus sampling, Holtzman
    et al., arXiv 1904.09751).

    Callers with many requests do not hold up others: ``caller`` says whose it is. A lower ``priority`` goes first. What was read for one set of
    ``permissions`` is never used for another. Text from the first of the ``stop`` strings on is left out. With ``sources`` only their numbers and
    markers of their passages can be written at all, with a ``schema`` only a JSON document that it allows. With ``logprobs`` each token comes with its
    log-probability and so many alternatives, as the model gave them before anything was forbidden. At the ``deadline``, in seconds of ``time.monotonic()``, what is not done is given up.
    """

    max_tokens: int = 192
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    caller: str = ""
    permissions: str = ""
    priority: int = 0
    deadline: float | None = None
    sources: Sources | None = None
    schema: Mapping[str, Any] | None = None
    logprobs: int | None = None
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """What a generation server was asked since the start. ``left_alone`` counts requests that were not sent because it had failed too often,
    ``first_token_seconds`` is the sum over the ``begun`` ones; ``open`` says that it is left alone now."""

    sent: int
    repeated: int
    failed: int
    left_alone: int
    broken_off: int
    begun: int
    first_token_seconds: float
    open: bool


@dataclass(frozen=True, slots=True)
class AdapterWaits:
    """What requests have waited for their adapters: ``loads`` of one that was not in memory when it was asked for, and was read from disk for this request or
    another one; ``uses`` of one that was; and the seconds of each together."""

    loads: int = 0
    load_seconds: float = 0.0
    uses: int = 0
    use_seconds: float = 0.0

    def since(self, before: AdapterWaits) -> AdapterWaits:
        """What came to it since then."""
        return AdapterWaits(self.loads - before.loads, self.load_seconds - before.load_seconds, self.uses - before.uses, self.use_seconds - before.use_seconds)


@dataclass(frozen=True, slots=True)
class GeneratorLoad:
    """What a generator does now and has done. Tokens of prompts are ``asked`` for in the prefix cache, and ``hit`` where they need not be read. ``server``
    is None where it computes in this process, ``adapters`` None where it does not hold them itself."""

    waiting: int
    running: int
    steps: int
    rows: int
    asked_tokens: int
    hit_tokens: int
    prefix_bytes: int
    server: ServerLoad | None = None
    adapters: AdapterWaits | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the model's vocabulary as UTF-8, which may be a part of a character, with the natural logarithm of its probability; ``alternatives`` are
    the likeliest tokens in its place, best first."""

    content: bytes
    logprob: float
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text as it is generated: whole characters. ``logprobs``, where they were asked for, are of the tokens since the piece before; those of a
    stop string are among them, although its text is not."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class Generator(Protocol):
    """One base model, adapters chosen per request."""

    @property
    def base_digest(self) -> str: ...

    @property
    def context_tokens(self) -> int:
        """The longest prompt and answer together, in tokens."""

    @property
    def load_now(self) -> GeneratorLoad: ...

    @property
    def data_level(self) -> DataLevel:
        """The highest level of documents whose text it may be given."""

    def unserved(self, adapter: AdapterRef) -> str | None:
        """Why it cannot write as an adapter, where that is known; it takes no part in routing then."""

    def origin(self, adapter: AdapterRef | None) -> Mapping[str, str]:
        """For the record: which engine writes, with which model, and the form of its prompts."""

    def health(self) -> str:
        """One line for operators.

        Raises:
            Unavailable: it cannot write now.
        """

    def count_tokens(self, text: str) -> int: ...

    def prompt_tokens(self, prompt: Prompt) -> int: ...

    def drain(self) -> None:
        """Take no more requests, and tell those that wait so. What runs is finished."""

    def admit(self) -> Place:
        """A place in the queue, to be held while a request is made ready."""

    def generate(
        self,
        prompt: Prompt,
        adapter: AdapterRef | None,
        options: GenerationOptions,
        cancelled: threading.Event | None = None,
        place: Place | None = None,
    ) -> Iterator[Token | Draft]:
        """Tokens as they come, then exactly one Draft. Closing the iterator stops the generation. A text that was begun ends at the deadline.

        Args:
            place: one that the caller holds; it is given back when the request waits. Without it the request takes one itself.

        Raises:
            Overloaded: the queue is full.
            BadInput: the prompt does not fit the model's context, or the schema cannot be kept.
            CallerLeft: ``cancelled`` was set, also while the request waited; from the iterator.
            TooLate: the deadline passed before the first token; from the iterator.
        """

    def label_likelihoods(
        self,
        prompt: Prompt,
        adapter: AdapterRef | None,
        before: str,
        labels: Sequence[str],
        options: GenerationOptions,
        cancelled: threading.Event | None = None,
    ) -> tuple[float, ...]:
        """Probabilities of the labels as the continuation of ``before``, a text written just now, renormalised to sum to 1. Of the options caller,
        permissions and deadline count. It needs no place and goes before what begins. Raises like :meth:`generate`."""
