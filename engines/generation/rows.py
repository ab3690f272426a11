"""A step's tokens, whatever sequence they belong to, as the rows of one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engines.generation.decoder import Span
from engines.generation.lora import ReadyAdapter


@dataclass(frozen=True, slots=True)
class Rows:
    """``places`` are the tokens' rows in the flat memory of a layer; ``wanted`` the rows whose logits are asked for; ``owners`` says per row which of
    ``adapters`` acts on it, -1 for none."""

    spans: Sequence[Span]
    tokens: torch.Tensor
    positions: torch.Tensor
    places: torch.Tensor
    wanted: torch.Tensor
    owners: Sequence[int]
    adapters: Sequence[ReadyAdapter]

    @classmethod
    def of(cls, spans: Sequence[Span], capacity: int, device: torch.device) -> Rows:
        """``capacity`` is the room of a slot in tokens."""
        tokens: list[int] = []
        positions: list[int] = []
        places: list[int] = []
        wanted: list[int] = []
        owners: list[int] = []
        adapters: dict[str, ReadyAdapter] = {}
        for span in spans:
            count = len(span.tokens)
            tokens += span.tokens
            positions += range(span.start, span.start + count)
            places += range(span.slot * capacity + span.start, span.slot * capacity + span.start + count)
            wanted += range(len(tokens) - span.logits, len(tokens))
            untouched = count if span.adapter is None else min(span.adapted_from, count)
            owners += [-1] * untouched
            if span.adapter is not None and untouched < count:
                adapters.setdefault(span.adapter.digest, span.adapter)
                owners += [list(adapters).index(span.adapter.digest)] * (count - untouched)
        numbers = torch.tensor([tokens, positions, places], device=device)
        return cls(
            spans, numbers[0], numbers[1], numbers[2], torch.tensor(wanted, dtype=torch.long, device=device), owners, list(adapters.values())
        )  # fmt: skip
