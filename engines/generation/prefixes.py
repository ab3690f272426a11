"""Keys and values of prompts that were read before, so that the same beginning is read once.

A radix tree (Zheng et al., SGLang, arXiv 2312.07104) per namespace. A namespace names everything besides the tokens that makes keys and
values what they are or that decides who may profit from them: the adapter (or BASE) that read the tokens, and the caller's permissions
once a passage is among them; a shorter key would serve one adapter's memory, or one caller's passages, to another.

What goes first when room is needed is decided by use and age, as in greedy-dual caches (Cao and Irani, USITS 1997; with frequency: Cherkasova, HPL-98-69): a
block is worth its uses beside the worth of what went last, so that what is not asked for any more falls behind whatever its past. What a block costs to
read again and the room that it takes are both its tokens, so that neither counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

#: Uses that count. More would keep yesterday's passages for long after they were asked for last, fewer lose hits (LOG.md has the figures).
_MOST_USES = 8

#: read by the base model alone, or by it before an activated adapter acts
BASE = "BASE"


class Namespace(NamedTuple):
    """``reader`` is the digest of the adapter that read the tokens, or BASE. ``permissions`` are the caller's, empty where no passage is among the
    tokens; ``behind`` are tokens that come before them all."""

    reader: str
    permissions: str = ""
    behind: tuple[int, ...] = ()


@dataclass(eq=False)
class _Node:
    """A run of tokens behind its parent's, with their keys and values: shape (layers, tokens, ...)."""

    tokens: tuple[int, ...]
    block: torch.Tensor | None
    parent: _Node | None
    uses: int = 0
    worth: int = 0
    last_use: int = 0
    children: dict[int, _Node] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return 0 if self.block is None else self.block.nbytes


class PrefixCache:
    """Bounded by bytes. Not safe for several threads: the engine thread owns it."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._roots: dict[Namespace, _Node] = {}
        self._clock = itertools.count(1)
        self._age = 0  # the worth of what went last
        self.nbytes = 0
        self.hit_tokens = 0
        self.asked_tokens = 0

    @property
    def keeps(self) -> bool:
        """Whether there is any room."""
        return self._limit > 0

    def match(self, namespace: Namespace, tokens: Sequence[int], *, most: int) -> Iterator[torch.Tensor]:
        """Blocks of the longest known beginning of the tokens, at most ``most`` of them, in order."""
        now = next(self._clock)
        for node, length in self._path(namespace, tokens):
            node.last_use = now
            length = min(length, most)
            if not length:
                return
            most -= length
            assert node.block is not None
            yield node.block[:, :length]

    def insert(self, namespace: Namespace, tokens: Sequence[int], take: Callable[[int, int], torch.Tensor]) -> None:
        """Keep what is not known yet. This is what counts as a use, once a request: it looks for matches as often as it likes.

        Args:
            take: gives a block of its own of the keys and values from one position to another.
        """
        if self._limit <= 0:
            return
        node, place = self._roots.setdefault(namespace, _Node((), None, None)), 0
        now = next(self._clock)
        for found, length in list(self._path(namespace, tokens)):  # a split changes the path
            place += length
            node = found if length == len(found.tokens) else self._split(found, length)
            self._use(node, now)
        if place < len(tokens):
            block = take(place, len(tokens))
            child = _Node(tuple(tokens[place:]), block, node)
            self._use(child, now)
            node.children[tokens[place]] = child
            self.nbytes += child.nbytes
        self._shrink(now)

    def _use(self, node: _Node, now: int) -> None:
        node.uses = min(node.uses + 1, _MOST_USES)
        node.worth = self._age + node.uses
        node.last_use = now

    def _path(self, namespace: Namespace, tokens: Sequence[int]) -> Iterator[tuple[_Node, int]]:
        """Nodes along the tokens, with how many of each node's own agree."""
        node, place = self._roots.get(namespace), 0
        while node is not None and place < len(tokens):
            node = node.children.get(tokens[place])
            if node is None:
                return
            length = common(node.tokens, tokens[place : place + len(node.tokens)])
            yield node, length
            if length < len(node.tokens):
                return
            place += length

    def _split(self, node: _Node, length: int) -> _Node:
        """The node in two; the upper one, with the first ``length`` tokens, is returned."""
        assert node.parent is not None
        assert node.block is not None
        upper = _Node(node.tokens[:length], node.block[:, :length].clone(), node.parent, node.uses, node.worth, node.last_use, {node.tokens[length]: node})
        node.parent.children[node.tokens[0]] = upper
        node.parent, node.tokens, node.block = upper, node.tokens[length:], node.block[:, length:].clone()
        return upper

    def _shrink(self, now: int) -> None:
        """Leaves go, those worth least first, of equals the one longest unused; what was used just now goes last: others wait to read behind it."""
        while self.nbytes > self._limit:
            leaves = [node for root in self._roots.values() for node in _leaves(root) if node.block is not None]
            victim = min(leaves, key=lambda node: (node.last_use == now, node.worth, node.last_use))
            assert victim.parent is not None
            del victim.parent.children[victim.tokens[0]]
            self.nbytes -= victim.nbytes
            self._age = max(self._age, victim.worth)
        self._roots = {name: root for name, root in self._roots.items() if root.children}

    def forget(self, reader: str) -> None:
        """Drop what an adapter read."""
        for name in [name for name in self._roots if name.reader == reader]:
            self.nbytes -= sum(node.nbytes for node in _nodes(self._roots.pop(name)))


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many of their first tokens are the same."""
    most = min(len(one), len(other))
    if tuple(one[:most]) == tuple(other[:most]):
        return most
    return next(index for index in range(most) if one[index] != other[index])


def _nodes(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.children.values():
        yield from _nodes(child)


def _leaves(node: _Node) -> Iterator[_Node]:
    return (found for found in _nodes(node) if not found.children)
