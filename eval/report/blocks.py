"""What a report is made of: sections of a few kinds of block, from which HTML, Markdown and JSON are written alike.

Texts in blocks are plain and untrusted (questions, answers, documents): whoever writes a format escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

#: how a number is printed: of 1 as percent, a difference in percentage points, seconds, a whole count, a chance, anything else
Form = Literal["share", "points", "seconds", "count", "chance", "number"]
Tone = Literal["good", "bad", "unsure", "plain"]


@dataclass(frozen=True, slots=True)
class Value:
    """A number, with its 95% interval where it has one. ``value`` None: there is none."""

    value: float | None
    form: Form = "share"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement: the words say it, the tone only colours them."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Name:
    """What a row is about, and what that means."""

    text: str
    meaning: str


Cell = str | Value | Mark | Name


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a part of a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph of ours."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must not overlook, or (``plain``) that there is nothing to show and why."""

    kind: ClassVar[str] = "note"
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Banner:
    """The verdict in a line, and why."""

    kind: ClassVar[str] = "banner"
    title: str
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: Value
    meaning: str


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few figures to remember."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first cell of a row is its header. A ``folded`` table is shown when it is asked for (and printed always)."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), (self.caption, row)


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text as it was written, such as a file; shown when it is asked for."""

    kind: ClassVar[str] = "verbatim"
    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``svg`` is markup of `eval.report.charts`, ``alternative`` what it shows in words, ``table`` its figures."""

    kind: ClassVar[str] = "chart"
    title: str
    alternative: str
    svg: str
    table: Table


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts that stand beside each other where there is room."""

    kind: ClassVar[str] = "charts"
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage that the model had, or the text that holds the answer. ``is_evidence``: the suite says that the answer stands there."""

    place: str
    text: str
    is_evidence: bool
    is_cited: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One answer, to be read. Personal data is masked in all of its texts."""

    kind: ClassVar[str] = "case"
    item: str
    arm: str
    labels: tuple[str, ...]
    verdict: Mark
    question: str
    expected: str
    answer: str
    outcome: str
    findings: tuple[str, ...]
    evidence: tuple[Piece, ...]
    passages: tuple[Piece, ...]
    folded: bool = True


Block = Heading | Prose | Note | Banner | Tiles | Table | Verbatim | Chart | Charts | Case


@dataclass(frozen=True, slots=True)
class Section:
    """``name`` is the anchor; numbers are given in the order of `eval.report.assemble`."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Report:
    """``run`` and ``suite`` are names; ``made`` is the time of the run's end, not of the report: the same run gives the same report."""

    run: str
    suite: str
    made: str
    sections: tuple[Section, ...]
