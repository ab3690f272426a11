"""PDF: lines with their size and place by pdfium, ruled tables by pdfplumber, running headers and footers left out."""

from __future__ import annotations

import ctypes
import io
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import pdfplumber
import pypdfium2
import pypdfium2.raw as pdfium

from core.errors import DocumentRefused
from core.text.language import HAN
from core.text.normalise import one_line
from core.text.tables import header_and_rows
from ingest.readers.raw import Limits, RawBlock, heading, list_item, paragraph, table
from ingest.readers.text import CLAUSE

#: the top and bottom share of a page where running headers and page numbers stand
_MARGIN = 0.09
_PAGE_NUMBER = re.compile(r"\W*(?:page|seite|第)?\s*\d{1,4}\s*(?:页)?\s*(?:(?:of|/|von|共)\s*\d{1,4}\s*(?:页)?)?\W*", re.IGNORECASE)
#: pdfium writes one of them for a hyphen at a line's end, and leaves the line break out
_LINE_END_HYPHENS = (0x02, 0xFFFE)
_BULLET = re.compile(r"^[•·▪◦‣●○–]\s*")
_SENTENCE_END = re.compile(r"[.!?:;。！？：；]\W*$")


@dataclass(frozen=True, slots=True)
class _Line:
    """``top`` and ``bottom`` are distances from the page's top edge in points."""

    text: str
    page: int
    left: float
    right: float
    top: float
    bottom: float
    share_down: float

    @property
    def size(self) -> float:
        return self.bottom - self.top


class _Area(NamedTuple):
    page: int
    top: float
    bottom: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class _Table:
    """``areas`` are the places that it takes, one per page, with ``row_counts`` of its rows."""

    cells: list[list[str]]
    areas: tuple[_Area, ...]
    row_counts: tuple[int, ...]

    def blocks(self) -> Iterator[RawBlock]:
        """The rows of each page, which a citation names, all below the one header."""
        header_count = len(self.cells) - len(header_and_rows(self.cells)[1])
        end = 0
        for area, count in zip(self.areas, self.row_counts, strict=True):
            start, end = max(end, header_count), end + count
            if start < end:
                yield table(self.cells[:header_count] + self.cells[start:end], area.page)


def read_pdf(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentRefused("the PDF is encrypted; remove the password and ingest it again", code="encrypted") from error
        raise DocumentRefused(f"the PDF cannot be read: {error}", code="unreadable") from error
    try:
        if len(document) > limits.max_pages:
            raise DocumentRefused(f"the PDF has {len(document):,} pages, more than the limit of {limits.max_pages:,}", code="too_large")
        lines: list[_Line] = []
        ruled: list[int] = []
        total = 0
        for number, page in enumerate(document):
            found = _lines(page, number + 1)
            lines.extend(found)
            total += sum(len(line.text) for line in found)
            if total > limits.max_text:
                raise DocumentRefused(f"the text has more than {limits.max_text:,} characters", code="too_large")
            if sum(1 for _ in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=2)) >= 4:
                ruled.append(number)
            page.close()
        pages = len(document)
    finally:
        document.close()
    body = _without_running(lines, pages)
    yield from _blocks(body, _joined(_tables(content, ruled), body) if ruled else [])


def _lines(page: pypdfium2.PdfPage, number: int) -> list[_Line]:
    """The page's lines in pdfium's reading order.

    Sizes and places come from the text matrix, not from the glyphs' boxes: those are empty where a standard font, as of
    many Chinese documents, is not embedded and not installed here.
    """
    height = page.get_height() or 1.0
    text_page = page.get_textpage()
    lines: list[_Line] = []
    start = 0
    characters: list[str] = []
    for index in range(text_page.count_chars() + 1):
        code = pdfium.FPDFText_GetUnicode(text_page, index) if index < text_page.count_chars() else 10
        if code in _LINE_END_HYPHENS:
            characters.append("-")
        if code in (10, 13, *_LINE_END_HYPHENS):
            if text := one_line("".join(characters)):
                lines.append(_line(text_page, text, start, index - 1, number, height))
            start = index + 1
            characters = []
        else:
            characters.append(chr(code))
    text_page.close()
    return lines


def _line(text_page: pypdfium2.PdfTextPage, text: str, first: int, last: int, page: int, height: float) -> _Line:
    while first < last and chr(pdfium.FPDFText_GetUnicode(text_page, first)).isspace():
        first += 1
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(text_page, first, matrix)
    size = pdfium.FPDFText_GetFontSize(text_page, first) * (math.hypot(matrix.c, matrix.d) or 1.0)
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(text_page, first, x, y)
    left, baseline = x.value, y.value
    pdfium.FPDFText_GetCharOrigin(text_page, last, x, y)
    top = height - baseline - 0.8 * size
    return _Line(text, page, left, x.value + 0.5 * size, top, top + size, (height - baseline) / height)


def _without_running(lines: Sequence[_Line], pages: int) -> list[_Line]:
    """Drop page numbers, and what stands at the edge of most pages."""

    def edge(line: _Line) -> bool:
        return line.share_down < _MARGIN or line.share_down > 1 - _MARGIN

    def key(line: _Line) -> str:
        return re.sub(r"\d+", "#", line.text)

    often = Counter(text for _, text in {(line.page, key(line)) for line in lines if edge(line)})
    inner = "".join("".join(line.text for line in lines if not edge(line)).split())
    running = {text for text, count in often.items() if count >= max(2, 0.5 * pages)}
    return [
        line
        for line in lines
        if not edge(line) or not (key(line) in running or _PAGE_NUMBER.fullmatch(line.text) or (pages == 1 and "".join(line.text.split()) in inner))
    ]


