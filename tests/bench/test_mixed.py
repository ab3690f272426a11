"""What a step costs, taken from runs of one token and of more. No test asserts on time."""

from __future__ import annotations

import pytest

from bench.frame import Spread
from bench.mixed import milliseconds


def test_a_step_is_what_more_tokens_take_longer() -> None:
    """Reading takes 5 s, each token 0.25 s; the other side's first round takes longer and does not count."""
    now = 0.0
    calls: list[tuple[str, int]] = []

    def take(seconds: float) -> None:
        nonlocal now
        now += seconds

    def ours(tokens: int) -> None:
        calls.append(("ours", tokens))
        take(5 + 0.25 * tokens)

    def peer(tokens: int) -> None:
        calls.append(("peer", tokens))
        take(7 + (0.5 if len(calls) > 4 else 100) * tokens)

    found = milliseconds({"ours": ours, "peer": peer}, repeats=2, now=lambda: now)
    assert found == {"ours": Spread(250.0, 250.0, 250.0), "peer": Spread(500.0, 500.0, 500.0)}
    assert calls == [("ours", 1), ("ours", 1), ("ours", 17), ("peer", 1), ("peer", 1), ("peer", 17)] * 3


def test_figures_of_several_rounds_are_spread() -> None:
    moments = iter([0.0, 1.0, 3.0, 0.0, 1.0, 2.6, 0.0, 1.0, 5.2])  # 17 tokens take 0.6 and 3.2 s longer than one
    found = milliseconds({"x": lambda _: None}, repeats=2, now=lambda: next(moments))
    assert [found["x"].low, found["x"].high] == pytest.approx([37.5, 200.0])
