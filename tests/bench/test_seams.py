"""Timers at the seams: each part has what it takes itself. The clock is the test's own."""

from __future__ import annotations

import asyncio

import pytest

from bench import seams
from bench.seams import Seams


def test_each_part_has_what_it_takes_without_what_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request takes 1 s, then calls a part of 2 s, which calls one of 4 s, and takes 8 s more."""
    now = 0.0
    monkeypatch.setattr("bench.seams.time.perf_counter", lambda: now)
    monkeypatch.setattr(seams, "WARM_UP", 1)
    timers = Seams()

    def take(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def request() -> None:
        take(1)
        with timers.part("index"):
            take(2)
            with timers.part("database"):
                take(4)
        take(8)

    with timers.part("index"):  # of no request
        take(100)
    for _ in range(3):  # the first one warms up
        asyncio.run(timers.request("/v1/search", request))
    assert timers.sums["/v1/search"] == {"index": 4, "database": 8, "our code": 18, "requests": 2}
