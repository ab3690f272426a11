"""The forward of Llama-shaped models in torch's operations: fp32 everywhere, GPUs, and processors that the compiled one is not for.

Weights of a norm are part of the matrix that follows it. Sequences that decode are attended together, those that read their prompt one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

from engines.generation.decoder import Span
from engines.generation.llama_weights import LlamaWeights, Matrix
from engines.generation.lora import LoadedAdapter, ReadyAdapter
from engines.generation.rows import Rows
from engines.generation.stack import Group, Pair, Stack, Stacks


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: torch.Tensor
    bias: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: _Linear
    out: _Linear
    gate_up: _Linear
    down: _Linear


class TorchForward:
    """See the module; the Forward protocol."""

    def __init__(self, weights: LlamaWeights) -> None:
        self._heads, self._kv_heads, self._head = weights.heads, weights.kv_heads, weights.head_size
        self._queries = self._heads * self._head
        self._rotated = self._queries + self._kv_heads * self._head
        self._scale, self._act = weights.scale, weights.act
        self._embedding, self._head_weights, self._norm = weights.embedding, weights.head, weights.norm
        self.layers, self.width = weights.layer_count, 2 * self._kv_heads * self._head
        self.dtype, self.device = weights.dtype, weights.device
        self._epsilon = torch.tensor(weights.epsilon, device=self.device)
        self._cos, self._sin = (table[:, None] for table in weights.rotations(self.dtype))
        groups: dict[str, Group] = {}
        self._layers = []
        for number, layer in enumerate(weights.layers()):

            def joined(name: str, matrix: Matrix, norm: torch.Tensor | None = None, number: int = number) -> _Linear:
                scale = None if norm is None else norm.float()
                groups[f"{number}.{name}"] = Group(matrix.modules, matrix.widths, scale)
                return _Linear(matrix.weight if scale is None else (matrix.weight * scale).to(self.dtype), matrix.bias)

            self._layers.append(
                _Layer(
                    joined("qkv", layer.qkv, layer.attention_norm),
                    joined("out", layer.out),
                    joined("gate_up", layer.gate_up, layer.mlp_norm),
                    joined("down", layer.down),
                )
            )
        # on a CPU small products in bf16 cost several times what they cost in fp32
        self._stacks = Stacks(groups, torch.float32 if self.device.type == "cpu" else self.dtype, self.device)
        self.modules = self._stacks.modules

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        return self._stacks.alone(adapter)

    def forget(self, digest: str) -> None:
        self._stacks.forget(digest)

    def rest(self) -> None:
        """Nothing is kept between steps."""

    def logits(self, rows: Rows, memory: torch.Tensor) -> torch.Tensor:
        lora = _Adapted.of(rows, self._stacks, self.device)
        together = _Decoding.of([span for span in rows.spans if len(span.tokens) == 1], self.device)
        x = F.embedding(rows.tokens, self._embedding).float()  # sums stay in fp32 in either mode
        cos, sin = self._cos[rows.positions], self._sin[rows.positions]
        for number, layer in enumerate(self._layers):
            qkv = _linear(self._normed(x), layer.qkv, lora, f"{number}.qkv")
            attended = self._attention(memory[number], qkv, rows, together, cos, sin)
            x += _linear(attended, layer.out, lora, f"{number}.out")
            gate, up = _linear(self._normed(x), layer.gate_up, lora, f"{number}.gate_up").chunk(2, -1)
            x += _linear(self._act(gate) * up, layer.down, lora, f"{number}.down")
        return F.linear(self._normed(x[rows.wanted]) * self._norm, self._head_weights).float()

    def _normed(self, x: torch.Tensor) -> torch.Tensor:
        """RMS norm (arXiv 1910.07467) without its weights, which are part of the matrices that follow."""
        norm = torch.linalg.vector_norm(x, 2, -1, True)
        return (x * torch.addcmul(self._epsilon, norm, norm, value=1 / x.shape[-1]).rsqrt_()).to(self.dtype)

    def _attention(self, memory: torch.Tensor, qkv: torch.Tensor, rows: Rows, together: _Decoding | None, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        turning = qkv[:, : self._rotated].view(len(qkv), -1, self._head)
        turned = (turning * cos).addcmul_(turning.roll(self._head // 2, -1), sin).flatten(1)
        # keys and values of all tokens, whatever slot they belong to, at once
        memory.view(-1, self.width).index_copy_(0, rows.places, torch.cat((turned[:, self._queries :], qkv[:, self._rotated :]), -1))
        queries = turned[:, : self._queries]
        parts, start = [], 0
        for span in rows.spans:
            if (count := len(span.tokens)) > 1:
                parts.append(self._attend_reading(memory, queries[start : start + count], span))
                start += count
        if together is not None:
            parts.append(self._attend_decoding(memory, queries[start:], together))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _keys_values(self, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Views of (slots, tokens, both) as (slots, heads, tokens, head)."""
        split = memory.view(*memory.shape[:2], 2 * self._kv_heads, self._head).transpose(1, 2)
        return split[:, : self._kv_heads], split[:, self._kv_heads :]

    def _attend_decoding(self, memory: torch.Tensor, queries: torch.Tensor, together: _Decoding) -> torch.Tensor:
        """One query per sequence: the queries that share a key are the rows of one product."""
        first, last = together.slots
        keys, values = self._keys_values(memory[first:last, : together.longest])
        if together.between is not None:
            queries = queries.new_zeros(last - first, queries.shape[1]).index_copy_(0, together.between, queries)
        q = queries.view(last - first, self._kv_heads, -1, self._head)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=together.mask, scale=self._scale).reshape(last - first, -1)
        return out if together.between is None else out[together.between]

    def _attend_reading(self, memory: torch.Tensor, queries: torch.Tensor, span: Span) -> torch.Tensor:
        count, end = len(span.tokens), span.start + len(span.tokens)
        keys, values = self._keys_values(memory[span.slot : span.slot + 1, :end])
        each = self._heads // self._kv_heads
        keys, values = keys.repeat_interleave(each, 1), values.repeat_interleave(each, 1)
        q = queries.view(1, count, self._heads, self._head).transpose(1, 2)
        mask = None if not span.start else torch.ones(count, end, dtype=torch.bool, device=self.device).tril_(span.start)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, is_causal=mask is None, scale=self._scale)
        return out.transpose(1, 2).reshape(count, -1)


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Sequences that read one token, attended from the first of their slots to the last; where others lie ``between``, it says which are meant."""

    slots: tuple[int, int]
    between: torch.Tensor | None
    longest: int
    mask: torch.Tensor | None

    @classmethod
    def of(cls, spans: Sequence[Span], device: torch.device) -> _Decoding | None:
        if not spans:
            return None
        lengths = {span.slot: span.start + 1 for span in spans}
        longest = max(lengths.values())
        first, last = spans[0].slot, spans[-1].slot + 1
        between = mask = None
        if last - first != len(spans):
            between = torch.tensor([slot - first for slot in lengths], device=device)
        if between is not None or min(lengths.values()) < longest:
            visible = torch.tensor([lengths.get(slot, 1) for slot in range(first, last)])
            mask = (torch.arange(longest) < visible[:, None])[:, None, None].to(device)
        return cls((first, last), between, longest, mask)


@dataclass(frozen=True, slots=True)
class _Adapted:
    """Rows ``first`` to ``last`` hold all that an adapter changes; ``mine`` says per row whose it is, -1 for the base. None where they are all one's."""

    stack: Stack
    first: int
    last: int
    mine: torch.Tensor | None
    masks: dict[tuple[int, ...], torch.Tensor]

    @classmethod
    def of(cls, rows: Rows, stacks: Stacks, device: torch.device) -> _Adapted | None:
        if not rows.adapters:
            return None
        stack = stacks.of(rows.adapters)
        places = [*(stack.places[adapter.digest] for adapter in rows.adapters), -1]
        owners = [places[owner] for owner in rows.owners]
        changed = [row for row, owner in enumerate(owners) if owner >= 0]
        first, last = changed[0], changed[-1] + 1
        alone = len(stack.places) == 1 and last - first == len(changed)
        return cls(stack, first, last, None if alone else torch.tensor(owners[first:last], device=device)[:, None], {})

    def add(self, y: torch.Tensor, x: torch.Tensor, group: str) -> None:
        """``y += ((x @ A.T) * mask) @ B`` on the rows that an adapter changes."""
        pair = self.stack.pairs.get(group)
        if pair is None:
            return
        inside = F.linear(x[self.first : self.last].to(pair.a.dtype), pair.a)
        if self.mine is not None:
            inside.masked_fill_(self._mask(pair), 0)  # not a product: what overflows in one row stays there
        y[self.first : self.last] += inside @ pair.b

    def _mask(self, pair: Pair) -> torch.Tensor:
        assert self.mine is not None
        if pair.owners not in self.masks:
            owners = torch.tensor(pair.owners, device=self.mine.device)
            self.masks[pair.owners] = self.mine != owners
        return self.masks[pair.owners]


def _linear(x: torch.Tensor, linear: _Linear, lora: _Adapted | None, group: str) -> torch.Tensor:
    y = F.linear(x, linear.weight, linear.bias)
    if lora is not None:
        lora.add(y, x, group)
    return y
