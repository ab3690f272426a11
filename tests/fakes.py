"""Small models with real behaviour, so that everything around the models is tested without them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from adapters.tasks import load_tasks, outside_examples
from assistant.bootstrap import LoadedModels
from assistant.route import OUTSIDE, RouteModel, fit
from core.errors import CallerLeft, Overloaded, Unavailable
from core.place import Place
from core.ports import GenerationOptions, GeneratorLoad, Token, TokenLogprob
from core.prompts import Prompt
from core.types import AdapterRef, DataLevel, Draft
from tests.embedder import HashedEmbedder as HashedEmbedder

#: what stands beside each token of ScriptedGenerator: one is a part of a character
_OTHERS = (TokenLogprob(b"fee", -1.0), TokenLogprob("费".encode()[:2], -2.0))


class ScriptedGenerator:
    """Writes what a function of the prompt and the adapter says, three characters at a time."""

    base_digest = hashlib.sha256(b"scripted").hexdigest()
    context_tokens = 100_000
    load_now = GeneratorLoad(0, 0, 0, 0, 0, 0, 0)

    def __init__(self, write: Callable[[Prompt, AdapterRef | None], str]) -> None:
        self.write = write
        self.prompts: list[tuple[Prompt, AdapterRef | None]] = []
        #: that of the last request
        self.cancelled: threading.Event | None = None
        self.closed_early = 0
        #: what the labels of the last scoring stood behind, and the labels
        self.scored: tuple[str, tuple[str, ...]] = ("", ())
        self.finish_reason: Literal["stop", "length", "deadline"] = "stop"
        self.full = False
        self.data_level: DataLevel = "restricted"
        #: adapter name to why it is not served; and what is wrong with the generator, if anything is
        self.why_unserved: dict[str, str] = {}
        self.down: Unavailable | None = None
        self.draining = False
        self.options: list[GenerationOptions] = []
        #: when set, generation waits for it before each piece
        self.gate: threading.Event | None = None

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    def prompt_tokens(self, prompt: Prompt) -> int:
        return self.count_tokens(prompt.system + prompt.context + prompt.instruction)

    def admit(self) -> Place:
        return Place(self._take, lambda: None)

    def _take(self) -> None:
        if self.full:
            raise Overloaded("64 requests wait for the model already; try again in a moment")
        if self.draining:
            raise Unavailable("the service is stopping; try again in a moment", code="stopping")

    def drain(self) -> None:
        self.draining = True

    def unserved(self, adapter: AdapterRef) -> str | None:
        return self.why_unserved.get(adapter.name)

    def origin(self, adapter: AdapterRef | None) -> Mapping[str, str]:
        return {"engine": "scripted", "model": str(adapter or "base"), "prompt": "tokens"}

    def health(self) -> str:
        if self.down is not None:
            raise self.down
        return "0 waiting"

    def generate(
        self,
        prompt: Prompt,
        adapter: AdapterRef | None,
        options: GenerationOptions,
        cancelled: threading.Event | None = None,
        place: Place | None = None,
    ) -> Iterator[Token | Draft]:
        with place or self.admit():
            self.cancelled = cancelled
            self.prompts.append((prompt, adapter))
            self.options.append(options)
        return _until(cancelled, self._pieces(prompt, self.write(prompt, adapter)[: 4 * options.max_tokens], options.logprobs))

    def _pieces(self, prompt: Prompt, text: str, logprobs: int | None) -> Iterator[Token | Draft]:
        try:
            for start in range(0, len(text), 3):
                if self.gate is not None:
                    self.gate.wait()
                piece = text[start : start + 3]
                yield Token(piece, () if logprobs is None else (TokenLogprob(piece.encode(), -0.5, tuple(_OTHERS[:logprobs])),))
            yield Draft(text, self.prompt_tokens(prompt), self.count_tokens(text), self.finish_reason)
        except GeneratorExit:
            self.closed_early += 1
            raise

    def label_likelihoods(
        self,
        prompt: Prompt,
        adapter: AdapterRef | None,
        before: str,
        labels: Sequence[str],
        options: GenerationOptions,
        cancelled: threading.Event | None = None,
    ) -> tuple[float, ...]:
        self.prompts.append((prompt, adapter))
        self.scored = (before, tuple(labels))
        return tuple(2.0**rank / (2.0 ** len(labels) - 1) for rank in range(len(labels)))


def _until(cancelled: threading.Event | None, pieces: Iterator[Token | Draft]) -> Iterator[Token | Draft]:
    with closing(pieces):  # type: ignore[type-var]
        for piece in pieces:
            if cancelled is not None and cancelled.is_set():
                raise CallerLeft("the caller left")
            yield piece


def hashed_routes(folder: Path) -> RouteModel:
    """The real router over hashed words of the real routing examples."""
    examples = {name: task.examples for name, task in load_tasks().items()} | {OUTSIDE: outside_examples()}
    return fit(examples, HashedEmbedder(), folder)


def fake_models(write: Callable[[Prompt, AdapterRef | None], str], routes: RouteModel) -> tuple[LoadedModels, ScriptedGenerator]:
    """Models for an application."""
    generator = ScriptedGenerator(write)
    return LoadedModels(HashedEmbedder(), generator, routes), generator  # type: ignore[arg-type]
