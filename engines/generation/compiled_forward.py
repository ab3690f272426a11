"""The forward of Llama-shaped models in one compiled call a step (`engines/native/step.cpp`).

A row's result does not depend on what else is in the step: the same question has the same answer, to the bit, however busy the service is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from engines.generation.llama_weights import Layer, LlamaWeights, Matrix
from engines.generation.lora import LoadedAdapter, ReadyAdapter
from engines.generation.rows import Rows
from engines.native import layout
from engines.native.layout import UNIT, address, filled, packed

_step: Any = None
with suppress(ImportError):  # set-up found no compiler
    from engines.native import _step

_MOST_ADAPTERS, _MOST_THREADS = 64, 256


def missing() -> str | None:
    """Why steps are not compiled on this machine, if they are not."""
    if _step is None:
        return "it was not built: set-up found no C++ compiler (g++) for x86-64 Linux"
    if not _step.kernel():
        return "this processor has no AVX-512 instructions for bf16"
    return None


def unfit(weights: LlamaWeights) -> str | None:
    """Why the compiled step does not compute this model, if it does not."""
    if weights.device.type != "cpu" or weights.dtype != torch.bfloat16:
        return f"it is for bfloat16 on a CPU, the model is in {str(weights.dtype).removeprefix('torch.')} on {weights.device.type}"
    if weights.activation != "silu":
        return f"its activation is silu, the model's is {weights.activation}"
    sizes = {"hidden": weights.hidden, "intermediate": weights.inner, "head": weights.head_size}
    for name, size in sizes.items():
        if size % UNIT:
            return f"sizes must be multiples of {UNIT}, the model's {name} size is {size}"
    return None


class CompiledForward:
    """See the module; the Forward protocol.

    Args:
        tiles: use AMX; as the processor has it by default.
    """

    def __init__(self, weights: LlamaWeights, *, tiles: bool | None = None) -> None:
        self._tiles = _step.kernel() == "amx" if tiles is None else tiles
        self._kept: list[Any] = []  # what the structures point to
        self.layers = weights.layer_count
        self.width = 2 * weights.kv_heads * weights.head_size
        self.dtype, self.device = weights.dtype, weights.device
        self._tokens, self._positions = len(weights.embedding), weights.positions
        self._vocabulary = len(weights.head)
        self._groups: list[Matrix] = []  # four of each layer, without their weights
        layers = (layout.Layer * self.layers)()
        for number, layer in enumerate(weights.layers()):
            layers[number] = self._layer(layer)
        cos, sin = (self._keep(table) for table in weights.rotations(torch.float32))
        self._model = layout.Model(
            layers, address(self._keep(weights.embedding)), address(self._keep(weights.norm.float())), address(cos), address(sin),
            self._matrix(weights.head, None), self.layers, weights.hidden, weights.heads, weights.kv_heads, weights.head_size, weights.inner,
            weights.epsilon, weights.scale,
        )  # fmt: skip
        self.modules = frozenset(module for group in self._groups for module in group.modules)
        self._room = torch.empty(0, dtype=torch.uint8)

    def logits(self, rows: Rows, memory: torch.Tensor) -> torch.Tensor:
        slots, tokens = memory.shape[1:3]
        for name, numbers, end in (("token", rows.tokens, self._tokens), ("position", rows.positions, self._positions), ("place", rows.places, slots * tokens)):
            if not 0 <= int(numbers.min()) <= int(numbers.max()) < end:  # compiled code would read whatever lies there
                raise IndexError(f"a {name} of the step is outside of 0 to {end - 1}: from {int(numbers.min())} to {int(numbers.max())}")
        adapters = [_as_packed(adapter) for adapter in rows.adapters]
        owners = torch.tensor(rows.owners)
        spans = (layout.Span * len(rows.spans))()
        first = 0
        for number, span in enumerate(rows.spans):
            spans[number] = layout.Span(first, len(span.tokens), span.start, span.slot * tokens)
            first += len(span.tokens)
        logits = torch.empty(len(rows.wanted), self._model.head.n)
        step = layout.Step(
            address(rows.tokens), address(rows.positions), address(rows.places), address(owners), address(rows.wanted), ctypes.addressof(spans),
            ctypes.addressof(pointers := (ctypes.c_void_p * len(adapters))(*(ctypes.addressof(adapter.pairs) for adapter in adapters))),
            address(memory), address(logits), None,
            first, len(spans), len(pointers), len(rows.wanted), slots * tokens, 0, min(torch.get_num_threads(), _MOST_THREADS), self._tiles,
        )  # fmt: skip
        places = ctypes.addressof(self._model), ctypes.addressof(step)
        step.room_bytes = _step.room(*places)
        if len(self._room) < step.room_bytes:
            self._room = torch.empty(step.room_bytes * 5 // 4, dtype=torch.uint8)
        step.room = address(self._room)
        _step.run(*places)
        return logits[:, : self._vocabulary]

    def prepared(self, adapter: LoadedAdapter) -> ReadyAdapter:
        return PackedAdapter(adapter, self._groups)

    def forget(self, digest: str) -> None:
        """Nothing is made of several adapters."""

    def rest(self) -> None:
        self._room = self._room.new_empty(0)

    # -- what the structures are made of ---------------------------------------------------------

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        self._kept.append(tensor)
        return tensor

    def _layer(self, layer: Layer) -> layout.Layer:
        matrices = []
        for matrix in (layer.qkv, layer.out, layer.gate_up, layer.down):
            alternating = matrix is layer.gate_up
            bias = None if matrix.bias is None else _alternating(matrix.bias) if alternating else matrix.bias
            matrices.append(self._matrix(_alternating(matrix.weight) if alternating else matrix.weight, bias))
            self._groups.append(Matrix(matrix.weight.new_empty(0), None, matrix.modules, matrix.widths))
        norms = [self._keep(norm.float()) for norm in (layer.attention_norm, layer.mlp_norm)]
        return layout.Layer(address(norms[0]), address(norms[1]), *matrices)

    def _matrix(self, weight: torch.Tensor, bias: torch.Tensor | None) -> layout.Matrix:
        outputs = -(-weight.shape[0] // UNIT) * UNIT
        return layout.Matrix(address(self._keep(packed(weight))), None if bias is None else address(self._keep(filled(bias))), outputs, weight.shape[1])


class PackedAdapter:
    """An adapter's pairs for each of the four matrices of each layer, as the products read them; a ReadyAdapter."""

    def __init__(self, adapter: LoadedAdapter, groups: Sequence[Matrix]) -> None:
        self.digest, self.activated = adapter.digest, adapter.activated
        self.pairs = (layout.Pair * len(groups))()
        self._kept: list[torch.Tensor] = []
        for number, group in enumerate(groups):
            found = _side_by_side(adapter.modules, group)
            if found is None:
                continue
            a, b = found
            a, b = packed(a), packed(_alternating(b.t()) if number % 4 == 2 else b.t())
            self._kept += [a, b]
            self.pairs[number] = layout.Pair(address(a), address(b), a.shape[0] * 16)

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._kept)


def _as_packed(adapter: ReadyAdapter) -> PackedAdapter:
    assert isinstance(adapter, PackedAdapter)
    return adapter


def _side_by_side(modules: Mapping[str, Any], group: Matrix) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The pairs of a matrix's modules as one: A (ranks, inputs), B (ranks, outputs)."""
    rows, columns, start = [], [], 0
    for module, width in zip(group.modules, group.widths, strict=True):
        if (lora := modules.get(module)) is not None:
            b = torch.zeros(lora.b.shape[0], sum(group.widths))
            b[:, start : start + width] = lora.b
            rows.append(lora.a)
            columns.append(b)
        start += width
    return (torch.cat(rows), torch.cat(columns)) if rows else None


def _alternating(rows: torch.Tensor) -> torch.Tensor:
    """Gate's and up's outputs, one behind the other, as blocks of 16 in turn."""
    blocks = rows.reshape(2, -1, 16, *rows.shape[1:])
    return blocks.transpose(0, 1).reshape(rows.shape)