def _tables(content: bytes, pages: Sequence[int]) -> list[_Table]:
    tables: list[_Table] = []
    with pdfplumber.open(io.BytesIO(content), pages=[page + 1 for page in pages]) as document:
        for page in document.pages:
            for found in page.find_tables():
                cells = [[_join(cell or "") for cell in row] for row in found.extract()]
                cells = [row for row in cells if any(row)]
                if max((len(row) for row in cells), default=0) >= 2:
                    left, top, right, bottom = (float(place) for place in found.bbox)
                    tables.append(_Table(cells, (_Area(page.page_number, top, bottom, left, right),), (len(cells),)))
            page.close()
    return tables


def _joined(tables: Sequence[_Table], lines: Sequence[_Line]) -> list[_Table]:
    """The tables of more than one row; one that goes on on the next page is one table, its repeated header left out."""
    joined: list[_Table] = []
    for found in sorted(tables, key=lambda found: found.areas[0]):
        last = joined[-1] if joined else None
        if last and _goes_on(last, found, lines):
            repeated = sum(1 for _ in takewhile(lambda rows: rows[0] == rows[1], zip(found.cells, last.cells, strict=False)))
            rest = found.cells[repeated:]
            joined[-1] = _Table(last.cells + rest, last.areas + found.areas, (*last.row_counts, len(rest)))
        else:
            joined.append(found)
    return [found for found in joined if len(found.cells) >= 2]


def _goes_on(last: _Table, found: _Table, lines: Sequence[_Line]) -> bool:
    """Whether a table continues the last one: on the next page, with the same header, or with as many columns in the same place and no text between."""
    end, start = last.areas[-1], found.areas[0]
    if start.page != end.page + 1:
        return False
    if found.cells[0] == last.cells[0]:
        return True
    alike = len(found.cells[0]) == len(last.cells[0]) and abs(start.left - end.left) < 3 and abs(start.right - end.right) < 3
    return alike and not any((end.page, end.bottom) < (line.page, line.top) < (start.page, start.top) for line in lines)


def _blocks(lines: Sequence[_Line], tables: Sequence[_Table]) -> Iterator[RawBlock]:
    body = _body_size(lines)
    sizes = sorted({round(line.size, 1) for line in lines if line.size > 1.12 * body and len(line.text) < 200}, reverse=True)
    gathered: list[_Line] = []
    waiting = list(tables)
    taken = [area for found in tables for area in found.areas]

    def flush() -> Iterator[RawBlock]:
        if gathered:
            text = _join("\n".join(line.text for line in gathered))
            yield list_item(_BULLET.sub("", text), gathered[0].page) if _BULLET.match(text) else paragraph(text, gathered[0].page)
        gathered.clear()

    heading_lines: list[_Line] = []

    def flush_heading() -> Iterator[RawBlock]:
        if heading_lines:
            level = 1 + next((place for place, size in enumerate(sizes) if heading_lines[0].size >= size - 0.3), len(sizes))
            yield heading(_join("\n".join(line.text for line in heading_lines)), level, heading_lines[0].page)
        heading_lines.clear()

    for line in lines:
        while waiting and waiting[0].areas[0] < (line.page, line.top):
            yield from flush_heading()
            yield from flush()
            yield from waiting.pop(0).blocks()
        if any(area.page == line.page and area.top - 2 <= (line.top + line.bottom) / 2 <= area.bottom + 2 for area in taken):
            continue
        if line.size > 1.12 * body and len(line.text) < 200:
            yield from flush()
            if heading_lines and (
                abs(heading_lines[-1].size - line.size) > 0.6 or line.top - heading_lines[-1].bottom > 0.8 * line.size or heading_lines[-1].page != line.page
            ):
                yield from flush_heading()
            heading_lines.append(line)
            continue
        yield from flush_heading()
        if gathered and _begins(line, gathered[-1], gathered, body):
            yield from flush()
        gathered.append(line)
    yield from flush_heading()
    yield from flush()
    for found in waiting:
        yield from found.blocks()


def _begins(line: _Line, last: _Line, gathered: Sequence[_Line], body: float) -> bool:
    """Whether a line begins a new paragraph."""
    if _BULLET.match(line.text) or CLAUSE.match(line.text):
        return True
    if line.page != last.page:
        return _SENTENCE_END.search(last.text) is not None
    if line.top - last.bottom > 0.75 * body:
        return True
    widest = max(piece.right for piece in gathered)
    return _SENTENCE_END.search(last.text) is not None and last.right < widest - 4 * body


def _body_size(lines: Sequence[_Line]) -> float:
    """The size in which most characters stand."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[round(line.size * 2) / 2] += len(line.text)
    if not weights:
        return 10.0
    common = weights.most_common(1)[0][0]
    near = [line.size for line in lines if abs(line.size - common) <= 0.75]
    return statistics.median(near) if near else common


def _join(text: str) -> str:
    """Lines as one: words divided at a line's end are joined, Chinese without a space, others with one."""
    joined = ""
    for line in (part.strip() for part in text.split("\n")):
        if not line:
            continue
        if joined.endswith("-") and len(joined) > 2 and joined[-2].isalnum():
            joined = (joined[:-1] if joined[-2].islower() and line[0].islower() else joined) + line
        elif joined and ((_cjk(joined[-1]) and (_cjk(line[0]) or line[0].isdigit())) or (_cjk(line[0]) and joined[-1].isdigit())):
            joined += line
        else:
            joined = f"{joined} {line}" if joined else line
    return joined


def _cjk(character: str) -> bool:
    return HAN.match(character) is not None or character in "，。；：！？、（）《》“”％"
