"""A prompt as token ids, in the chat template of whatever model is loaded.

The template is split around the texts, so that only the template's own special tokens are special: the same characters in a
question or a document are encoded as plain text and cannot open a turn or switch an adapter on. Whether special tokens are special is
state of the tokenizer object, set by every call: two threads that encode a template and a text at once would read each other's setting. So the
template is encoded once, at the start, and texts one after another.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from core.errors import Unavailable
from core.prompts import Prompt

#: texts whose ids are kept: several adapters read the same passages, and many questions popular ones
_KEPT = 128
_SYSTEM, _USER = "SYSTEMTEXTHERE", "USERTEXTHERE"


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids. ``shared`` is the same for every adapter, ``instruction`` belongs to the task, at ``invocation`` the adapter switches on
    and ``opening`` is what its answer begins with."""

    shared: list[int]
    instruction: list[int]
    invocation: list[int]
    opening: list[int]
    system_tokens: int = 0
    """How many tokens of ``shared`` come before anything that belongs to this prompt alone."""

    @property
    def before_invocation(self) -> list[int]:
        return self.shared + self.instruction

    @property
    def by_adapter(self) -> list[int]:
        """What an activated adapter computes, and a plain one too."""
        return self.invocation + self.opening

    @property
    def all(self) -> list[int]:
        return self.before_invocation + self.by_adapter

    @property
    def without_adapter(self) -> list[int]:
        """The bare base model's prompt."""
        return self.before_invocation + self.invocation


class ChatEncoder:
    """Encodes prompts for one tokenizer.

    Raises:
        Unavailable: the tokenizer has no chat template, or one that does not keep the texts as they are.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._plain = lru_cache(_KEPT)(self._encoded)
        if not tokenizer.chat_template:
            raise Unavailable("the generation model has no chat template: choose an instruction-tuned model", code="model_unfit")
        turns = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
        self._has_system = True
        try:
            closed, opened = self._apply(turns, False), self._apply(turns, True)
        except Exception:  # a template without a system role says so in its own words
            self._has_system = False
            closed, opened = self._apply(turns[1:], False), self._apply(turns[1:], True)
        if _USER not in closed or (self._has_system and _SYSTEM not in closed) or not opened.startswith(closed):
            raise Unavailable("the chat template of the generation model changes the texts that it is given", code="model_unfit")
        before_user, after_user = closed.split(_USER)
        start, between = before_user.split(_SYSTEM) if self._has_system else ("", before_user)
        self._template = (start, between, after_user, opened[len(closed) :])
        self._start, self._between, self._end_of_turn, self.invocation = map(self._special, self._template)

    def _apply(self, turns: list[dict[str, str]], opening: bool) -> str:
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opening))

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        if self._has_system:
            system = self._start + self.text(prompt.system) + self._between
            shared = system + self.text(prompt.context)
        else:
            system = self._between
            shared = system + self.text(f"{prompt.system}\n\n{prompt.context}")
        return EncodedPrompt(shared, self.text(prompt.instruction) + self._end_of_turn, self.invocation, self.text(prompt.opening), len(system))

    def written(self, prompt: Prompt, *, opening: bool) -> str:
        """The prompt as text, for a server that turns it into tokens itself: special tokens written in it are broken up, since there they would have power."""
        start, between, end_of_turn, invocation = self._template
        system, context, instruction, opens = (self.harmless(text) for text in (prompt.system, prompt.context, prompt.instruction, prompt.opening))
        head = f"{start}{system}{between}" if self._has_system else f"{between}{system}\n\n"
        return f"{head}{context}{instruction}{end_of_turn}{invocation}{opens if opening else ''}"

    def harmless(self, text: str) -> str:
        """The text with a blank within each special token."""
        for token in self._special_tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    @cached_property
    def _special_tokens(self) -> list[str]:
        return sorted({str(token) for token in self._tokenizer.added_tokens_decoder.values() if len(str(token)) > 1}, key=len, reverse=True)

    def text(self, text: str) -> list[int]:
        """Ids of plain text; special tokens written in it stay characters."""
        return [*self._plain(text)]

    def _encoded(self, text: str) -> Sequence[int]:
        with self._lock:
            return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _special(self, template: str) -> list[int]:
        """Only while nobody else has the encoder yet."""
        ids: list[int] = self._tokenizer.encode(template, add_special_tokens=False)
        return ids
