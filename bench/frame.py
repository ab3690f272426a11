"""What every benchmark shares: alternating runs, spread, the row that is written, and the table that is read."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, fastest and slowest of some runs, in one unit."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``goal`` is in the row's unit; ``better`` says on which side of it ours should be.

    ``limit`` is what the machine itself would allow, computed from its measured memory bandwidth or matrix rate.
    """

    name: str
    unit: str
    ours: Spread
    peer_name: str = ""
    peer: Spread | None = None
    limit: float | None = None
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer: above 1 is ours."""
        if self.peer is None:
            return None
        return self.peer.median / self.ours.median if self.better == "lower" else self.ours.median / self.peer.median

    @property
    def share_of_limit(self) -> float | None:
        if self.limit is None:
            return None
        return self.limit / self.ours.median if self.better == "lower" else self.ours.median / self.limit

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ours.median <= self.goal if self.better == "lower" else self.ours.median >= self.goal

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": _rounded(self.ratio), "share_of_limit": _rounded(self.share_of_limit), "met": self.met}


def in_turn(runs: Mapping[str, Callable[[], object]], *, repeats: int, warm_up: int = 1) -> dict[str, Spread]:
    """Seconds of each, run one after the other in every round, so that a machine that slows down slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(warm_up + repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if round_number >= warm_up:
                seconds[name].append(time.perf_counter() - started)
    return {name: Spread.of(values) for name, values in seconds.items()}


def write(name: str, rows: Sequence[Row], limits: Mapping[str, float], folder: Path = RESULTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    document = {
        "benchmark": name,
        "command": f"make bench NAME={name}",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version(), **limits},
        "rows": [row.document() for row in rows],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
    return path


def show(name: str, rows: Sequence[Row], console: Console) -> None:
    table = Table("figure", "ours", "low to high", "peer", "times better", "of the limit", "goal", title=name, box=None, title_justify="left")
    for row in rows:
        goal = "" if row.goal is None else f"{'met' if row.met else '[red]not met[/]'} ({row.goal:g})"
        table.add_row(
            f"{row.name}, {row.unit}",
            f"{row.ours.median:.3g}",
            f"{row.ours.low:.3g} to {row.ours.high:.3g}",
            f"{row.peer.median:.3g} ({row.peer_name})" if row.peer else "",
            f"{row.ratio:.2f}" if row.ratio else "",
            f"{row.share_of_limit:.0%}" if row.share_of_limit else "",
            goal,
        )
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"  {row.name}: {row.note}", style="dim")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
