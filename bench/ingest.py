"""Taking the sample bank in, stage by stage. The models are converted before."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.frame import Row, Spread
from bench.service import Home, prepare

_REPEATS = 3


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    stages: dict[str, list[float]] = {}
    chunks = 0
    for _ in range(_REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "cache").symlink_to(home.folder / "cache")
            document = prepare(Path(folder)).ingest
        chunks = document["counts"]["chunks"]
        for stage, seconds in document["timings"].items():
            stages.setdefault(stage, []).append(seconds)
    files = document["counts"]["files"]
    return [
        Row(f"ingest, {stage}", "s", Spread.of(seconds), note=f"{files} files, {chunks} chunks" if stage == "total" else "")
        for stage, seconds in stages.items()
    ]
