"""The frame of the benchmarks: alternation, spread, and what the rows say. No test asserts on time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.frame import Row, Spread, in_turn, show, write
from bench.limits import answer_limit


def test_ours_and_the_peer_take_turns_and_the_warm_up_does_not_count() -> None:
    calls: list[str] = []
    found = in_turn({"ours": lambda: calls.append("ours"), "peer": lambda: calls.append("peer")}, repeats=2, warm_up=1)
    assert calls == ["ours", "peer"] * 3
    assert set(found) == {"ours", "peer"}
    assert found["ours"].low <= found["ours"].median <= found["ours"].high


@pytest.mark.parametrize(
    ("better", "ratio", "share", "met"),
    # ours 2, peer 5, limit 1, goal 3: 5/2 as fast where low is good, 2/5 where high is
    [("lower", 2.5, 0.5, True), ("higher", 0.4, 2.0, False)],
)
def test_a_row_says_how_ours_stands(better: str, ratio: float, share: float, met: bool) -> None:
    row = Row("x", "s", Spread.of([2.0, 1.0, 9.0]), "peer", Spread.of([5.0]), limit=1.0, goal=3.0, better=better)  # type: ignore[arg-type]
    assert (row.ours, row.ratio, row.share_of_limit, row.met) == (Spread(2.0, 1.0, 9.0), ratio, share, met)


def test_what_is_not_there_is_not_made_up() -> None:
    row = Row("x", "s", Spread.of([2.0]))
    assert (row.ratio, row.share_of_limit, row.met) == (None, None, None)


def test_results_are_written_with_the_command_and_shown_with_goals_that_are_not_met(tmp_path: Path) -> None:
    rows = [Row("答案", "s", Spread.of([4.0]), "peer", Spread.of([8.0]), limit=1.0, goal=3.0, note="120 tokens")]
    document = json.loads(write("answers", rows, {"memory_gb_per_s": 20.0}, tmp_path).read_text("utf8"))
    assert document["command"] == "make bench NAME=answers"
    assert document["machine"]["memory_gb_per_s"] == 20.0
    (row,) = document["rows"]
    assert {key: row[key] for key in ("name", "unit", "ratio", "limit", "share_of_limit", "goal", "met")} == {
        "name": "答案",
        "unit": "s",
        "ratio": 2.0,
        "limit": 1.0,
        "share_of_limit": 0.25,
        "goal": 3.0,
        "met": False,
    }
    console = Console(record=True, width=160)
    show("answers", rows, console)
    text = console.export_text()
    assert "not met (3)" in text
    assert "25%" in text
    assert "120 tokens" in text


def test_the_limit_of_an_answer() -> None:
    # 2 * 100M * 1000 tokens at 200 GFLOP/s are 1 s; 2 bytes * 120M * 10 tokens at 40 GB/s are 0.06 s
    assert answer_limit({"matrix_gflop_per_s": 200.0, "memory_gb_per_s": 40.0, "bytes_per_weight": 2}, 100_000_000, 20_000_000, 1000, 10) == pytest.approx(1.06)
