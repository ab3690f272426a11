"""`docs/benchmarks.md`, written from the results that lie in `bench/results`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.frame import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = """# Benchmarks

Written by `make bench` from `bench/results`; every table says on which machine and when it was measured. Where there is a peer, it ran in turn with ours in the same run, in the same number
format, with the same threads and prompts. The limit is what the machine's measured memory bandwidth and matrix rate would allow for the same work, or what a note names. Medians, with the lowest and the highest run.
"""


def write(folder: Path = RESULTS, page: Path = PAGE) -> None:
    page.write_text(text(json.loads(path.read_text("utf8")) for path in sorted(folder.glob("*.json"))), encoding="utf8")


def text(documents: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join([_HEAD, *(_table(document) for document in documents)])


def _table(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    lines = [
        f"## {document['benchmark'].capitalize()}",
        "",
        f"`{document['command']}`, {document['measured_at'][:10]}, {machine['cores']} cores of {machine['cpu']}: {machine['memory_gb_per_s']} GB/s, "
        f"{machine['matrix_gflop_per_s']} GFLOP/s at {machine['bytes_per_weight']:g} bytes a number.",
        "",
        "| figure | ours | peer | times better | limit | share of it | goal |",
        "|---|---|---|---|---|---|---|",
        *(_row(row) for row in document["rows"]),
    ]
    notes = [f"{row['name']}: {row['note']}." for row in document["rows"] if row["note"]]
    return "\n".join([*lines, *(line for note in notes for line in ("", note)), ""])


def _row(row: Mapping[str, Any]) -> str:
    peer = f"{_spread(row['peer'])} ({row['peer_name']})" if row["peer"] else ""
    goal = "" if row["goal"] is None else f"{row['goal']:g}: {'met' if row['met'] else '**not met**'}"
    cells = (
        f"{row['name']}, {row['unit']}",
        _spread(row["ours"]),
        peer,
        "" if row["ratio"] is None else f"{row['ratio']:.2f}",
        "" if row["limit"] is None else f"{row['limit']:.3g}",
        "" if row["share_of_limit"] is None else f"{row['share_of_limit']:.0%}",
        goal,
    )
    return f"| {' | '.join(cells)} |"


def _spread(spread: Mapping[str, float]) -> str:
    median, low, high = (_figure(spread[name]) for name in ("median", "low", "high"))
    return median if low == high else f"{median} ({low} to {high})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
