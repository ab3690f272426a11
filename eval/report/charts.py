"""The kinds of chart of the report, each a function of its figures. They are as wide as a phone and grow with the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval.report.blocks import Form
from eval.report.drawing import Drawing
from eval.report.numbers import number_text, tick_text

WIDTH = 360.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 20.0, 28.0, 44.0
_PLOT = 190.0
_ROW = 18.0
#: as many looks as the style sheet has for lines that must be told apart, without colour too
LOOKS = 6


class Dot(NamedTuple):
    """A point of a line, with its interval in y where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    dots: Sequence[Dot]
    marked: bool = True  # a mark at every point; without, for lines of very many points
    guide: bool = False  # what a reader compares with, such as the diagonal


@dataclass(frozen=True, slots=True)
class Axis:
    title: str
    ticks: Sequence[float]
    form: Form = "share"

    @property
    def low(self) -> float:
        return self.ticks[0]

    @property
    def high(self) -> float:
        return self.ticks[-1]


SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def curve(lines: Sequence[Line], across: Axis, up: Axis, alternative: str) -> str:
    """Lines over two axes, with a legend below."""
    bottom = _TOP + _PLOT
    drawing = Drawing(WIDTH, bottom + _BOTTOM + _ROW * len(lines) + 4, alternative)
    x = _scale(across, _LEFT, WIDTH - _RIGHT)
    y = _scale(up, bottom, _TOP)
    for tick in up.ticks:
        drawing.line((_LEFT, y(tick)), (WIDTH - _RIGHT, y(tick)), "grid")
        drawing.text((_LEFT - 6, y(tick) + 4), tick_text(tick, up.form), "tick", "end")
    for tick in across.ticks:
        drawing.line((x(tick), bottom), (x(tick), bottom + 4), "axis")
        drawing.text((x(tick), bottom + 17), tick_text(tick, across.form), "tick", "middle")
    drawing.line((_LEFT, bottom), (WIDTH - _RIGHT, bottom), "axis")
    drawing.text(((_LEFT + WIDTH - _RIGHT) / 2, bottom + 36), across.title, "label", "middle")
    drawing.text((4, 13), up.title)
    look = 0
    for number, line in enumerate(lines):
        name = "guide" if line.guide else f"series series-{look % LOOKS}"
        look += not line.guide
        bands = [dot for dot in line.dots if dot.low is not None and dot.high is not None]
        if len(bands) > 1:
            edge = [(x(dot.x), y(dot.high or 0.0)) for dot in bands] + [(x(dot.x), y(dot.low or 0.0)) for dot in reversed(bands)]
            drawing.area(edge, f"band {name}")
        drawing.path([(x(dot.x), y(dot.y)) for dot in line.dots], name)
        if line.marked and not line.guide:
            for dot in line.dots:
                drawing.dot((x(dot.x), y(dot.y)), 3, f"mark {name}")
        at = bottom + _BOTTOM + _ROW * number + 10
        drawing.line((_LEFT, at - 4), (_LEFT + 28, at - 4), name)
        drawing.text((_LEFT + 36, at), line.name)
    return drawing.svg()


class Difference(NamedTuple):
    """``emphasis`` for what was declared before the run."""

    name: str
    value: float
    low: float
    high: float
    emphasis: bool = False


def forest(rows: Sequence[Difference], worse: str, better: str, alternative: str) -> str:
    """Differences with their intervals beside zero: one that does not touch the line is no chance finding. Names stand above, for narrow screens."""
    reach = max([0.05, *(abs(bound) for row in rows for bound in (row.low, row.high))])
    step = next(size for size in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if reach / size <= 3.0 or size == 1.0)
    edge = math.ceil(reach / step - 1e-9) * step
    axis = Axis("", [number * step for number in range(-round(edge / step), round(edge / step) + 1)], "points")
    row_height, top = 42.0, 30.0
    bottom = top + row_height * len(rows) + 6
    drawing = Drawing(WIDTH, bottom + 24, alternative)
    x = _scale(axis, 22, WIDTH - 22)
    drawing.text((x(0) - 8, 14), f"◂ {worse}", "tick", "end")
    drawing.text((x(0) + 8, 14), f"{better} ▸", "tick")
    for tick in axis.ticks:
        drawing.line((x(tick), top - 6), (x(tick), bottom), "zero" if abs(tick) < 1e-9 else "grid")
        drawing.text((x(tick), bottom + 16), tick_text(tick, "points"), "tick", "middle")
    for number, row in enumerate(rows):
        at = top + row_height * number + 28
        drawing.text((4, at - 14), row.name, "label strong" if row.emphasis else "label")
        drawing.text((WIDTH - 4, at - 14), number_text(row.value, "points"), "label strong" if row.emphasis else "label", "end")
        look = "sure" if row.low > 0 else "sure worse" if row.high < 0 else "unsure"
        drawing.line((x(row.low), at), (x(row.high), at), f"whisker {look}")
        for bound in (row.low, row.high):
            drawing.line((x(bound), at - 4), (x(bound), at + 4), f"whisker {look}")
        drawing.box((x(row.value) - 4, at - 4), 8, 8, f"point {look}")
    return drawing.svg()


class Part(NamedTuple):
    name: str
    share: float


def split(parts: Sequence[Part], alternative: str) -> str:
    """A whole in its parts, each named below."""
    drawing = Drawing(WIDTH, 58 + _ROW * len(parts), alternative)
    x = 6.0
    for number, part in enumerate(parts):
        width = max(part.share, 0.0) * (WIDTH - 12)
        drawing.box((x, 8), width, 30, f"part part-{number % LOOKS}")
        if width > 40:
            drawing.text((x + width / 2, 28), number_text(part.share, "share"), f"on-part on-part-{number % LOOKS}", "middle")
        x += width
        at = 62 + _ROW * number
        drawing.box((6, at - 10), 12, 12, f"part part-{number % LOOKS}")
        drawing.text((26, at), f"{part.name}: {number_text(part.share, 'share')}")
    return drawing.svg()


class Bar(NamedTuple):
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def bars(rows: Sequence[Bar], alternative: str, form: Form = "share", whole: float = 1.0) -> str:
    """Bars from nothing to ``whole``, names above them."""
    height = 40.0
    drawing = Drawing(WIDTH, height * len(rows) + 10, alternative)
    reach = WIDTH - 12
    for number, row in enumerate(rows):
        at = height * number + 16
        drawing.text((6, at), row.name)
        drawing.text((WIDTH - 6, at), " ".join(filter(None, (number_text(row.value, form), row.note))), "label strong", "end")
        drawing.box((6, at + 6), reach, 12, "rail")
        drawing.box((6, at + 6), reach * min(max(row.value / whole, 0.0), 1.0), 12, "bar")
        if row.low is not None and row.high is not None:
            left, right = (6 + reach * min(max(bound / whole, 0.0), 1.0) for bound in (row.low, row.high))
            drawing.line((left, at + 12), (right, at + 12), "whisker over")
            for end in (left, right):
                drawing.line((end, at + 8), (end, at + 16), "whisker over")
    return drawing.svg()


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    """From the axis to the drawing; what lies beyond the ends is drawn at them."""
    span = (axis.high - axis.low) or 1.0
    return lambda value: start + (min(max(value, axis.low), axis.high) - axis.low) / span * (end - start)
