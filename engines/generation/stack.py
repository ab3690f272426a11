"""The adapters of a step side by side: per group of linear modules that read the same input one A, one B, and a mask of which rank is whose.

``y += ((x @ A.T) * mask) @ B``: two products and a mask, however many adapters the rows have. The work follows the ranks in the batch, not the
number of adapters that are loaded. (Punica, arXiv 2310.18547, does this on GPUs with gathered kernels; on a CPU at a few hundred ranks the plain
product is faster than any gathering.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from engines.generation.lora import LoadedAdapter, ReadyAdapter

#: combinations of several adapters that are kept put together
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Group:
    """Linear modules that read one input, one behind the other in one output. ``widths`` are the modules' outputs; ``scale`` multiplies their input
    (shape (inputs,)): the weights of a norm that the base's own matrix has taken in."""

    modules: tuple[str, ...]
    widths: tuple[int, ...]
    scale: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Of one group: ``a`` (ranks, inputs), ``b`` (ranks, outputs); ``owners`` says per rank which adapter of the stack it belongs to."""

    a: torch.Tensor
    b: torch.Tensor
    owners: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """``pairs`` per group name; groups that no adapter changes are absent. ``places`` are the adapters' numbers by digest."""

    places: Mapping[str, int]
    pairs: Mapping[str, Pair]
    rank: int


@dataclass(frozen=True, slots=True)
class StackedAdapter:
    """An adapter as a stack of its own; a ReadyAdapter."""

    digest: str
    activated: bool
    stack: Stack

    @property
    def nbytes(self) -> int:
        return sum(pair.a.nbytes + pair.b.nbytes for pair in self.stack.pairs.values())


class Stacks:
    """Puts adapters together for steps, and keeps what it made of several."""

    def __init__(self, groups: Mapping[str, Group], dtype: torch.dtype, device: torch.device) -> None:
        self._groups = groups
        self.modules = frozenset(module for group in groups.values() for module in group.modules)
        self._dtype = dtype
        self._device = device
        self._several: OrderedDict[tuple[str, ...], Stack] = OrderedDict()

    def of(self, adapters: Sequence[ReadyAdapter]) -> Stack:
        """A stack that holds the adapters, which are different ones. One that holds a few more is taken where it is there already."""
        singles = {adapter.digest: _stack(adapter) for adapter in adapters}
        if len(singles) == 1:
            return singles[adapters[0].digest]
        digests = tuple(sorted(singles))
        needed = sum(stack.rank for stack in singles.values())
        for key, stack in self._several.items():
            if stack.rank <= 2 * needed and set(digests) <= set(key):
                self._several.move_to_end(key)
                return stack
        made = self._several[digests] = self._join([singles[digest] for digest in digests], digests)
        while len(self._several) > _KEPT:
            self._several.popitem(last=False)
        return made

    def forget(self, digest: str) -> None:
        for key in [key for key in self._several if digest in key]:
            del self._several[key]

    def alone(self, adapter: LoadedAdapter) -> StackedAdapter:
        """In the form that steps use. From any thread."""
        pairs = {name: pair for name, group in self._groups.items() if (pair := self._pair(group, adapter))}
        rank = max(lora.a.shape[0] for lora in adapter.modules.values())
        return StackedAdapter(adapter.digest, adapter.activated, Stack({adapter.digest: 0}, pairs, rank))

    def _pair(self, group: Group, adapter: LoadedAdapter) -> Pair | None:
        rows, columns, start = [], [], 0
        total = sum(group.widths)
        for module, width in zip(group.modules, group.widths, strict=True):
            if (lora := adapter.modules.get(module)) is not None:
                b = torch.zeros(lora.b.shape[0], total)
                b[:, start : start + width] = lora.b
                rows.append(lora.a)
                columns.append(b)
            start += width
        if not rows:
            return None
        a, b = torch.cat(rows), torch.cat(columns)
        if group.scale is not None:
            a = a * group.scale
        return Pair(self._placed(a), self._placed(b), (0,) * a.shape[0])

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._device, self._dtype).contiguous()

    def _join(self, stacks: Sequence[Stack], digests: Sequence[str]) -> Stack:
        pairs = {}
        for name in self._groups:
            parts = [(number, stack.pairs[name]) for number, stack in enumerate(stacks) if name in stack.pairs]
            if parts:
                owners = tuple(number for number, pair in parts for _ in pair.owners)
                pairs[name] = Pair(torch.cat([pair.a for _, pair in parts]), torch.cat([pair.b for _, pair in parts]), owners)
        return Stack({digest: number for number, digest in enumerate(digests)}, pairs, sum(stack.rank for stack in stacks))


def _stack(adapter: ReadyAdapter) -> Stack:
    assert isinstance(adapter, StackedAdapter)
    return adapter.stack
