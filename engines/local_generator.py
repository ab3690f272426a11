"""Generation in process: one copy of the base model, adapters side by side, all requests in one batch.

Callers' threads turn texts into tokens and tokens into text, and read adapters from disk; one engine thread owns the model (`generation/engine.py`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from queue import Empty
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import BadInput, TooLate, Unavailable
from core.place import Place
from core.ports import GenerationOptions, GeneratorLoad, Token, TokenLogprob
from core.prompts import Prompt
from core.settings import Generation, Models
from core.types import AdapterRef, DataLevel, Draft
from engines.chat import ChatEncoder, EncodedPrompt
from engines.compute import generation_dtype, prepare
from engines.generation.decoders import decoder_for
from engines.generation.engine import Engine
from engines.generation.lora import ReadyAdapter, load_adapter
from engines.generation.requests import Ended, Request, Scored
from engines.generation.resident import ResidentAdapters
from engines.generation.text import TextStream
from engines.grammar import SourceGrammar, TokenMatcher
from engines.models import ModelFolder, locate
from engines.waiting import Waiting

#: seconds after which somebody who waits for a word looks whether they are to leave
_POLL = 0.1
_MIB = 1024 * 1024


class LocalGenerator:
    """See the module; the Generator port. ``close`` ends the thread."""

    def __init__(self, model: Any, tokenizer: Any, folder: ModelFolder, settings: Generation) -> None:
        self._config = model.config
        self._kind = type(model)
        self._tokenizer = tokenizer
        self._encoder = ChatEncoder(tokenizer)
        self._folder = folder
        self._ends = _end_tokens(model, tokenizer)
        self._decoder = decoder_for(model)
        self._adapters = ResidentAdapters(self._read_adapter, settings.adapter_mib * _MIB)
        self._waiting: Waiting[Request] = Waiting(settings.queue, settings.queue_seconds)
        self._engine = Engine(
            self._decoder,
            self._waiting,
            self._ends,
            self._adapters.dropped,
            batch=settings.batch,
            memory_bytes=settings.memory_mib * _MIB,
            prefix_bytes=settings.prefix_mib * _MIB,
        )
        self._thread = threading.Thread(target=self._engine.work, name="generator", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, models: Models, generation: Generation, cache: Path, notify: Callable[[str], None] = lambda _: None) -> LocalGenerator:
        """Load the generation model of the settings.

        Raises:
            Unavailable: it is not there, or cannot be used.
        """
        folder = locate(models.generation, cache, notify)
        prepare(models.threads)
        model: Any = AutoModelForCausalLM.from_pretrained(folder.path, dtype=generation_dtype(models.dtype), use_safetensors=True, local_files_only=True)
        if torch.cuda.is_available():
            model = model.cuda()
        tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
        return cls(model.eval().requires_grad_(False), tokenizer, folder, generation)

    # -- the Generator port ----------------------------------------------------------------------

    @property
    def base_digest(self) -> str:
        return self._folder.digest

    @property
    def context_tokens(self) -> int:
        return int(self._config.max_position_embeddings)

    @property
    def load_now(self) -> GeneratorLoad:
        """What waits, what runs, what the prefix cache spared, and what was waited for adapters."""
        prefixes = self._engine.prefixes
        return GeneratorLoad(
            len(self._waiting), self._engine.running, self._engine.steps, self._engine.rows, prefixes.asked_tokens, prefixes.hit_tokens, prefixes.nbytes,
            adapters=self._adapters.waits,
        )  # fmt: skip

    @property
    def data_level(self) -> DataLevel:
        return "restricted"

    def unserved(self, adapter: AdapterRef) -> str | None:  # noqa: ARG002, the port
        """Every adapter of the base model is, one read from disk when it is first needed."""
        return None

    def origin(self, adapter: AdapterRef | None) -> Mapping[str, str]:  # noqa: ARG002, the port
        return {"engine": "local", "model": self._folder.name, "prompt": "tokens", "tokenizer": self._folder.text_digest}

    def health(self) -> str:
        return f"{len(self._waiting)} waiting"

    def count_tokens(self, text: str) -> int:
        return len(self._encoder.text(text))

    def prompt_tokens(self, prompt: Prompt) -> int:
        return len(self._encoder.encode(prompt).all)

    def admit(self) -> Place:
        """A place in the queue, to be held while a request is made ready. Entering it raises Overloaded, or Unavailable where the generator takes no more."""
        return self._waiting.place()

    def generate(
        self,
        prompt: Prompt,
        adapter: AdapterRef | None,
        options: GenerationOptions,
        cancelled: threading.Event | None = None,
        place: Place | None = None,
    ) -> Iterator[Token | Draft]:
        """Tokens as they come, then one Draft. Closing the iterator stops the generation at the next token. A text that was begun ends at the deadline.

        Raises:
            Overloaded: the queue is full.
            BadInput: the prompt does not fit the model's context, or the schema cannot be kept.
            CallerLeft: ``cancelled`` was set, also while the request waited; from the iterator.
            TooLate: the deadline passed before the first token; from the iterator.
            Unavailable: the adapter cannot be used, or the generator takes no more.
        """
        with place or self.admit():  # costs less than tokenising
            request = self._checked(Request(self._encoder.encode(prompt), self._adapter(adapter), options, cancelled), options.max_tokens)
            request.matcher = self._matcher(options)
            self._waiting.put(request)
        return self._text(request)

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
        encoded, scored = self._encoder.encode(prompt), [self._encoder.text(label) for label in labels]
        read = self._encoder.text(before)
        request = Request(encoded, self._adapter(adapter), options, cancelled, read, scored)
        self._waiting.put(self._checked(request, len(read) + max(map(len, scored))))
        (sums,) = self._events(request)
        highest = max(sums)
        shares = [math.exp(value - highest) for value in sums]
        return tuple(share / sum(shares) for share in shares)

    def drain(self) -> None:
        """Take no more requests, and tell those that wait so. What runs is finished."""
        self._waiting.drain()

    def written(self, prompt: Prompt, adapter: AdapterRef | None, options: GenerationOptions) -> list[int | None]:
        """The token ids of a text, None at its end where it was not cut off. Raises like :meth:`generate`."""
        with self.admit():
            request = self._checked(Request(self._encoder.encode(prompt), self._adapter(adapter), options), options.max_tokens)
            self._waiting.put(request)
        *tokens, ended = self._events(request)
        return [*tokens, None] if ended.reason == "stop" else tokens

    def best_tokens(self, prompt: Prompt, adapter: AdapterRef | None, text: Sequence[int | None]) -> list[int | None]:
        """For each token of a text as :meth:`written` gives it the one that this model would have written behind those before it.

        They are found in steps of one token, since how a mode computes may depend on how many a step reads. Raises like :meth:`generate`.
        """
        forced = [token for token in text[:-1] if token is not None]
        with self.admit():
            request = Request(self._encoder.encode(prompt), self._adapter(adapter), GenerationOptions(max(len(forced), 1)), forced=forced)
            self._waiting.put(self._checked(request, len(forced)))
        *tokens, _ = self._events(request)
        return [None if token in self._ends else token for token in tokens]

    def close(self) -> None:
        """End the engine thread after what it works on; those that wait are told so."""
        self._waiting.close()
        self._thread.join()

    # -- on the callers' threads -----------------------------------------------------------------

    def _checked(self, request: Request, more: int) -> Request:
        tokens = len(_read(request.prompt, request.adapter))
        if tokens + more > self.context_tokens:
            raise BadInput(
                f"the prompt has {tokens} tokens and the answer may take {more}; the model's context is {self.context_tokens}. Shorten the input.",
                code="context_length_exceeded",
            )
        return request

    def _matcher(self, options: GenerationOptions) -> TokenMatcher | None:
        if options.schema is not None:
            assert options.sources is None, "one text cannot be both a JSON document and an answer from sources"
            return self._grammar.schema(options.schema)
        return self._grammar.matcher(options.sources.question, options.sources.passages) if options.sources is not None else None

    @cached_property
    def _grammar(self) -> SourceGrammar:
        return SourceGrammar(self._tokenizer, int(self._config.get_text_config().vocab_size), self._ends)

    def _adapter(self, adapter: AdapterRef | None) -> ReadyAdapter | None:
        return self._adapters.get(adapter) if adapter else None

    def _read_adapter(self, adapter: AdapterRef) -> ReadyAdapter:
        with torch.device("meta"):
            skeleton = self._kind(self._config)
        loaded = load_adapter(adapter, self.base_digest, skeleton)
        if unserved := self._decoder.unserved(loaded.modules):
            raise Unavailable(f"adapter {adapter} changes {unserved}, which is not served; train it on the linear layers only", code="adapter_unreadable")
        return self._decoder.prepared(loaded)

    def _text(self, request: Request) -> Iterator[Token | Draft]:
        stream = TextStream(self._tokenizer, request.options.stop)
        read = len(_read(request.prompt, request.adapter))
        written = 0
        unsaid: list[TokenLogprob] = []
        reason: Literal["stop", "length", "deadline"] = "stop"
        try:
            for event in self._events(request):
                if isinstance(event, Ended):
                    reason = event.reason
                    break
                written += 1
                if isinstance(event, Scored):
                    unsaid.append(self._logprob(event.token, event.logprob, event.alternatives))
                if text := stream.add(event.token if isinstance(event, Scored) else event):
                    yield Token(text, tuple(unsaid))
                    unsaid.clear()
                if stream.stopped:
                    request.closed = True
                    break
        except TooLate:
            if not written:
                raise
            reason = "deadline"
        if (text := stream.rest()) or unsaid:
            yield Token(text, tuple(unsaid))
        yield Draft(stream.text, read, written, reason, request.cached_tokens)

    def _logprob(self, token: int, logprob: float, alternatives: Sequence[tuple[int, float]] = ()) -> TokenLogprob:
        return TokenLogprob(self._grammar.content(token), logprob, tuple(self._logprob(*one) for one in alternatives))

    def _events(self, request: Request) -> Iterator[Any]:
        try:
            while True:
                if (why := request.given_up()) is not None:
                    raise why
                try:
                    event = request.events.get(timeout=_POLL)
                except Empty:
                    continue
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, Ended | tuple):
                    return
        finally:
            request.closed = True


def _read(prompt: EncodedPrompt, adapter: ReadyAdapter | None) -> list[int]:
    return prompt.all if adapter else prompt.without_adapter


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ends = set(named) if isinstance(named, list) else {named}
    return frozenset(int(token) for token in ends | {tokenizer.eos_token_id} if token is not None)
