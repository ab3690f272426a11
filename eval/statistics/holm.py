"""Several questions asked of the same data: the chances that stand when all are looked at."""

from __future__ import annotations

from collections.abc import Sequence

#: primary metrics of a suite; with more of them none can be shown any more
MOST = 6


def holm(chances: Sequence[float]) -> list[float]:
    """Each chance as it counts beside the others (Holm 1979): at the level of 5% not one in twenty such families finds something that is not there."""
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = highest
    return adjusted
