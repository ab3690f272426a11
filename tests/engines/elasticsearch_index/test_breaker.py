"""When a cluster is left alone."""

from __future__ import annotations

from engines.elasticsearch_index.breaker import Breaker


def test_it_opens_after_failures_in_a_row_lets_one_try_later_and_closes_when_that_succeeds() -> None:
    now = 100.0
    breaker = Breaker(2, 10, lambda: now)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()
    now = 109.9
    assert not breaker.lets_through()
    now = 110.0
    assert breaker.lets_through()
    assert not breaker.lets_through()  # one tries, and the others wait for what it finds
    breaker.failed()
    now = 119.9
    assert not breaker.lets_through()
    now = 120.0
    assert breaker.lets_through()
    breaker.succeeded()
    assert [breaker.lets_through() for _ in range(3)] == [True] * 3
