"""Generation in process: one base model, LoRA adapters beside it, chosen per request. The plain transformers + PEFT path.

One thread owns the model and takes one request after another from a bounded queue; each request has its own queue of
events, so a slow reader holds up nobody. Requests that nobody waits for any more hold no place in it. An activated adapter is switched on at the invocation only: everything before is
computed by the bare base, which equals PEFT's own masked forward (a test compares the two).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from core.errors import BadInput, BankassistError, CallerLeft, Overloaded, Unavailable
from core.ports import GenerationOptions, Token
from core.prompts import FORM, Prompt
from core.settings import Generation, Models
from core.types import AdapterRef, Draft
from engines.adapter_files import AdapterFiles, read_adapter
from engines.chat import ChatEncoder, EncodedPrompt
from engines.compute import prepare, torch_dtype
from engines.models import ModelFolder, locate

log = logging.getLogger(__name__)

#: seconds after which somebody who waits for a word looks whether they are to leave
_POLL = 0.1


@dataclass
class _Request:
    """Work for the engine thread. Its events end with a Draft, a tuple of likelihoods, or an exception."""

    prompt: EncodedPrompt
    adapter: AdapterRef | None
    run: Callable[[_Request], None]
    cancelled: threading.Event | None
    options: GenerationOptions = field(default_factory=GenerationOptions)
    events: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    queued_at: float = field(default_factory=time.monotonic)
    closed: bool = False  # nobody reads the events any more

    @property
    def prompt_tokens(self) -> int:
        return len(self.prompt.all if self.adapter else self.prompt.without_adapter)

    @property
    def caller_left(self) -> bool:
        return self.cancelled is not None and self.cancelled.is_set()

    @property
    def wanted(self) -> bool:
        return not (self.closed or self.caller_left)


class LocalGenerator:
    """See the module. ``close`` ends the thread."""

    def __init__(self, model: Any, tokenizer: Any, folder: ModelFolder, settings: Generation) -> None:
        self._base = model
        self._model: Any = model  # a PeftModel around the base as soon as an adapter is loaded
        self._tokenizer = tokenizer
        self._encoder = ChatEncoder(tokenizer)
        self._folder = folder
        self._settings = settings
        self._loaded: dict[str, bool] = {}  # adapter digest -> whether it is an activated one
        self._end_tokens = _end_tokens(model, tokenizer)
        self._waiting: list[_Request] = []
        self._closed = False
        self._changed = threading.Condition()  # guards the two above
        self._thread = threading.Thread(target=self._work, name="generator", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, models: Models, generation: Generation, cache: Path, notify: Callable[[str], None] = lambda _: None) -> LocalGenerator:
        """Load the generation model of the settings.

        Raises:
            Unavailable: it is not there, or cannot be used.
        """
        folder = locate(models.generation, cache, notify)
        prepare(models.threads)
        model: Any = AutoModelForCausalLM.from_pretrained(folder.path, dtype=torch_dtype(models.dtype), use_safetensors=True, local_files_only=True)
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
        return int(self._base.config.max_position_embeddings)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        with self._changed:
            return sum(request.wanted for request in self._waiting)

    def count_tokens(self, text: str) -> int:
        return len(self._encoder.text(text))

    def prompt_tokens(self, prompt: Prompt) -> int:
        return len(self._encoder.encode(prompt).all)

    def admit(self) -> None:
        """Returns when there is room for one more request.

        Raises:
            Overloaded: the queue is full.
            Unavailable: the generator was closed.
        """
        with self._changed:
            self._waiting = [request for request in self._waiting if request.wanted]
            if self._closed:
                raise _stopping()
            if len(self._waiting) >= self._settings.queue:
                raise Overloaded(f"{self._settings.queue} requests wait for the model already; try again in a moment")

    def generate(
        self, prompt: Prompt, adapter: AdapterRef | None, options: GenerationOptions, cancelled: threading.Event | None = None
    ) -> Iterator[Token | Draft]:
        """Tokens as they come, then one Draft. Closing the iterator stops the generation at the next token.

        Raises:
            Overloaded: the queue is full.
            BadInput: the prompt does not fit the model's context.
            CallerLeft: ``cancelled`` was set, also while the request waited; from the iterator.
            Unavailable: the generator was closed.
        """
        return self._events(self._submitted(prompt, adapter, self._generate, cancelled, options))

    def label_likelihoods(
        self, prompt: Prompt, adapter: AdapterRef | None, before: str, labels: Sequence[str], cancelled: threading.Event | None = None
    ) -> tuple[float, ...]:
        """Probabilities of the labels as the continuation of ``before``, renormalised to sum to 1. Raises like :meth:`generate`."""
        options = GenerationOptions(max_tokens=64)  # more than ``before`` and a label take
        (likelihoods,) = self._events(self._submitted(prompt, adapter, lambda request: self._likelihoods(request, before, labels), cancelled, options))
        return tuple(likelihoods)

    def close(self) -> None:
        """End the engine thread after the request that it works on; those that wait are told so."""
        with self._changed:
            self._closed = True
            for request in self._waiting:
                request.events.put(_stopping())
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    # -- the queue -------------------------------------------------------------------------------

    def _check_length(self, prompt: EncodedPrompt, more: int) -> None:
        if len(prompt.all) + more > self.context_tokens:
            raise BadInput(
                f"the prompt has {len(prompt.all)} tokens and the answer may take {more}; the model's context is {self.context_tokens}. Shorten the input.",
                code="context_length_exceeded",
            )

    def _submitted(
        self, prompt: Prompt, adapter: AdapterRef | None, run: Callable[[_Request], None], cancelled: threading.Event | None, options: GenerationOptions
    ) -> _Request:
        self.admit()  # costs less than tokenising
        encoded = self._encoder.encode(prompt)
        self._check_length(encoded, options.max_tokens)
        request = _Request(encoded, adapter, run, cancelled, options)
        with self._changed:
            self.admit()
            self._waiting.append(request)
            self._changed.notify()
        return request

    def _events(self, request: _Request) -> Iterator[Any]:
        try:
            while True:
                if request.caller_left:
                    raise CallerLeft("the caller left")
                try:
                    event = request.events.get(timeout=_POLL)
                except queue.Empty:
                    continue
                if isinstance(event, BaseException):
                    raise event
                yield event
                if not isinstance(event, Token):
                    return
        finally:
            request.closed = True

    def _next(self) -> _Request | None:
        """The next request; None when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.pop(0)

    def _work(self) -> None:
        while (request := self._next()) is not None:
            if not request.wanted:
                continue
            try:
                if time.monotonic() - request.queued_at > self._settings.queue_seconds:
                    raise Overloaded(f"the request waited {self._settings.queue_seconds:g} s for the model without reaching it; try again later")
                with torch.inference_mode():
                    request.run(request)
            except Exception as error:  # whatever happens to one request, the next one is served
                request.events.put(error)

    # -- on the engine thread --------------------------------------------------------------------

    def _generate(self, request: _Request) -> None:
        logits, cache = self._prefill(request)
        random = torch.Generator(device=logits.device).manual_seed(request.options.seed)
        ids: list[int] = []
        shown = ""
        reason = "length"
        while len(ids) < request.options.max_tokens:
            if not request.wanted:
                return
            token = _choose(logits, request.options.temperature, random)
            if token in self._end_tokens:
                reason = "stop"
                break
            ids.append(token)
            text = self._tokenizer.decode(ids, skip_special_tokens=True)
            if not text.endswith("\ufffd"):  # the bytes of a character may come in several tokens
                request.events.put(Token(text[len(shown) :]))
                shown = text
            with self._adapter(request.adapter):
                logits = self._forward([token], cache)
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        if len(text) > len(shown):
            request.events.put(Token(text[len(shown) :]))
        request.events.put(Draft(text, request.prompt_tokens, len(ids), reason))  # type: ignore[arg-type]

    def _likelihoods(self, request: _Request, before: str, labels: Sequence[str]) -> None:
        logits, cache = self._prefill(request)
        with self._adapter(request.adapter):
            if text := self._encoder.text(before):
                logits = self._forward(text, cache)
            sums = []
            for label in labels:
                tokens = self._encoder.text(label)
                log_probability = float(torch.log_softmax(logits.float(), -1)[tokens[0]])
                if len(tokens) > 1:
                    rows = self._forward(tokens[:-1], cache, every=True)
                    log_probability += sum(float(torch.log_softmax(row.float(), -1)[token]) for row, token in zip(rows, tokens[1:], strict=True))
                    cache.crop(-(len(tokens) - 1))
                sums.append(log_probability)
        request.events.put(tuple(torch.softmax(torch.tensor(sums), 0).tolist()))

    def _prefill(self, request: _Request) -> tuple[torch.Tensor, DynamicCache]:
        cache = DynamicCache(config=self._base.config)
        if self._activated(request.adapter):
            with self._adapter(None):
                self._forward(request.prompt.before_invocation, cache)
            with self._adapter(request.adapter):
                return self._forward(request.prompt.by_adapter, cache), cache
        with self._adapter(request.adapter):
            return self._forward(request.prompt.all if request.adapter else request.prompt.without_adapter, cache), cache

    def _forward(self, ids: Sequence[int], cache: DynamicCache, *, every: bool = False) -> torch.Tensor:
        """Logits behind the last id, or behind every one; the cache grows by the ids."""
        output = self._base(torch.tensor([ids], device=self._base.device), past_key_values=cache, logits_to_keep=0 if every else 1)
        logits: torch.Tensor = output.logits[0] if every else output.logits[0, -1]
        return logits

    def _activated(self, adapter: AdapterRef | None) -> bool:
        if adapter is None:
            return False
        if adapter.digest not in self._loaded:
            self._load_adapter(adapter)
        return self._loaded[adapter.digest]

    def _adapter(self, adapter: AdapterRef | None) -> AbstractContextManager[Any]:
        """Only the engine thread comes here: which adapter is on is state of the shared model."""
        if not isinstance(self._model, PeftModel):
            return nullcontext()
        if adapter is None:
            context: AbstractContextManager[Any] = self._model.disable_adapter()
            return context
        if self._model.active_adapter != adapter.digest:
            self._model.set_adapter(adapter.digest, inference_mode=True)
        return nullcontext()

    def _load_adapter(self, adapter: AdapterRef) -> None:
        files: AdapterFiles = read_adapter(Path(adapter.path))
        if files.digest != adapter.digest:
            raise Unavailable(
                f"adapter {adapter} was changed after it was registered: its digest is {files.digest[:12]}, expected {adapter.digest[:12]}",
                code="adapter_changed",
            )
        if files.base_digest != self.base_digest:
            raise Unavailable(
                f"adapter {adapter} was trained on another base model ({files.base_digest[:12]}) than the one loaded ({self.base_digest[:12]})",
                code="adapter_wrong_base",
            )
        if (form := files.manifest.get("prompt_form")) != FORM:
            raise Unavailable(
                f"adapter {adapter} was trained on prompts of form {form}, this program writes form {FORM}; train it again, or take the released one",
                code="adapter_wrong_prompt",
            )
        try:
            self._add(adapter, files)
        except Exception as error:
            self._remove(adapter.digest)  # what is left of it would be in the way of the next attempt
            if isinstance(error, BankassistError):
                raise
            raise Unavailable(f"adapter {adapter} does not fit the base model: {error}", code="adapter_wrong_base") from error
        self._loaded[adapter.digest] = files.kind == "alora"
        log.info("adapter %s loaded", adapter)

    def _add(self, adapter: AdapterRef, files: AdapterFiles) -> None:
        # the activation point is ours to keep (see _prefill): for PEFT every adapter is a plain one
        config = LoraConfig(task_type="CAUSAL_LM", inference_mode=True, **files.lora)
        if isinstance(self._model, PeftModel):
            self._model.add_adapter(adapter.digest, config)
        else:
            self._model = PeftModel(self._base, config, adapter_name=adapter.digest)
        weights = load_file(files.weights)
        expected = get_peft_model_state_dict(self._model, adapter_name=adapter.digest, save_embedding_layers=False)
        if unknown := sorted(weights.keys() - expected.keys()):
            raise Unavailable(f"adapter {adapter} has weights for modules that the base model lacks: {unknown[0]}", code="adapter_wrong_base")
        if missing := sorted(expected.keys() - weights.keys()):
            raise Unavailable(
                f"adapter {adapter} names modules without having weights for them: {len(missing)} of {len(expected)} are missing, the first is {missing[0]}",
                code="adapter_unreadable",
            )
        set_peft_model_state_dict(self._model, weights, adapter_name=adapter.digest)
        self._model.requires_grad_(False)
        self._model.eval()

    def _remove(self, digest: str) -> None:
        if not isinstance(self._model, PeftModel) or digest not in self._model.peft_config:
            return
        if len(self._model.peft_config) == 1:
            self._model = self._model.unload()
        else:
            self._model.delete_adapter(digest)


def _stopping() -> Unavailable:
    return Unavailable("the service is stopping; try again in a moment", code="stopping")


def _choose(logits: torch.Tensor, temperature: float, random: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits.float() / temperature, -1), 1, generator=random))


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ends = set(named) if isinstance(named, list) else {named}
    return frozenset(int(token) for token in ends | {tokenizer.eos_token_id} if token is not None)
