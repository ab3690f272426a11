"""Any decoder that transformers loads, through its own forward. Slower than the fused path, one sequence after another, and right for every family.

The linear modules that adapters change are wrapped once, with all adapters beside them; which adapter acts from which token on is set before each forward.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from engines.generation.decoder import Span
from engines.generation.lora import LoadedAdapter, Lora, ReadyAdapter


@dataclass
class _Acting:
    """What the wrapped modules read: whose weights act, from which token of this forward on."""

    adapter: LoadedAdapter | None = None
    first: int = 0


class _Adapted(torch.nn.Module):
    """A linear module with the acting adapter's change added."""

    def __init__(self, inner: torch.nn.Module, name: str, acting: _Acting) -> None:
        super().__init__()
        self.inner = inner
        self._name = name
        self._acting = acting

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.inner(x)
        adapter = self._acting.adapter
        lora: Lora | None = adapter.modules.get(self._name) if adapter else None
        if lora is None:
            return y
        first = self._acting.first
        change = F.linear(x[..., first:, :].to(lora.a.dtype), lora.a) @ lora.b
        y[..., first:, :] += change.to(y.dtype)
        return y


class GeneralDecoder:
    """See the module; the Decoder protocol."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._acting = _Acting()
        self._caches: dict[int, DynamicCache] = {}
        self._wrapped: set[str] = set()
        self._key_width = 0
        layers = DynamicCache(config=model.config).layers
        # windows and states cannot be cut where they are wanted
        self.shares_prefixes = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)

    @property
    def _device(self) -> torch.device:
        device: torch.device = self._model.device
        return device

    @property
    def token_bytes(self) -> int:
        """An upper bound from the configuration: models name their heads differently."""
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(config.num_hidden_layers * 2 * heads * head * self._model.dtype.itemsize)

    def reserve(self, slots: int, tokens: int) -> None:  # noqa: ARG002, transformers' caches grow by themselves
        for slot in [slot for slot in self._caches if slot >= slots]:
            del self._caches[slot]

    def clear(self, slot: int) -> None:
        self._caches.pop(slot, None)

    def move(self, source: int, target: int, tokens: int) -> None:
        self._caches.pop(target, None)
        if source in self._caches and tokens:
            self._caches[target] = self._caches.pop(source)

    def take(self, slot: int, start: int, end: int) -> torch.Tensor:
        layers: list[Any] = self._caches[slot].layers
        self._key_width = layers[0].keys.shape[-1]
        return torch.stack([torch.cat((layer.keys, layer.values), -1)[0, :, start:end].transpose(0, 1) for layer in layers])

    def put(self, slot: int, start: int, block: torch.Tensor) -> None:
        cache = self._at(slot, start)
        for number, both in enumerate(block):
            keys, values = both.transpose(0, 1)[None].tensor_split([self._key_width], -1)
            cache.update(keys, values, number)

    def unserved(self, modules: Collection[str]) -> str | None:  # noqa: ARG002
        """Every module of the model can be wrapped."""
        return None

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        modules = {name: Lora(lora.a.to(self._device), lora.b.to(self._device)) for name, lora in adapter.modules.items()}
        return LoadedAdapter(adapter.digest, adapter.activated, modules)

    def forget(self, digest: str) -> None:
        """Nothing is kept of adapters here."""

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        return [self._read(span) for span in spans]

    def _read(self, span: Span) -> torch.Tensor:
        self._acting.adapter = None
        if span.adapter is not None:
            assert isinstance(span.adapter, LoadedAdapter)
            self._wrap(span.adapter)
            self._acting.adapter, self._acting.first = span.adapter, span.adapted_from
        ids = torch.tensor([span.tokens], device=self._device)
        output = self._model(ids, past_key_values=self._at(span.slot, span.start), use_cache=True, logits_to_keep=max(span.logits, 1))
        logits: torch.Tensor = output.logits[0].float()
        return logits[-span.logits :] if span.logits else logits[:0]

    def _at(self, slot: int, tokens: int) -> DynamicCache:
        """The slot's memory, holding its first tokens only."""
        if tokens == 0:
            self._caches[slot] = DynamicCache(config=self._model.config)
        self._cut(self._caches[slot], tokens)
        return self._caches[slot]

    def _cut(self, cache: DynamicCache, tokens: int) -> None:
        if (more := cache.get_seq_length() - tokens) > 0:
            cache.crop(-more)

    def _wrap(self, adapter: LoadedAdapter) -> None:
        for name in adapter.modules.keys() - self._wrapped:
            place, _, own = name.rpartition(".")
            parent = self._model.get_submodule(place)
            setattr(parent, own, _Adapted(getattr(parent, own), name, self._acting))
            self._wrapped.add(name)
