"""Generation by a server that speaks the OpenAI wire: one model name per adapter, the same prompts, queue, stop strings and errors as the engine in process.

Callers' threads turn texts into tokens and tokens into text, as in process; one thread carries all connections (`remote/link.py`). A server that takes
token ids reads exactly the prompt that the engine in process reads; what others read is told in the record of every answer.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from core.errors import BadInput, NotFound, SettingsError, TooLate, Unavailable
from core.place import Place
from core.ports import GenerationOptions, GeneratorLoad, ServerLoad, Token, TokenLogprob
from core.prompts import Prompt
from core.settings import Settings
from core.types import AdapterRef, DataLevel, Draft
from engines.generation.text import PieceStream, TextStream
from engines.models import locate, locate_tokenizer
from engines.remote.house import house
from engines.remote.link import END, Ask, Link
from engines.remote.prompts import Estimated, Tokenized, messages
from engines.remote.served import Served, read_scores
from engines.remote.slots import Slots
from engines.remote.wire import Piece, Question, Rendered, Wire, Written, salt
from engines.waiting import Waiting, Waits

#: seconds after which somebody who waits for a word looks whether they are to leave
_POLL = 0.1
_ASKED_SECONDS = 3.0


@dataclass(eq=False)
class _Request(Waits):
    options: GenerationOptions
    cancelled: threading.Event | None
    scores: bool = False
    events: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    queued_at: float = 0.0
    start_by: float = math.inf
    closed: bool = False

    @property
    def finishes(self) -> bool:
        return self.scores


class RemoteGenerator:
    """See the module; the Generator port. ``close`` ends the thread."""

    def __init__(self, settings: Settings, base_digest: str, prompts: Tokenized | Estimated, wire: Wire, link: Link) -> None:
        remote = settings.remote
        assert remote.model is not None
        self._base_digest = base_digest
        self._prompts = prompts
        self._wire = wire
        self._link = link
        self._remote = remote
        self._model = remote.model
        self.served = Served(link, wire, remote, base_digest)
        self._waiting: Waiting[_Request] = Waiting(settings.generation.queue, settings.generation.queue_seconds)
        self._slots: Slots[_Request] = Slots(self._waiting, remote.concurrency)

    @classmethod
    def load(cls, settings: Settings, cache: Path, notify: Callable[[str], None] = lambda _: None) -> RemoteGenerator:
        """Connect to the server of the settings. One that is not there yet is waited for by whoever asks `/readyz`.

        Raises:
            SettingsError: the server is outside the house, refuses the key, or has no such model.
            Unavailable: the tokenizer is not there.
        """
        remote, name = settings.remote, settings.models.generation
        wire = Wire.of(remote)
        link = Link(remote, house(remote))
        try:
            if wire.form == "chat":
                base_digest = remote.base_digest or hashlib.sha256(f"hosted model {remote.model}".encode()).hexdigest()
                prompts: Tokenized | Estimated = Estimated()
            else:
                base_digest = remote.base_digest or _base_digest(name, cache, notify)
                prompts = Tokenized(locate_tokenizer(name, cache, notify))
            version = _version(link) if wire.server == "vllm" else None
            if version is not None and version < (0, 12):
                wire = Wire(wire.server, wire.form, old=True)
            made = cls(settings, base_digest, prompts, wire, link)
            made._refuse_wrong_settings(notify)
        except BaseException:
            link.close()
            raise
        return made

    def _refuse_wrong_settings(self, notify: Callable[[str], None]) -> None:
        """What the server can tell at once is told at once; that it is not there yet is no reason not to start."""
        try:
            self._check_model()
            notify(f"generation by {self._link.house.name}, {self._model}, prompts of at most {self.context_tokens} tokens as {self._wire.form}")
        except Unavailable as error:
            if error.code in ("generator_key_refused", "generator_model_missing", "egress_refused", "context_unknown"):
                raise SettingsError(error.message, code=error.code, param="remote") from None
            notify(error.message)

    def _check_model(self) -> None:
        """
        Raises:
            Unavailable: the server is not there, or does not have the base model.
        """
        cards = self.served.cards(_ASKED_SECONDS)
        if self._model not in cards:
            there = ", ".join(sorted(cards)[:8]) or "none"
            raise Unavailable(
                f"the generation server {self._link.house.name} has no model {self._model!r} (remote.model); it lists {there}", code="generator_model_missing"
            )

    # -- the Generator port ----------------------------------------------------------------------

    @property
    def base_digest(self) -> str:
        return self._base_digest

    @property
    def data_level(self) -> DataLevel:
        return self._link.house.data_level

    @property
    def takes_sources(self) -> bool:
        """Whether the server can be bound to the numbers of the sources."""
        return self._remote.source_grammar and self._wire.server == "vllm"

    @cached_property
    def context_tokens(self) -> int:
        """What the settings say, else the server, else the model's configuration.

        Raises:
            Unavailable: none of them does.
        """
        if self._remote.context_tokens is not None:
            return self._remote.context_tokens
        card = self.served.cards().get(self._model)
        if card is not None and card.context_tokens is not None:
            return card.context_tokens
        if self._prompts.context_tokens is not None:
            return self._prompts.context_tokens
        raise Unavailable("neither the server nor the model's configuration says how long a prompt may be; set remote.context_tokens", code="context_unknown")

    @property
    def load_now(self) -> GeneratorLoad:
        """The server's own steps and caches are its own to tell."""
        figures = self._link.figures
        server = ServerLoad(
            figures.sent, figures.repeated, figures.failed, figures.left_alone, figures.broken_off, figures.begun, figures.first_token_seconds,
            self._link.breaker.open,
        )  # fmt: skip
        return GeneratorLoad(len(self._waiting), self._slots.running, 0, 0, 0, 0, 0, server)

    def unserved(self, adapter: AdapterRef) -> str | None:
        """Why requests for an adapter cannot be sent, as far as is known without asking long."""
        return self.served.unserved(adapter)

    def origin(self, adapter: AdapterRef | None) -> Mapping[str, str]:
        """``known_by``: what says that the model is the one meant."""
        model = self._model if adapter is None else self.served.name(adapter)
        return {"engine": "remote", "server": self._link.house.name, "model": model, "prompt": self._wire.form, "known_by": self.served.proof(adapter)}

    def health(self) -> str:
        """
        Raises:
            Unavailable: the server is left alone, cannot be reached, or lacks the base model.
        """
        if self._link.breaker.seconds_left > 0:
            raise self._link.left_alone()
        self._check_model()
        return f"{self._link.house.name} has {self._model}; {len(self._waiting)} waiting, {self._slots.running} running"

    def count_tokens(self, text: str) -> int:
        return self._prompts.count(text)

    def prompt_tokens(self, prompt: Prompt) -> int:
        return self._length(prompt, opening=True)

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
        """Tokens as they come, then one Draft. Closing the iterator ends the request at the server. A text that was begun ends at the deadline.

        Raises:
            Overloaded: the queue is full, or the server takes no more; from the iterator where it is the server.
            BadInput: the prompt does not fit the model's context, or the server does not take the schema.
            CallerLeft: ``cancelled`` was set, also while the request waited; from the iterator.
            TooLate: the deadline passed before the first token; from the iterator.
            Unavailable: the server is not there, fails, or does not have the adapter; from the iterator.
        """
        with place or self.admit():  # costs less than tokenising
            rendered = self._rendered(prompt, adapter)
            tokens = self._length(prompt, opening=adapter is not None)
            self._refuse_too_long(tokens + options.max_tokens)
            grammar = self._grammar(options)
            request = _Request(options, cancelled)
            self._waiting.put(request)
        return self._text(request, adapter, rendered, tokens, grammar)

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
        permissions and deadline count. It needs no place and goes before what begins. Raises like :meth:`generate`, and BadInput where the server does not
        tell the likelihoods of given tokens."""
        if not self._wire.scores:
            raise BadInput(
                f"the generation server ({self._wire.server}, prompts as {self._wire.form}) does not tell how likely given words are",
                code="likelihoods_unavailable",
            )
        tokenized = self._tokenized
        head = [*tokenized.tokens(prompt, opening=adapter is not None), *tokenized.encoded(before)]
        sequences = [(*head, *tokenized.encoded(label)) for label in labels]
        self._refuse_too_long(max(map(len, sequences)) + 1)
        request = _Request(options, cancelled, scores=True)
        self._waiting.put(request)
        found: dict[tuple[int, ...], float] = {}
        with self._slots.slot(request):
            for question in self._wire.questions(self._model, sequences, [len(head)] * len(sequences)):
                (document,) = self._documents(request, partial(self._scoring, question, options), adapter)
                found |= read_scores(self._link, self._wire, question, document)
        sums = [math.fsum(found[tokens[: place + 1]] for place in range(len(head), len(tokens))) for tokens in sequences]
        shares = [math.exp(value - max(sums)) for value in sums]
        return tuple(share / sum(shares) for share in shares)

    def drain(self) -> None:
        """Take no more requests, and tell those that wait so. What runs is finished."""
        self._waiting.drain()

    def close(self) -> None:
        """End the thread; requests that run or wait are told so."""
        self._waiting.close()
        self._link.close()

    def load_adapter(self, adapter: AdapterRef) -> str:
        """Have the server load an exported adapter now; the name of its model.

        Raises:
            NotFound: it is not exported.
            Unavailable: the server does not load it, or what it loaded is something else.
        """
        return self.served.loaded(adapter)

    def unload_adapter(self, adapter: AdapterRef) -> str:
        """Have the server forget an adapter; the name that its model had.

        Raises:
            NotFound: the server has none of that name, or takes no such requests.
        """
        return self.served.unload(adapter)

    # -- within ----------------------------------------------------------------------------------

    def _scoring(self, question: Question, options: GenerationOptions, model: str) -> Ask:
        salted = {"cache_salt": salt(options.permissions)} if self._wire.server == "vllm" else {}
        return Ask(self._wire.path, {**question.body, **salted, "model": model}, stream=False)

    @property
    def _tokenized(self) -> Tokenized:
        assert isinstance(self._prompts, Tokenized), "whoever takes tokens or text has a tokenizer"
        return self._prompts

    def _length(self, prompt: Prompt, *, opening: bool) -> int:
        return self._prompts.length(prompt) if isinstance(self._prompts, Estimated) else len(self._prompts.tokens(prompt, opening=opening))

    def _rendered(self, prompt: Prompt, adapter: AdapterRef | None) -> Rendered:
        match self._wire.form:
            case "tokens":
                return self._tokenized.tokens(prompt, opening=adapter is not None)
            case "text":
                return self._tokenized.text(prompt, opening=adapter is not None)
            case "chat":
                return messages(prompt)

    def _refuse_too_long(self, tokens: int) -> None:
        if tokens > self.context_tokens:
            raise BadInput(
                f"prompt and answer together would have {tokens} tokens, more than the {self.context_tokens} of the generation model; ask for less",
                code="context_length_exceeded",
            )

    def _grammar(self, options: GenerationOptions) -> str | None:
        if options.sources is None:
            return None
        if not self.takes_sources:
            raise BadInput(
                "the generation server cannot be bound to the numbers of the passages (remote.source_grammar), so that nothing is written without it",
                code="grammar_unavailable",
            )
        if options.schema is not None:
            raise BadInput("an answer is bound to the numbers of its passages or to a JSON schema, not to both", param="response_format")
        from engines.grammar import source_grammar

        return source_grammar(options.sources.question, options.sources.passages)

    def _text(self, request: _Request, adapter: AdapterRef | None, rendered: Rendered, prompt_tokens: int, grammar: str | None) -> Iterator[Token | Draft]:
        options = request.options
        stream: PieceStream | None = None
        unsaid: list[TokenLogprob] = []
        written = 0
        counted: tuple[int | None, int | None] = (None, None)
        reason: Literal["stop", "length", "deadline"] = "stop"

        def ask(model: str) -> Ask:
            return Ask(
                self._wire.path,
                self._wire.body(model, rendered, options, grammar),
                True,
                lambda one: self._wire.is_token(one),
                lambda one: self._wire.is_end(one),
            )

        with self._slots.slot(request):
            try:
                for document in self._documents(request, ask, adapter):
                    piece = self._piece(document)
                    counted = (piece.prompt_tokens or counted[0], piece.completion_tokens or counted[1])
                    if stream is None:
                        stream = (
                            PieceStream(options.stop) if piece.tokens is None or isinstance(self._prompts, Estimated) else self._prompts.stream(options.stop)
                        )
                    text, count = self._shown(stream, piece, unsaid, options)
                    written += count
                    if text:
                        yield Token(text, tuple(unsaid))
                        unsaid.clear()
                    if stream.stopped:
                        break
                    if piece.finish is not None:
                        reason = self._reason(piece.finish)
            except TooLate:
                if not written:
                    raise
                reason = "deadline"
        stream = stream or PieceStream()
        if (text := stream.rest()) or unsaid:
            yield Token(text, tuple(unsaid))
        read, wrote = counted
        exact = self._wire.form == "tokens"
        yield Draft(stream.text, prompt_tokens if exact else read or prompt_tokens, written if exact or wrote is None else wrote, reason)

    def _shown(self, stream: PieceStream, piece: Piece, unsaid: list[TokenLogprob], options: GenerationOptions) -> tuple[str, int]:
        """What a piece lets be shown, and how many tokens it has; end tokens are none."""
        if not isinstance(stream, TextStream):
            if options.logprobs is not None:
                unsaid += [self._logprob(one, options.logprobs) for one in piece.logprobs]
            return stream.add_text(piece.text), max(len(piece.logprobs), 1 if piece.text else 0)
        text, count = "", 0
        for place, token in enumerate(piece.tokens or ()):
            if token in self._tokenized.ends:
                continue
            count += 1
            if options.logprobs is not None and place < len(piece.logprobs):
                unsaid.append(self._logprob(piece.logprobs[place], options.logprobs))
            text += stream.add(token)
            if stream.stopped:
                break
        return text, count

    def _logprob(self, one: Written, alternatives: int) -> TokenLogprob:
        content = one.content if one.token is None else self._tokenized.content(one.token)
        return TokenLogprob(content, one.logprob, tuple(self._logprob(other, 0) for other in one.alternatives[:alternatives]))

    def _piece(self, document: Mapping[str, Any]) -> Piece:
        try:
            return self._wire.piece(document)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise Unavailable(
                f"the generation server {self._link.house.name} sent something that is no part of an answer; is remote.server right?", code="generator_failed"
            ) from None

    def _reason(self, finish: str) -> Literal["stop", "length"]:
        if finish in ("stop", "length"):
            return "stop" if finish == "stop" else "length"
        what = finish if finish.replace("_", "").isalpha() and len(finish) < 40 else "a reason that is none"
        raise Unavailable(f"the generation server {self._link.house.name} ended the answer with {what}", code="generator_failed")

    def _documents(self, request: _Request, ask: Callable[[str], Ask], adapter: AdapterRef | None) -> Iterator[Mapping[str, Any]]:
        """What a request brings, for as long as its caller wants it. A model that the server forgot is loaded again once."""
        for first in (True, False):
            model = self.served.model_for(adapter)
            try:
                yield from self._events(request, ask(model), model)
            except NotFound as error:  # before any token
                self.served.forget(model)
                if not (first and adapter is not None and self._remote.load_adapters):
                    raise Unavailable(f"{error.message}: {model}", code="adapter_not_served" if adapter else "generator_model_missing") from None
            else:
                return

    def _events(self, request: _Request, ask: Ask, model: str) -> Iterator[Mapping[str, Any]]:
        exchange = self._link.send(ask, request.events)
        try:
            while True:
                if (why := request.given_up()) is not None:
                    raise why
                try:
                    event = request.events.get(timeout=_POLL)
                except Empty:
                    continue
                if event is END:
                    return
                if isinstance(event, BaseException):
                    raise self._as_told(event, ask)
                self._refuse_other_model(event, model)
                yield event
        finally:
            exchange.close()
            request.closed = True

    def _refuse_other_model(self, document: Mapping[str, Any], model: str) -> None:
        """vLLM repeats the name that was asked for, hosts may add a date to theirs; llama.cpp has one model and many names for it."""
        found = document.get("model")
        if self._wire.server == "llama.cpp" or found is None or found == model or (self._wire.form == "chat" and str(found).startswith(model)):
            return
        raise Unavailable(f"the generation server {self._link.house.name} answered with another model than {model!r}", code="generator_wrong_model")

    @staticmethod
    def _as_told(error: BaseException, ask: Ask) -> BaseException:
        """A server that refuses a request with a schema refuses the schema: everything else in it is the same as in other requests."""
        bound = {"structured_outputs", "guided_json", "json_schema", "response_format"} & ask.body.keys()
        if isinstance(error, Unavailable) and error.code == "generator_refused" and bound and "grammar" not in (ask.body.get("structured_outputs") or {}):
            return BadInput("the JSON schema cannot be used: the generation server does not take it", param="response_format")
        if isinstance(error, Unavailable) and error.code == "generator_refused" and "echo" in ask.body:
            return BadInput("the generation server does not tell how likely given words are", code="likelihoods_unavailable")
        return error


def _base_digest(name: str, cache: Path, notify: Callable[[str], None]) -> str:
    try:
        return locate(name, cache, notify).digest
    except Unavailable as error:
        raise Unavailable(f"{error.message}. Where the weights lie on the generation server only, set remote.base_digest", code=error.code) from None


def _version(link: Link) -> tuple[int, int] | None:
    """vLLM's; None where it does not say."""
    try:
        found = link.fetch("GET", "/version", seconds=_ASKED_SECONDS)
        major, minor = json.loads(json.dumps(found))["version"].split(".")[:2]
        return int(major), int(minor)
    except (NotFound, Unavailable, KeyError, TypeError, ValueError, AttributeError):
        return None
