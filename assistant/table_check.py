"""Does a figure out of a table stand in the row and the column that the question asks about?

A wrong row is the mistake that no check of numbers sees: 2.50% is in the cited passage, but for six months, and the question was about
twelve. Where a table has another row that holds more of the question's words and figures than the row the answer was taken from,
the answer is not supported; likewise for columns and the words of their names. A question that compares or excludes ("older than 12
months", "outside the zone") names a row that it does not mean, so there rows are not compared. A row that the model wrote out must be one: the name of one row before the
figures of another is wrong in every figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.asked import Asked
from assistant.correction import Correction
from assistant.kind_check import kind
from core.text.numbers import quantities, unsupported
from core.text.places import place_of
from core.text.tables import BETWEEN_CELLS
from core.types import Check, Passage

NAME = "table"
_COMPARES = re.compile(
    r"\b(?:more|less|fewer|older|younger|higher|lower|larger|smaller|longer|shorter|other|rather|different) than\b"
    r"|\b(?:not|no|never|outside|except|excluding|without|unless|besides|above|below|over|under|beyond|before|after|between|compared)\b"
    r"|除|以外|之外|(?<!不)超过|以上|以下|(?<!不)高于|(?<!不)低于|多于|少于|之前|之后|没有|未满|不足",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Cell:
    column: str
    value: str


def check(text: str, cited: Sequence[Passage], question: str) -> Check:
    """Passes a text that stands in running text, in a row that fits the question no worse than any other, or nowhere to the letter."""
    words = text.strip().rstrip(".。")
    problems: list[str] = []
    if cited and BETWEEN_CELLS in words and not any(_holds(line, words) for passage in cited for line in passage.text.split("\n")):
        return Check(NAME, False, "its cells stand in no row together")
    for passage in cited:
        asked = Asked.read(question, passage)
        lines = passage.text.split("\n")
        holding = [line for line in lines if _holds(line, words)]
        if not words or not holding:
            continue
        if any(BETWEEN_CELLS not in line for line in holding):
            return Check(NAME, True, "not from a table")
        rows = [_cells(line) for line in holding]
        others = [row for line in lines if BETWEEN_CELLS in line and line not in holding and (row := _cells(line))[0].column == rows[0][0].column]
        found = ("" if _COMPARES.search(question) else _wrong_row(rows, others, asked)) or _wrong_column(rows, words, asked)
        if not found:
            return Check(NAME, True, "in the row that the question fits best")
        problems.append(found)
    return Check(NAME, False, problems[0]) if problems else Check(NAME, True, "not from a table")


def corrected(text: str, cited: Passage, question: str) -> Correction | None:
    """The cell that the model missed: one row alone fits the question best, and the question names the column, the model's or else one alone.

    What it wrote is a cell of another row, or a figure that stands nowhere. None where it is anything else, the question compares or excludes, or
    two rows or columns fit equally well.
    """
    words = text.strip().rstrip(".。")
    if BETWEEN_CELLS in words:
        return _row_begun(words, cited)
    rows = [_cells(line) for line in cited.text.split("\n") if BETWEEN_CELLS in line]
    missed = [(row, cell) for row in rows for cell in row[1:] if cell.value == words]
    if not rows or len(missed) > 1 or (not missed and not _is_figure_from_nowhere(words, cited)) or _COMPARES.search(question):
        return None
    row, cell = missed[0] if missed else (rows[0], None)
    asked = Asked.read(question, cited)
    table = [other for other in rows if other[0].column == row[0].column]
    held = [len(asked.held_by(_values(other))) for other in table]
    best = [other for other, count in zip(table, held, strict=True) if count == max(held)]
    if len(best) != 1 or max(held) == 0 or (cell is not None and best[0] is row):
        return None
    named = {other.column: len(asked.named_by(other.column)) for other in best[0][1:] if not asked.held_by(other.value)}
    most = max(named.values(), default=0)
    columns = [column for column, count in named.items() if count == most > 0]
    # a column that the question does not name may be as wrong as the row was
    wanted = cell.column if cell is not None and cell.column in columns else columns[0] if len(columns) == 1 else None
    values = [other.value for other in best[0] if other.column == wanted]
    if len(values) != 1 or (cell is None and not _same_kind(words, values[0])):
        return None
    source = f"from the row of {row[0].value}" if cell is not None else "which stands nowhere"
    return Correction(values[0], f"the model wrote {words}, {source}; corrected to the row of {best[0][0].value}")


def _row_begun(words: str, cited: Passage) -> Correction | None:
    """The row whose name the model wrote before it went on in another one."""
    name, _, _ = words.partition(BETWEEN_CELLS)
    lines = [line for line in cited.text.split("\n") if line.startswith(name + BETWEEN_CELLS)]
    return Correction(lines[0], f"the model wrote {words}, cells of several rows; corrected to the row of {name}") if len(lines) == 1 else None


def _holds(line: str, words: str) -> bool:
    """Whether a line holds the words, or all the cells that they are."""
    return place_of(words, line) >= 0 or (BETWEEN_CELLS in words and all(place_of(cell, line) >= 0 for cell in words.split(BETWEEN_CELLS)))


def _same_kind(figure: str, value: str) -> bool:
    """Whether a cell may be what a wrong figure was meant to be: no rate was meant to be an amount."""
    meant, stated = (kind(quantities(text)[0]) if quantities(text) else None for text in (figure, value))
    return meant is None or meant == stated


def _is_figure_from_nowhere(words: str, cited: Passage) -> bool:
    """One figure and nothing else, that the passage does not state in any form."""
    found = quantities(words)
    return len(found) == 1 and found[0].text.strip() == words and bool(unsupported(words, [cited.text]))


def _cells(line: str) -> list[_Cell]:
    parts = [(cell, *cell.partition(": ")) for cell in line.split(BETWEEN_CELLS)]
    return [_Cell(column, value) if colon else _Cell("", cell) for cell, column, colon, value in parts]


def _wrong_row(rows: Sequence[Sequence[_Cell]], others: Sequence[Sequence[_Cell]], asked: Asked) -> str:
    """What is wrong with the rows that hold the answer; empty if nothing is."""
    mine = max((asked.held_by(_values(row)) for row in rows), key=len)
    for row in others:
        theirs = asked.held_by(_values(row))
        if len(theirs) > len(mine):
            return f"from the row of {rows[0][0].value}; the question names {', '.join(sorted(theirs - mine))}, as the row of {row[0].value} does"
    return ""


def _values(row: Sequence[_Cell]) -> str:
    return "\n".join(cell.value for cell in row)


def _wrong_column(rows: Sequence[Sequence[_Cell]], words: str, asked: Asked) -> str:
    """The same for the column; one row in which it is right is enough."""
    complaints = [_wrong_column_of(row, words, asked) for row in rows]
    return complaints[0] if all(complaints) else ""


def _wrong_column_of(row: Sequence[_Cell], words: str, asked: Asked) -> str:
    """A first column names its rows, and a column whose value the question gives is not the one that it asks for."""
    places = [number for number, cell in enumerate(row) if place_of(words, cell.value) >= 0]
    if len(places) != 1 or places[0] == 0:
        return ""
    column = row[places[0]].column
    mine = asked.named_by(column)
    for number, cell in enumerate(row[1:], start=1):
        theirs = asked.named_by(cell.column)
        if number != places[0] and len(theirs) > len(mine) and not asked.held_by(cell.value):
            return f"from the column {column}; the question names {', '.join(sorted(theirs - mine))}, as the column {cell.column} does"
    return ""
