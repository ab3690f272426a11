"""The fused forward of Llama-shaped models: RMS norms, rotary positions, grouped queries, a gated MLP. All sequences of a step are one run of tokens.

Weights that read the same input are one matrix (query, key and value; gate and up). Keys and values lie in memory reserved per slot, so that a
token is written without copying those before it. Sequences that decode are attended together, those that read their prompt one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

from engines.generation.decoder import Span
from engines.generation.linear import Linear
from engines.generation.stack import Group, Pair, Stack, Stacks

#: classes of transformers whose forward this is
_SHAPED = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
#: rotary positions that do not depend on the length of the sequence
_ROTATIONS = ("default", "linear", "llama3", "yarn")


def is_llama_shaped(model: Any) -> bool:
    """Whether this module computes what the model does."""
    config = model.config
    if type(model).__name__ not in _SHAPED:
        return False
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    rotation = config.rope_parameters["rope_type"]
    whole = window is None or window >= config.max_position_embeddings
    return whole and rotation in _ROTATIONS and getattr(config, "pretraining_tp", 1) == 1


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    out: Linear
    gate_up: Linear
    down: Linear


class LlamaDecoder:
    """See the module; the Decoder protocol. The model's own modules are taken apart: do not use it afterwards."""

    shares_prefixes = True

    def __init__(self, model: Any) -> None:
        config, body = model.config, model.model
        attention = body.layers[0].self_attn
        self._heads, self._kv_heads, self._head = config.num_attention_heads, config.num_key_value_heads, attention.head_dim
        self._queries = self._heads * self._head
        self._rotated = self._queries + self._kv_heads * self._head
        self._scale = attention.scaling
        self._act = body.layers[0].mlp.act_fn
        # copies: one tensor of the loaded file would keep all of its pages in memory
        self._embedding = body.embed_tokens.weight.data.clone()
        head = model.get_output_embeddings().weight.data
        self._head_weights = Linear(self._embedding if head.data_ptr() == body.embed_tokens.weight.data_ptr() else head.clone())
        self._norm = body.norm.weight.data.clone()
        self._dtype, self._device = self._embedding.dtype, self._embedding.device
        self._epsilon = torch.tensor(config.rms_norm_eps, device=self._device)
        self._cos, self._sin = _rotations(body.rotary_emb, config.max_position_embeddings, self._dtype)
        groups: dict[str, Group] = {}
        self._layers = []
        for number, layer in enumerate(body.layers):
            join = partial(_joined, groups, number, layer)
            self._layers.append(
                _Layer(
                    join("qkv", "self_attn", ("q_proj", "k_proj", "v_proj"), layer.input_layernorm),
                    join("out", "self_attn", ("o_proj",)),
                    join("gate_up", "mlp", ("gate_proj", "up_proj"), layer.post_attention_layernorm),
                    join("down", "mlp", ("down_proj",)),
                )
            )
        # on a CPU small products in bf16 cost several times what they cost in fp32
        self._stacks = Stacks(groups, torch.float32 if self._device.type == "cpu" else self._dtype, self._device)
        self._memory = torch.empty(len(self._layers), 0, 0, 2 * self._kv_heads * self._head, dtype=self._dtype, device=self._device)

    # -- memory ----------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        device: torch.device = self._device
        return device

    @property
    def token_bytes(self) -> int:
        return int(len(self._layers) * 2 * self._kv_heads * self._head * self._dtype.itemsize)

    def reserve(self, slots: int, tokens: int) -> None:
        layers, had_slots, had_tokens, width = self._memory.shape
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
        return min(set(modules) - self._stacks.modules, default=None)

    def forget(self, digest: str) -> None:
        self._stacks.forget(digest)

    # -- the step --------------------------------------------------------------------------------

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        # those that read more than one token first: what decodes is then one run of rows
        order = sorted(range(len(spans)), key=lambda number: (len(spans[number].tokens) == 1, spans[number].slot))
        rows = _Rows.of([spans[number] for number in order], self._memory.shape[2], self._device)
        lora = _Adapted.of(rows.spans, self._stacks, self._device)
        logits = self._head_of(self._body(rows, lora)[rows.wanted])
        found: list[torch.Tensor] = [logits] * len(spans)
        start = 0
        for number in order:
            found[number] = logits[start : start + spans[number].logits]
            start += spans[number].logits
        return found

    def _head_of(self, x: torch.Tensor) -> torch.Tensor:
        return self._head_weights(x).float()

    def _body(self, rows: _Rows, lora: _Adapted | None) -> torch.Tensor:
        x = F.embedding(rows.tokens, self._embedding).float()  # sums stay in fp32 in either mode
        cos, sin = self._cos[rows.positions], self._sin[rows.positions]
        for number, layer in enumerate(self._layers):
            qkv = _linear(self._normed(x), layer.qkv, lora, f"{number}.qkv")
            attended = self._attention(number, qkv, rows, cos, sin)
            x += _linear(attended, layer.out, lora, f"{number}.out")
            gate, up = _linear(self._normed(x), layer.gate_up, lora, f"{number}.gate_up").chunk(2, -1)
            x += _linear(self._act(gate) * up, layer.down, lora, f"{number}.down")
        last: torch.Tensor = self._normed(x) * self._norm
        return last

    def _normed(self, x: torch.Tensor) -> torch.Tensor:
        """RMS norm (arXiv 1910.07467) without its weights, which are part of the matrices that follow."""
        norm = torch.linalg.vector_norm(x, 2, -1, True)
        return (x * torch.addcmul(self._epsilon, norm, norm, value=1 / x.shape[-1]).rsqrt_()).to(self._dtype)

    def _attention(self, number: int, qkv: torch.Tensor, rows: _Rows, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        turning = qkv[:, : self._rotated].view(len(qkv), -1, self._head)
        turned = (turning * cos).addcmul_(turning.roll(self._head // 2, -1), sin).flatten(1)
        memory = self._memory[number]
        width = self._rotated - self._queries
        flat = memory.view(-1, 2 * width)
        # keys and values of all tokens, whatever slot they belong to, at once
        flat.index_copy_(0, rows.places, torch.cat((turned[:, self._queries :], qkv[:, self._rotated :]), -1))
        queries = turned[:, : self._queries]
        if not rows.reading:
            return self._attend_decoding(memory, queries, rows)
        parts = [self._attend_reading(memory, queries[start : start + len(span.tokens)], span) for span, start in rows.reading]
        if rows.decoding:
            parts.append(self._attend_decoding(memory, queries[-rows.decoding :], rows))
        return torch.cat(parts)

    def _keys_values(self, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Views of (slots, tokens, both) as (slots, heads, tokens, head)."""
        split = memory.view(*memory.shape[:2], 2 * self._kv_heads, self._head).transpose(1, 2)
        return split[:, : self._kv_heads], split[:, self._kv_heads :]

    def _attend_decoding(self, memory: torch.Tensor, queries: torch.Tensor, rows: _Rows) -> torch.Tensor:
        """One query per sequence: the queries that share a key are the rows of one product."""
        first, last = rows.decoding_slots
        keys, values = self._keys_values(memory[first:last, : rows.longest])
        if rows.between is not None:
            queries = queries.new_zeros(last - first, queries.shape[1]).index_copy_(0, rows.between, queries)
        q = queries.view(last - first, self._kv_heads, -1, self._head)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=rows.mask, scale=self._scale).reshape(last - first, -1)
        return out if rows.between is None else out[rows.between]

    def _attend_reading(self, memory: torch.Tensor, queries: torch.Tensor, span: Span) -> torch.Tensor:
        count, end = len(span.tokens), span.start + len(span.tokens)
        keys, values = self._keys_values(memory[span.slot : span.slot + 1, :end])
        each = self._heads // self._kv_heads
        keys, values = keys.repeat_interleave(each, 1), values.repeat_interleave(each, 1)
        q = queries.view(1, count, self._heads, self._head).transpose(1, 2)
        mask = None if not span.start else torch.ones(count, end, dtype=torch.bool, device=self._device).tril_(span.start)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, is_causal=mask is None, scale=self._scale)
        return out.transpose(1, 2).reshape(count, -1)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A step's tokens as one run. ``places`` are their rows in the flat memory of a layer; ``wanted`` the rows whose logits are asked for.

    Sequences that decode are attended from the first of their slots to the last; where others lie ``between``, it says which are meant.
    """

    spans: Sequence[Span]
    tokens: torch.Tensor
    positions: torch.Tensor
    places: torch.Tensor
    wanted: torch.Tensor
    reading: Sequence[tuple[Span, int]]
    decoding: int
    decoding_slots: tuple[int, int]
    between: torch.Tensor | None
    longest: int
    mask: torch.Tensor | None

    @classmethod
    def of(cls, spans: Sequence[Span], capacity: int, device: torch.device) -> _Rows:
        tokens: list[int] = []
        positions: list[int] = []
        places: list[int] = []
        wanted: list[int] = []
        reading: list[tuple[Span, int]] = []
        for span in spans:
            if len(span.tokens) > 1:
                reading.append((span, len(tokens)))
            tokens += span.tokens
            positions += range(span.start, span.start + len(span.tokens))
            places += range(span.slot * capacity + span.start, span.slot * capacity + span.start + len(span.tokens))
            wanted += range(len(tokens) - span.logits, len(tokens))
        decoding = spans[len(reading) :]
        lengths = {span.slot: span.start + 1 for span in decoding}
        longest = max(lengths.values(), default=0)
        first, last = (decoding[0].slot, decoding[-1].slot + 1) if decoding else (0, 0)
        between = mask = None
        if last - first != len(decoding):
            between = torch.tensor([slot - first for slot in lengths], device=device)
        if between is not None or min(lengths.values(), default=0) < longest:
            visible = torch.tensor([lengths.get(slot, 1) for slot in range(first, last)])
            mask = (torch.arange(longest) < visible[:, None])[:, None, None].to(device)
        numbers = torch.tensor([tokens, positions, places], device=device)
        return cls(
            spans, numbers[0], numbers[1], numbers[2], torch.tensor(wanted, dtype=torch.long, device=device),
            reading, len(decoding), (first, last), between, longest, mask,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Adapted:
    """Rows ``first`` to ``last`` hold all that an adapter changes; ``mine`` says per row whose it is, -1 for the base. None where they are all one's."""

    stack: Stack
    first: int
    last: int
    mine: torch.Tensor | None
    masks: dict[tuple[int, ...], torch.Tensor]

    @classmethod
    def of(cls, spans: Sequence[Span], stacks: Stacks, device: torch.device) -> _Adapted | None:
        used = {span.adapter.digest: span.adapter for span in spans if span.adapter and span.adapted_from < len(span.tokens)}
        if not used:
            return None
        stack = stacks.of(list(used.values()))
        owners: list[int] = []
        for span in spans:
            from_here = span.adapted_from if span.adapter else len(span.tokens)
            number = stack.places[span.adapter.digest] if span.adapter and from_here < len(span.tokens) else -1
            owners += [-1] * min(from_here, len(span.tokens)) + [number] * (len(span.tokens) - from_here)
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


def _linear(x: torch.Tensor, linear: Linear, lora: _Adapted | None, group: str) -> torch.Tensor:
    y = linear(x)
    if lora is not None:
        lora.add(y, x, group)
    return y


def _joined(groups: dict[str, Group], number: int, layer: Any, group: str, part: str, names: tuple[str, ...], norm: Any = None) -> Linear:
    """One matrix of several linear modules of a layer, and of the weights of the norm before them. The modules are emptied: no weight is held twice."""
    parent = getattr(layer, part)
    modules = [getattr(parent, name) for name in names]
    scale = norm.weight.data.float() if norm is not None else None
    groups[f"{number}.{group}"] = Group(tuple(f"model.layers.{number}.{part}.{name}" for name in names), tuple(m.out_features for m in modules), scale)
    weight = torch.cat([module.weight.data for module in modules])
    if scale is not None:
        weight = (weight * scale).to(weight.dtype)
    biases = [module.bias.data if module.bias is not None else weight.new_zeros(module.out_features) for module in modules]
    for module in modules:
        module.weight.data = weight.new_empty(0)
    return Linear(weight, torch.cat(biases) if any(module.bias is not None for module in modules) else None)


def _rotations(rotary: Any, positions: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines by position, shape (positions, 1, head); the first half of the sines is negative, for a product with the halves exchanged."""
    where = rotary.inv_freq.device
    cos, sin = rotary(torch.empty(0, dtype=dtype, device=where), torch.arange(positions, device=where)[None])
    sin = sin[0].clone()
    sin[:, : sin.shape[-1] // 2] *= -1
    return cos[0][:, None], sin[:, None]
