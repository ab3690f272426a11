"""How a table becomes text: one line per row, every cell beside its column's name.

A row then carries its own meaning: it can be embedded, found, cited and copied without the header above it.
Ingest, the sample bank and the adapters' training data all use this one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

BETWEEN_CELLS = " | "
_SEPARATOR = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*")


def table_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """One line per row, ``Account: Basic | Monthly fee: CHF 4.00``; empty cells are left out, empty rows too."""
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            text = " ".join(str(cell).split())
            name = " ".join(header[column].split()) if column < len(header) else ""
            if text:
                cells.append(f"{name}: {text}" if name and name != text else text)
        if cells:
            yield BETWEEN_CELLS.join(cells)


def header_and_rows(cells: Sequence[Sequence[str]]) -> tuple[list[str], list[Sequence[str]]]:
    """A table's column names and its other rows. A header of several rows is joined column by column, each name once."""
    rows = [row for row in cells if row]
    depth = 1
    while depth < len(rows) - 1 and _is_header_too(rows[depth], rows[depth - 1]):
        depth += 1
    width = max((len(row) for row in rows), default=0)
    header = [" ".join(dict.fromkeys(row[column].strip() for row in rows[:depth] if column < len(row) and row[column].strip())) for column in range(width)]
    return header, rows[depth:]


def _is_header_too(row: Sequence[str], above: Sequence[str]) -> bool:
    """Whether a row goes on with the header above it: both leave the corner empty, or it tells apart the columns that one name above spans."""
    if not above[0].strip() and not row[0].strip():
        return True
    spans = any(left.strip() and left.strip() == right.strip() for left, right in pairwise(above))
    return spans and (row[0].strip() in ("", above[0].strip()) or not any(character.isdigit() for cell in row for character in cell))


def pipe_rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells of a Markdown pipe table, its separator line left out."""
    return [_cells(line) for line in lines if not _SEPARATOR.fullmatch(line)]


def is_pipe_table(lines: Sequence[str]) -> bool:
    """Whether the lines open a Markdown pipe table: a row, then a separator such as ``|---|---|``."""
    return len(lines) >= 2 and "|" in lines[0] and _SEPARATOR.fullmatch(lines[1]) is not None


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
