"""Whose turn it is."""

from __future__ import annotations

import pytest

from core.errors import Overloaded, Unavailable
from core.ports import GenerationOptions
from engines.chat import EncodedPrompt
from engines.generation.requests import Request, Waiting


def request(caller: str, priority: int = 0, length: int = 1) -> Request:
    return Request(EncodedPrompt([0] * length, [], [], []), None, GenerationOptions(caller=caller, priority=priority))


def order(waiting: Waiting) -> list[str]:
    taken = []
    while (found := waiting.take(lambda _: True, wait=False)) is not None:
        taken.append(found.options.caller)
    return taken


def test_callers_take_turns() -> None:
    waiting = Waiting(64, 30)
    for caller in ("many", "many", "many", "few", "many", "few", "one"):
        waiting.put(request(caller))
    assert order(waiting) == ["many", "few", "one", "many", "few", "many", "many"]


def test_who_comes_later_is_not_owed_the_turns_before() -> None:
    waiting = Waiting(64, 30)
    for _ in range(3):
        waiting.put(request("old"))
        assert waiting.take(lambda _: True, wait=False) is not None
    for caller in ("new", "new", "new", "old"):
        waiting.put(request(caller))
    assert order(waiting) == ["new", "old", "new", "new"]


def test_a_lower_priority_number_goes_first_whoever_asks() -> None:
    waiting = Waiting(64, 30)
    for caller, priority in (("batch", 1), ("batch", 1), ("clerk", 0), ("batch", 0)):
        waiting.put(request(caller, priority))
    assert order(waiting) == ["clerk", "batch", "batch", "batch"]


def test_what_does_not_fit_yet_keeps_its_turn() -> None:
    waiting = Waiting(64, 30)
    long, short = request("a", length=9), request("b", length=1)
    waiting.put(long)
    waiting.put(short)
    assert waiting.take(lambda one: one.longest < 195, wait=False) is None  # nobody overtakes, or a long one would starve
    assert waiting.take(lambda _: True, wait=False) is long


def test_places_and_closing() -> None:
    waiting = Waiting(1, 30)
    first = request("a")
    waiting.put(first)
    with pytest.raises(Overloaded, match="1 requests wait"):
        waiting.put(request("b"))
    waiting.close()
    assert isinstance(first.events.get_nowait(), Unavailable)
    with pytest.raises(Unavailable, match="stopping"):
        waiting.admit()
    assert waiting.take(lambda _: True, wait=True) is None
