"""The page of benchmarks: what it says of a result, and that the one in the project shows the results in the project."""

from __future__ import annotations

import json

from bench.frame import RESULTS, Row, Spread
from bench.page import PAGE, text


def test_a_result_is_shown_with_peer_limit_and_goal() -> None:
    rows = [
        Row("answer", "s", Spread(2.0, 1.5, 2.5), "bare", Spread(3.0, 3.0, 3.0), limit=0.5, goal=1.0, note="one sentence"),
        Row("memory", "MiB", Spread(1502.4, 1502.4, 1502.4), goal=2048.0),
    ]
    machine = {"cpu": "a processor", "cores": 2, "memory_gb_per_s": 20.5, "matrix_gflop_per_s": 300.0, "bytes_per_weight": 2}
    document = {"benchmark": "answers", "command": "make bench NAME=answers", "measured_at": "2026-01-02T03:04:05+00:00", "machine": machine}
    page = text([{**document, "rows": json.loads(json.dumps([row.document() for row in rows]))}])
    assert "| answer, s | 2 (1.5 to 2.5) | 3 (bare) | 1.50 | 0.5 | 25% | 1: **not met** |" in page
    assert "| memory, MiB | 1,502 |  |  |  |  | 2048: met |" in page
    assert "`make bench NAME=answers`, 2026-01-02, 2 cores of a processor: 20.5 GB/s, 300.0 GFLOP/s at 2 bytes a number." in page
    assert "answer: one sentence." in page


def test_the_page_in_the_project_shows_the_results_in_the_project() -> None:
    results = [json.loads(path.read_text("utf8")) for path in sorted(RESULTS.glob("*.json"))]
    assert results
    assert text(results) == PAGE.read_text("utf8")
