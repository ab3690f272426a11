"""What a reader yields: pieces of a file in reading order, before they have a place in a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.text.normalise import one_line
from core.text.tables import header_and_rows, table_lines
from core.types import BlockKind


@dataclass(frozen=True, slots=True)
class RawBlock:
    """``text`` is normalised; a table's has one line per row."""

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold at most."""

    max_pages: int
    max_text: int


def heading(text: str, level: int, page: int | None = None) -> RawBlock:
    return RawBlock(BlockKind.HEADING, one_line(text), max(1, min(6, level)), page)


def paragraph(text: str, page: int | None = None) -> RawBlock:
    return RawBlock(BlockKind.PARAGRAPH, one_line(text), page=page)


def list_item(text: str, page: int | None = None) -> RawBlock:
    return RawBlock(BlockKind.LIST_ITEM, one_line(text), page=page)


def table(cells: Sequence[Sequence[str]], page: int | None = None) -> RawBlock:
    """A table of at least one row; a single row has no header."""
    clean = [[one_line(cell) for cell in row] for row in cells]
    header, rows = header_and_rows(clean) if len(clean) > 1 else ([], clean)
    return RawBlock(BlockKind.TABLE, "\n".join(table_lines(header, rows)), page=page)
