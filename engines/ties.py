"""The best hits of a leg, with ties by chunk id also where the list ends."""

from __future__ import annotations

from collections.abc import Callable

from core.ports import Hit


def with_ties(best: Callable[[int], list[Hit]], depth: int) -> list[Hit]:
    """At most ``depth`` hits.

    Args:
        best: that many hits, best first, ties in whatever order; asked for more until the last place's ties are all known.
    """
    count = depth + 1
    while True:
        found = best(count)
        if len(found) < count or found[-1].score != found[depth - 1].score:
            return sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))[:depth]
        count *= 2
