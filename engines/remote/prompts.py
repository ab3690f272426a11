"""A prompt in the forms that servers take: token ids, text in the model's template, or chat messages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from core.prompts import Prompt
from core.text.language import HAN
from engines.generation.text import TextStream

#: what looks like a special token of a family of models, whose tokenizer is not here
_SPECIAL = re.compile(r"<([|｜][^|｜<>\s]{1,64}[|｜]>)")
#: tokens that a template puts around a message, at most
_AROUND = 8


def messages(prompt: Prompt) -> list[dict[str, str]]:
    """Chat messages; the host puts its own template around them, so that what looks like its tokens is broken up."""
    user = f"{prompt.context}{prompt.instruction}"
    return [{"role": role, "content": _SPECIAL.sub(r"< \1", text)} for role, text in (("system", prompt.system), ("user", user)) if text]


class Estimated:
    """For a hosted model whose tokenizer is not here: a third of a token per character, and a whole one per Chinese character. That is more than what
    such hosts publish (0.3 and 0.6, https://api-docs.deepseek.com/quick_start/token_usage), so that too little is packed rather than too much."""

    context_tokens: int | None = None

    def count(self, text: str) -> int:
        chinese = sum(1 for _ in HAN.finditer(text))
        return ceil(chinese + (len(text) - chinese) / 3)

    def length(self, prompt: Prompt) -> int:
        return sum(self.count(message["content"]) + _AROUND for message in messages(prompt))


class Tokenized:
    """By the tokenizer of the model's folder, whose weights may lie elsewhere."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        from engines.chat import ChatEncoder

        self._folder = folder
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._encoder = ChatEncoder(self._tokenizer)

    @cached_property
    def context_tokens(self) -> int | None:
        found = _json(self._folder / "config.json").get("max_position_embeddings")
        return int(found) if found else None

    @cached_property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        named = _json(self._folder / "generation_config.json").get("eos_token_id")
        ends = {*(named if isinstance(named, list) else [named]), self._tokenizer.eos_token_id}
        return frozenset(int(token) for token in ends if token is not None)

    def count(self, text: str) -> int:
        return len(self._encoder.text(text))

    def tokens(self, prompt: Prompt, *, opening: bool) -> list[int]:
        """``opening``: with what the answer of an adapter begins with."""
        encoded = self._encoder.encode(prompt)
        return encoded.all if opening else encoded.without_adapter

    def text(self, prompt: Prompt, *, opening: bool) -> str:
        return self._encoder.written(prompt, opening=opening)

    def encoded(self, text: str) -> list[int]:
        return self._encoder.text(text)

    def content(self, token: int) -> bytes:
        """A token's text in UTF-8, which may be a part of a character."""
        found: bytes = self._grammar.content(token)
        return found

    def stream(self, stop: Sequence[str]) -> TextStream:
        """For an answer that comes in token ids."""
        return TextStream(self._tokenizer, stop)

    @cached_property
    def _grammar(self) -> Any:
        from engines.grammar import SourceGrammar

        return SourceGrammar(self._tokenizer, len(self._tokenizer), self.ends)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
