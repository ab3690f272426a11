"""When each version of a document is in force: intervals of days, half-open, where the version recorded last wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple


class Window(NamedTuple):
    """From ``start`` to the day before ``end``; None is without limit."""

    start: date | None
    end: date | None


def windows_in_force(versions: Sequence[Window]) -> list[tuple[Window, ...]]:
    """For each version, in the order in which they were recorded, what later ones leave of its validity."""
    result: list[tuple[Window, ...]] = []
    for position, own in enumerate(versions):
        left = [own] if _days(own) else []
        for later in versions[position + 1 :]:
            left = [piece for window in left for piece in _without(window, later)]
        result.append(tuple(left))
    return result


def _without(window: Window, taken: Window) -> list[Window]:
    before = Window(window.start, _earlier_end(window.end, taken.start)) if taken.start else None
    after = Window(_later_start(window.start, taken.end), window.end) if taken.end else None
    return [piece for piece in (before, after) if piece is not None and _days(piece)]


def _days(window: Window) -> bool:
    return window.start is None or window.end is None or window.start < window.end


def _earlier_end(end: date | None, other: date | None) -> date | None:
    return other if end is None else end if other is None else min(end, other)


def _later_start(start: date | None, other: date | None) -> date | None:
    return other if start is None else start if other is None else max(start, other)
