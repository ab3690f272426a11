"""Workbooks: each sheet a section, its blocks of cells tables, single cells paragraphs; numbers as the sheet shows them."""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openpyxl import load_workbook
from openpyxl.cell.cell import Cell

from core.errors import DocumentRefused
from ingest.readers.archive import check_office
from ingest.readers.raw import Limits, RawBlock, heading, paragraph, table

MAX_CELLS = 1_000_000
#: texts in a number format, and colours and conditions, of which nothing is shown
_LITERAL = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|\\(.)|\[[^\]]*\]')
#: the places before and behind the point, and the commas that each divide by a thousand
_PLACES = re.compile(r"([0#?,]*[0#?])(?:\.([0#?]+))?(,*)")
#: a workbook keeps 15 digits
_LARGEST = 1e15


def read_xlsx(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    check_office(content, "xl/workbook.xml")
    try:
        workbook = load_workbook(io.BytesIO(content), data_only=True)
    except Exception as error:  # openpyxl raises whatever a broken part leads to
        raise DocumentRefused(f"the workbook cannot be read: {error}", code="unreadable") from error
    cells = total = 0
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        cells += len(sheet._cells)
        if cells > MAX_CELLS:
            raise DocumentRefused(f"the workbook has more than {MAX_CELLS:,} cells", code="too_large")
        yield heading(sheet.title, 2)
        for block in _blocks(_grid(sheet)):
            total += len(block.text)
            if total > limits.max_text:
                raise DocumentRefused(f"the text has more than {limits.max_text:,} characters", code="too_large")
            yield block


def _grid(sheet: Any) -> list[tuple[int, list[str]]]:
    """The rows that hold something, numbered among those that are not hidden.

    A merged area repeats its text in the columns of its first row, and in its other rows where they hold something besides.
    Hidden rows and columns hold nothing.
    """
    hidden_rows = sorted(row for row, part in sheet.row_dimensions.items() if part.hidden)
    hidden_columns = {column for part in sheet.column_dimensions.values() if part.hidden for column in range(part.min, part.max + 1)}
    shown: dict[int, dict[int, str]] = {}
    for (row, column), cell in sorted(sheet._cells.items()):
        if (text := shown_text(cell)) and not sheet.row_dimensions[row].hidden:
            shown.setdefault(row, {})[column] = text
    for area in sheet.merged_cells.ranges:
        text = shown.get(area.min_row, {}).get(area.min_col, "")
        if not text:
            continue
        if any(len(cells) > 1 for cells in (shown[area.min_row], shown.get(area.max_row + 1, {}))):
            _repeat(text, area, shown[area.min_row])
        for row in shown:
            if area.min_row < row <= area.max_row:
                _repeat(text, area, shown[row])
    shown = {row: {column: text for column, text in cells.items() if column not in hidden_columns} for row, cells in shown.items()}
    return [
        (row - bisect_left(hidden_rows, row), [cells.get(column, "") for column in range(min(cells), max(cells) + 1)] if len(cells) == 1 else _row(cells))
        for row, cells in sorted(shown.items())
        if cells
    ]


def _repeat(text: str, area: Any, cells: dict[int, str]) -> None:
    for column in range(area.min_col, min(area.max_col, area.min_col + 50) + 1):
        cells.setdefault(column, text)


def _row(cells: dict[int, str]) -> list[str]:
    return [cells.get(column, "") for column in range(1, max(cells) + 1)]


def _blocks(grid: Sequence[tuple[int, list[str]]]) -> Iterator[RawBlock]:
    """Rows of several cells without an empty row between are a table; the first column left out if the table does not use it."""
    gathered: list[list[str]] = []
    previous = 0
    for number, cells in grid:
        single = sum(bool(cell) for cell in cells) == 1
        if gathered and (number != previous + 1):
            yield table(_trim(gathered))
            gathered = []
        if single and not gathered:
            yield paragraph(" ".join(cells))
        else:
            gathered.append(cells)
        previous = number
    if gathered:
        yield table(_trim(gathered))


def _trim(rows: list[list[str]]) -> list[list[str]]:
    first = min(next((column for column, cell in enumerate(row) if cell), len(row)) for row in rows)
    return [row[first:] for row in rows]


def shown_text(cell: Cell) -> str:
    """A cell's value as its number format shows it: 0.0275 as ``2.75%``, 4.5 as ``CHF 4.50``."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case datetime() if value.time() == time(0):
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        case int() | float():
            return _number(value, str(cell.number_format))
        case _:
            return str(value).strip()


def _number(value: float, number_format: str) -> str:
    pattern = number_format.split(";")[1 if value < 0 and ";" in number_format else 0]
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(match[1] or match[2] or match[3] or "")
        return "\x00"

    bare = _LITERAL.sub(keep, pattern)
    places = _PLACES.search(bare)
    if places is None or "E" in bare or re.search("[0#?/]", bare[places.end() :]) or abs(value) >= _LARGEST:
        return _general(value)
    negative = value < 0 and ";" not in number_format
    exact = abs(Decimal(repr(value))) * (100 if "%" in bare else 1) / 1000 ** len(places[3])
    text = f"{bare[: places.start()]}{_digits(exact, places[1], places[2] or '')}{bare[places.end() :]}"
    for literal in literals:
        text = text.replace("\x00", literal, 1)
    return ("-" if negative else "") + re.sub(r"_.|\*.", "", text).strip()


def _digits(exact: Decimal, before: str, behind: str) -> str:
    """``0`` is a place that is always shown, ``#`` one that is only shown when it is needed."""
    rounded = exact.quantize(Decimal(1).scaleb(-len(behind)), ROUND_HALF_UP)
    whole, _, fraction = (f"{rounded:,f}" if "," in before else f"{rounded:f}").partition(".")
    needed = len(behind.rstrip("#"))
    fraction = fraction[:needed] + fraction[needed:].rstrip("0")
    return whole.zfill(before.count("0")) + (f".{fraction}" if fraction else "")


def _general(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    short = f"{value:.10g}"  # sums of decimal fractions are off by a little in the last of 16 digits
    return short if "e" not in short else f"{Decimal(repr(value)):f}"
