"""Whose turn it is."""

from __future__ import annotations

import math
import time

import pytest

from core.errors import Overloaded, TooLate, Unavailable
from core.ports import GenerationOptions
from engines.chat import EncodedPrompt
from engines.generation.requests import Request
from engines.waiting import Waiting


def request(caller: str, priority: int = 0, length: int = 1, deadline: float | None = None) -> Request:
    return Request(EncodedPrompt([0] * length, [], [], []), None, GenerationOptions(caller=caller, priority=priority, deadline=deadline))


def scoring(caller: str) -> Request:
    """Of the probabilities of labels behind a text."""
    return Request(EncodedPrompt([0], [], [], []), None, GenerationOptions(caller=caller), labels=[[1], [2]])


def order(waiting: Waiting[Request]) -> list[str]:
    taken = []
    while (found := waiting.take(lambda _: True, wait=0)) is not None:
        taken.append(found.options.caller)
    return taken


def test_callers_take_turns() -> None:
    waiting: Waiting[Request] = Waiting(64, 30)
    for caller in ("many", "many", "many", "few", "many", "few", "one"):
        waiting.put(request(caller))
    assert order(waiting) == ["many", "few", "one", "many", "few", "many", "many"]


def test_who_comes_later_is_not_owed_the_turns_before() -> None:
    waiting: Waiting[Request] = Waiting(64, 30)
    for _ in range(3):
        waiting.put(request("old"))
        assert waiting.take(lambda _: True, wait=0) is not None
    for caller in ("new", "new", "new", "old"):
        waiting.put(request(caller))
    assert order(waiting) == ["new", "old", "new", "new"]


def test_a_lower_priority_number_goes_first_whoever_asks() -> None:
    waiting: Waiting[Request] = Waiting(64, 30)
    for caller, priority in (("batch", 1), ("batch", 1), ("clerk", 0), ("batch", 0)):
        waiting.put(request(caller, priority))
    assert order(waiting) == ["clerk", "batch", "batch", "batch"]


def test_what_does_not_fit_yet_keeps_its_turn() -> None:
    waiting: Waiting[Request] = Waiting(64, 30)
    long, short = request("a", length=9), request("b", length=1)
    waiting.put(long)
    waiting.put(short)
    assert waiting.take(lambda one: one.longest < 195, wait=0) is None  # nobody overtakes, or a long one would starve
    assert waiting.take(lambda _: True, wait=0) is long


def test_places_and_closing() -> None:
    waiting: Waiting[Request] = Waiting(1, 30)
    first = request("a")
    waiting.put(first)
    with pytest.raises(Overloaded, match="1 requests wait"), waiting.place():
        pytest.fail("there is no place")
    waiting.close()
    assert isinstance(first.events.get_nowait(), Unavailable)
    with pytest.raises(Unavailable, match="stopping"), waiting.place():
        pytest.fail("nobody is let in")
    with pytest.raises(Unavailable, match="stopping"):
        waiting.put(scoring("a"))
    assert waiting.take(lambda _: True, wait=None) is None


def test_a_place_is_held_while_a_request_is_made_ready() -> None:
    waiting: Waiting[Request] = Waiting(1, 30)
    with waiting.place(), pytest.raises(Overloaded), waiting.place():
        pytest.fail("there is one place")
    with waiting.place():  # it was given back, though nobody waits in it
        waiting.put(request("a"))
    with pytest.raises(Overloaded), waiting.place():
        pytest.fail("somebody waits in it")
    assert waiting.take(lambda _: True, wait=0) is not None
    with waiting.place():
        pass


def test_what_finishes_an_answer_needs_no_place_and_goes_first() -> None:
    waiting: Waiting[Request] = Waiting(2, 30)
    for one in (request("first", priority=-5), request("second"), scoring("third")):
        waiting.put(one)
    assert order(waiting) == ["third", "first", "second"]


def test_draining_lets_answers_be_finished_and_nothing_begin() -> None:
    waiting: Waiting[Request] = Waiting(8, 30)
    begins, finishes = request("a"), scoring("a")
    waiting.put(begins)
    waiting.put(finishes)
    waiting.drain()
    told = begins.events.get_nowait()
    assert isinstance(told, Unavailable)
    assert told.code == "stopping"
    with pytest.raises(Unavailable, match="stopping"):
        waiting.put(request("b"))
    waiting.put(scoring("b"))
    assert finishes.events.empty()
    assert order(waiting) == ["a", "b"]
    assert not waiting.closed


def test_who_is_late_holds_no_place_and_is_not_taken() -> None:
    """The deadline has passed, or the longest wait: by the clock of those who ask, so that nothing has to happen first."""
    now = time.monotonic()
    waiting: Waiting[Request] = Waiting(2, 30)
    in_time, late = request("in time", deadline=now + 3600), request("late", deadline=now)
    waiting.put(late)
    waiting.put(in_time)
    assert len(waiting) == 1
    assert isinstance(late.given_up(), TooLate)
    assert order(waiting) == ["in time"]
    patient: Waiting[Request] = Waiting(2, 0)
    waited = request("waited")
    patient.put(waited)
    assert "waited 0 s" in str(waited.given_up())
    assert order(patient) == []


def test_whoever_is_taken_has_waited_long_enough() -> None:
    waiting: Waiting[Request] = Waiting(2, 3600)
    taken = request("a")
    waiting.put(taken)
    assert taken.start_by < math.inf
    assert waiting.take(lambda _: True, wait=0) is taken
    assert taken.start_by == math.inf


def test_a_place_that_is_handed_on_is_one_place() -> None:
    waiting: Waiting[Request] = Waiting(1, 30)
    with waiting.place() as held:
        with pytest.raises(Overloaded), waiting.place():
            pytest.fail("there is no second place")
        with held:  # whoever makes the request ready
            pass
        with waiting.place():  # free from then on, though the outer block has not ended
            pass
        with waiting.place() as other, pytest.raises(Overloaded), held:
            pytest.fail("it was given back, and another one has it")
        assert other
    with waiting.place(), pytest.raises(Overloaded), waiting.place():  # and given back once
        pytest.fail("one too many was given back")
