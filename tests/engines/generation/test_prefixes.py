"""The prefix cache against a plain dictionary of everything that was ever inserted."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.generation.prefixes import BASE, Namespace, PrefixCache, _Node

#: a block's value at a token is the token itself, so that what comes back can be read
BYTES = 2 * 4  # two layers of one float


def named(name: Namespace | str) -> Namespace:
    return Namespace(name) if isinstance(name, str) else name


def block(tokens: list[int]) -> torch.Tensor:
    return torch.tensor([tokens, tokens], dtype=torch.float32)


def insert(cache: PrefixCache, namespace: Namespace | str, tokens: list[int]) -> None:
    cache.insert(named(namespace), tokens, lambda first, last: block(tokens[first:last]))


def found(cache: PrefixCache, namespace: Namespace | str, tokens: list[int], most: int = 1000) -> list[int]:
    blocks = list(cache.match(named(namespace), tokens, most=most))
    return [int(value) for part in blocks for value in part[0]]


def test_the_longest_known_beginning_comes_back() -> None:
    cache = PrefixCache(1000)
    insert(cache, "a", [1, 2, 3, 4])
    insert(cache, "a", [1, 2, 5])
    assert found(cache, "a", [1, 2, 3, 4, 9]) == [1, 2, 3, 4]
    assert found(cache, "a", [1, 2, 5, 5]) == [1, 2, 5]
    assert found(cache, "a", [1, 2, 9]) == [1, 2]
    assert found(cache, "a", [1]) == [1]
    assert found(cache, "a", [2, 3]) == []
    assert found(cache, "a", [1, 2, 3, 4], most=3) == [1, 2, 3]
    assert cache.nbytes == 5 * BYTES  # what begins alike is held once


def test_a_namespace_sees_nothing_of_another() -> None:
    cache = PrefixCache(1000)
    own = Namespace("adapter", "staff", (7,))
    insert(cache, own, [1, 2, 3])
    for other in (Namespace(BASE, "staff", (7,)), Namespace("adapter", "customers", (7,)), Namespace("adapter", "", (7,)), Namespace("adapter", "staff", (8,))):
        assert found(cache, other, [1, 2, 3]) == []
    cache.forget(BASE)
    assert found(cache, own, [1, 2, 3]) == [1, 2, 3]
    cache.forget("adapter")
    assert (found(cache, own, [1, 2, 3]), cache.nbytes) == ([], 0)


def test_what_is_longest_unused_goes_first_and_the_limit_holds() -> None:
    cache = PrefixCache(6 * BYTES)
    insert(cache, "a", [1, 2, 3])
    insert(cache, "a", [4, 5, 6])
    assert found(cache, "a", [1, 2, 3]) == [1, 2, 3]  # used just now
    insert(cache, "a", [7, 8])
    assert cache.nbytes == 5 * BYTES
    assert [found(cache, "a", tokens) for tokens in ([1, 2, 3], [4, 5, 6], [7, 8])] == [[1, 2, 3], [], [7, 8]]
    insert(cache, "a", list(range(20, 40)))  # larger than everything: not kept, and nothing else is either
    assert cache.nbytes == 0


def test_what_was_used_more_stays_until_it_has_aged() -> None:
    """Room for three blocks of two tokens. Worked out by hand: a block's worth is its uses beside the worth of the block that went last."""
    cache = PrefixCache(6 * BYTES)
    for tokens in ([1, 1], [1, 1], [1, 1], [2, 2], [2, 2], [3, 3]):
        insert(cache, "a", tokens)
    assert worths(cache) == {1: 3, 2: 2, 3: 1}
    insert(cache, "a", [4, 4])  # 3 goes, worth 1; 4 came while nothing had gone
    assert worths(cache) == {1: 3, 2: 2, 4: 1}
    insert(cache, "a", [5, 5])  # 4 goes; 5 is one use beside the 1 that went
    assert worths(cache) == {1: 3, 2: 2, 5: 2}
    insert(cache, "a", [6, 6])  # 2 goes before 5, which is worth the same and was used later
    assert worths(cache) == {1: 3, 5: 2, 6: 2}
    insert(cache, "a", [7, 7])
    insert(cache, "a", [8, 8])  # 5 and 6 went, and with them the age is 2
    assert worths(cache) == {1: 3, 7: 3, 8: 3}
    insert(cache, "a", [9, 9])  # 1 was asked for more often than any other, but long ago
    assert worths(cache) == {7: 3, 8: 3, 9: 3}


def worths(cache: PrefixCache) -> dict[int, int]:
    return {node.tokens[0]: node.worth for node in everything(cache._roots[Namespace("a")]) if node.tokens}


def test_uses_that_count_are_few() -> None:
    cache = PrefixCache(2 * BYTES)
    for _ in range(100):
        insert(cache, "a", [1])
    assert worths(cache) == {1: 8}


def test_what_came_just_now_stays_even_beside_what_is_worth_more() -> None:
    cache = PrefixCache(2 * BYTES)
    for tokens in ([1], [1], [2], [2]):
        insert(cache, "a", tokens)
    insert(cache, "a", [3])
    assert worths(cache) == {2: 2, 3: 1}


def test_without_room_nothing_is_kept() -> None:
    cache = PrefixCache(0)
    insert(cache, "a", [1, 2])
    assert found(cache, "a", [1, 2]) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 2), min_size=1, max_size=8)), max_size=30), st.integers(1, 40))
def test_it_never_gives_what_was_not_put_in(history: list[tuple[str, list[int]]], room: int) -> None:
    cache = PrefixCache(room * BYTES)
    known: dict[str, list[list[int]]] = {"a": [], "b": []}
    for namespace, tokens in history:
        got = found(cache, namespace, tokens)
        assert got == tokens[: len(got)]
        best = max((common(tokens, other) for other in known[namespace]), default=0)
        assert len(got) <= best
        if room >= sum(len(other) for others in known.values() for other in others):
            assert len(got) == best  # nothing had to go
        insert(cache, namespace, tokens)
        known[namespace].append(tokens)
        assert cache.nbytes <= room * BYTES
        assert cache.nbytes == sum(node.nbytes for root in cache._roots.values() for node in everything(root))


def common(left: list[int], right: list[int]) -> int:
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return same


def everything(node: _Node) -> list[_Node]:
    return [node, *(below for child in node.children.values() for below in everything(child))]
