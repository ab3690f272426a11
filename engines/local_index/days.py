"""Dates as day numbers, so that both legs compare integers."""

from __future__ import annotations

from collections.abc import Sequence

from engines.catalogue.validity import Window

START, END = 0, 4_000_000


def day_numbers(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Half-open (first day, day after the last)."""
    return [(window.start.toordinal() if window.start else START, window.end.toordinal() if window.end else END) for window in windows]
