"""The circuit breaker and the budget of repeats, by a clock that stands until it is moved."""

from __future__ import annotations

import pytest

from engines.breaker import Breaker
from engines.remote.repeats import RepeatBudget, pause


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_so_many_failures_in_a_row_and_lets_one_try() -> None:
    clock = Clock()
    breaker = Breaker(3, 10, clock)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        assert breaker.let_through()
        outcome()
    assert breaker.openings == 0
    breaker.failed()
    assert (breaker.open, breaker.let_through()) == (True, False)
    clock.now += 9.9
    assert (breaker.let_through(), round(breaker.seconds_left, 3)) == (False, 0.1)
    clock.now += 0.1
    assert [breaker.let_through() for _ in range(3)] == [True, False, False]  # one tries, the others wait for what comes of it
    breaker.failed()
    assert (breaker.let_through(), breaker.seconds_left, breaker.openings) == (False, 10, 1)
    clock.now += 10
    assert breaker.let_through()
    breaker.succeeded()
    assert [breaker.let_through() for _ in range(3)] == [True] * 3
    assert (breaker.open, breaker.recoveries) == (False, 1)


def test_one_who_leaves_while_trying_lets_the_next_try() -> None:
    clock = Clock()
    breaker = Breaker(1, 10, clock)
    breaker.failed()
    clock.now += 10
    assert breaker.let_through()
    breaker.told_nothing()
    assert breaker.let_through()


def test_requests_sent_before_it_opened_do_not_keep_it_open() -> None:
    clock = Clock()
    breaker = Breaker(2, 10, clock)
    breaker.failed()
    breaker.failed()
    clock.now += 8
    breaker.failed()  # it was on its way when the second failed
    assert breaker.seconds_left == 2


def test_repeats_are_a_share_of_the_requests() -> None:
    budget = RepeatBudget(0.2)
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(4):
        budget.asked()
    assert not budget.take()
    budget.asked()
    assert [budget.take(), budget.take()] == [True, False]
    assert not RepeatBudget(0).take()


@pytest.mark.parametrize(("attempt", "after", "least", "most"), [(0, None, 0.05, 0.1), (3, None, 0.4, 0.8), (20, None, 2.5, 5), (0, 7.0, 7, 7.1)])
def test_pauses_grow_and_vary_or_are_the_servers(attempt: int, after: float | None, least: float, most: float) -> None:
    found = [pause(attempt, after) for _ in range(50)]
    assert min(found) >= least
    assert max(found) <= most
    assert len(set(found)) > 1
