"""The decoder of Llama-shaped models: all sequences of a step are one run of tokens, over keys and values in memory reserved per slot.

A token is written without copying those before it. The forward itself is compiled where that can be (`compiled_forward.py`), else torch's operations (`torch_forward.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import torch

from engines.generation.decoder import Span
from engines.generation.lora import LoadedAdapter, ReadyAdapter
from engines.generation.rows import Rows


class Forward(Protocol):
    """Weights of a Llama-shaped model, and what computes with them."""

    #: of layers, and of the keys and values of one token in one of them
    layers: int
    width: int
    #: names of the modules that adapters can change
    modules: frozenset[str]

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def logits(self, rows: Rows, memory: torch.Tensor) -> torch.Tensor:
        """Those of the wanted rows in fp32, shape (wanted, vocabulary). ``memory`` has shape (layers, slots, tokens, width)."""

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        """The adapter in the form that rows name. From any thread."""

    def forget(self, digest: str) -> None:
        """Drop what was made of the adapter with these weights together with others."""

    def rest(self) -> None:
        """Nothing runs: give back what only steps need."""


class LlamaDecoder:
    """See the module; the Decoder protocol."""

    shares_prefixes = True

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._memory = torch.empty(forward.layers, 0, 0, forward.width, dtype=forward.dtype, device=forward.device)

    @property
    def token_bytes(self) -> int:
        return int(self._forward.layers * self._forward.width * self._forward.dtype.itemsize)

    def reserve(self, slots: int, tokens: int) -> None:
        layers, had_slots, had_tokens, width = self._memory.shape
        if not slots:
            self._forward.rest()
        if (slots, tokens) == (had_slots, had_tokens):
            return
        memory = self._memory.new_zeros(layers, slots, tokens, width)  # what is masked must be a number all the same
        both, length = min(slots, had_slots), min(tokens, had_tokens)
        memory[:, :both, :length] = self._memory[:, :both, :length]
        self._memory = memory

    def clear(self, slot: int) -> None:
        self._memory[:, slot].zero_()

    def move(self, source: int, target: int, tokens: int) -> None:
        self._memory[:, target, :tokens] = self._memory[:, source, :tokens]

    def take(self, slot: int, start: int, end: int) -> torch.Tensor:
        return self._memory[:, slot, start:end].clone()

    def put(self, slot: int, start: int, block: torch.Tensor) -> None:
        self._memory[:, slot, start : start + block.shape[1]] = block

    def unserved(self, modules: Collection[str]) -> str | None:
        return min(set(modules) - self._forward.modules, default=None)

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        return self._forward.prepared(adapter)

    def forget(self, digest: str) -> None:
        self._forward.forget(digest)

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        # those that read more than one token first: what decodes is then one run of rows
        order = sorted(range(len(spans)), key=lambda number: (len(spans[number].tokens) == 1, spans[number].slot))
        logits = self._forward.logits(Rows.of([spans[number] for number in order], self._memory.shape[2], self._forward.device), self._memory)
        found: list[torch.Tensor] = [logits] * len(spans)
        start = 0
        for number in order:
            found[number] = logits[start : start + spans[number].logits]
            start += spans[number].logits
        return found
