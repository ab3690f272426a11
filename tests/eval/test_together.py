"""Questions asked at once."""

from __future__ import annotations

import threading

import pytest

from eval.together import together


def test_results_keep_their_order_and_so_many_run_at_once() -> None:
    meet = threading.Barrier(4, timeout=60)  # passes only when four run together

    def work(number: int) -> int:
        meet.wait()
        return number * number

    steps: list[None] = []
    assert list(together(work, range(8), 4, lambda: steps.append(None))) == [0, 1, 4, 9, 16, 25, 36, 49]
    assert len(steps) == 8


def test_what_fails_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(together(lambda number: 1 // number, [1, 0], 2))
