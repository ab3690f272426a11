"""A drawing in SVG that takes its colours and fonts from the page, so that it follows light and dark, and prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


class Drawing:
    """Lengths are in the drawing's own unit: it is shown as wide as the page allows. Every shape has a class of the style sheet."""

    def __init__(self, width: float, height: float, alternative: str) -> None:
        self.root = ElementTree.Element("svg", {"viewBox": f"0 0 {_text(width)} {_text(height)}", "role": "img", "aria-label": alternative})

    def line(self, start: Point, end: Point, look: str) -> None:
        self._add("line", look, x1=start[0], y1=start[1], x2=end[0], y2=end[1])

    def path(self, points: Sequence[Point], look: str) -> None:
        self._add("polyline", look, points=" ".join(f"{_text(x)},{_text(y)}" for x, y in points))

    def area(self, points: Sequence[Point], look: str) -> None:
        self._add("polygon", look, points=" ".join(f"{_text(x)},{_text(y)}" for x, y in points))

    def box(self, corner: Point, width: float, height: float, look: str) -> None:
        self._add("rect", look, x=corner[0], y=corner[1], width=max(width, 0.0), height=max(height, 0.0))

    def dot(self, at: Point, radius: float, look: str) -> None:
        self._add("circle", look, cx=at[0], cy=at[1], r=radius)

    def text(self, at: Point, content: str, look: str = "label", anchor: Anchor = "start") -> None:
        node = self._add("text", look, x=at[0], y=at[1])
        node.set("text-anchor", anchor)
        node.text = content

    def svg(self) -> str:
        return ElementTree.tostring(self.root, encoding="unicode")

    def _add(self, tag: str, look: str, **attributes: float | str) -> ElementTree.Element:
        values = {name: value if isinstance(value, str) else _text(value) for name, value in attributes.items()}
        return ElementTree.SubElement(self.root, tag, {"class": look, **values})


def _text(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
