"""From the command `serve` to the first `/readyz` that says yes."""

from __future__ import annotations

from bench.frame import Row, Spread
from bench.service import Home, serving

_REPEATS = 5


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    seconds = []
    for _ in range(1 + _REPEATS):
        with serving(home) as service:
            seconds.append(service.seconds_to_ready)
    return [Row("start to ready", "s", Spread.of(seconds[1:]), goal=10.0, note=f"the first start after ingest took {seconds[0]:.1f} s")]
