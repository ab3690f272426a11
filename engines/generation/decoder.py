"""What the scheduler asks of a model: steps over spans of several sequences, each with its own adapter, over memory that it keeps per slot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from engines.generation.lora import LoadedAdapter, ReadyAdapter


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens of one sequence to compute in a step.

    ``start`` tokens of the slot count as read; what it holds behind them is overwritten. The adapter acts from ``adapted_from`` of these tokens on.
    Logits are wanted behind the last ``logits`` of them.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    adapter: ReadyAdapter | None = None
    adapted_from: int = 0
    logits: int = 1


class Decoder(Protocol):
    """One copy of a base model's weights, and the keys and values of the sequences at work. Only the engine thread calls it, but for what is said otherwise."""

    #: whether a prefix's keys and values can be taken out and put into another slot
    shares_prefixes: bool

    @property
    def token_bytes(self) -> int:
        """Memory of one token's keys and values."""

    def reserve(self, slots: int, tokens: int) -> None:
        """Make room for ``slots`` sequences of up to ``tokens`` tokens; what the slots hold stays. (0, 0) gives the memory back."""

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """Read the spans, at most one of each slot; each one's logits in fp32, shape (span.logits, vocabulary)."""

    def clear(self, slot: int) -> None:
        """What the slot holds may not be numbers: make it numbers."""

    def move(self, source: int, target: int, tokens: int) -> None:
        """The first tokens of one slot into another."""

    def take(self, slot: int, start: int, end: int) -> torch.Tensor:
        """A copy of the keys and values of tokens ``start`` to ``end``; its first two dimensions are layers and tokens."""

    def unserved(self, modules: Collection[str]) -> str | None:
        """One of the modules that adapters cannot change here, if there is one. From any thread."""

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        """The adapter as spans name it; what was read is not needed any more. From any thread."""

    def forget(self, digest: str) -> None:
        """The adapter with these weights is not resident any more: drop what was made of it together with others."""

    def put(self, slot: int, start: int, block: torch.Tensor) -> None:
        """Write what :meth:`take` gave behind the first ``start`` tokens."""
