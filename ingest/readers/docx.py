"""Word documents: headings by style, lists, tables, in document order."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from docx import Document
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from core.errors import DocumentRefused
from ingest.readers.archive import check_office
from ingest.readers.raw import Limits, RawBlock, heading, list_item, paragraph, table

#: python-docx passes over what stands in these: content controls, tracked insertions, fields
_WRAPPERS = [qn(f"w:{name}") for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo", "fldSimple")]
#: what a reader of the document does not see as its text: tracked deletions, hidden text, readings above characters
_UNSEEN = ".//w:del | .//w:moveFrom | .//w:rt | .//w:sdtPr | .//w:r[w:rPr/w:vanish[not(@w:val = '0' or @w:val = 'false' or @w:val = 'off')]]"
_HEADING = re.compile(r"(?:heading|标题)\s*(\d)", re.IGNORECASE)


def read_docx(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    check_office(content, "word/document.xml")
    try:
        document = Document(io.BytesIO(content))
    except Exception as error:  # python-docx raises whatever a broken part leads to
        raise DocumentRefused(f"the Word document cannot be read: {error}", code="unreadable") from error
    _make_plain(document.element.body)
    total = 0
    for item in document.iter_inner_content():
        block = _table(item) if isinstance(item, Table) else _paragraph(item)
        if block is not None:
            total += len(block.text)
            if total > limits.max_text:
                raise DocumentRefused(f"the text has more than {limits.max_text:,} characters", code="too_large")
            yield block


def _make_plain(body: Any) -> None:
    """Leave the paragraphs, tables and runs that are seen, and nothing around them."""
    for element in body.xpath(_UNSEEN):
        element.getparent().remove(element)
    for element in list(body.iter(_WRAPPERS)):
        parent = element.getparent()
        at = parent.index(element)
        parent[at : at + 1] = list(element)


def _paragraph(item: Paragraph) -> RawBlock | None:
    text = item.text
    if not text.strip():
        return None
    style = (item.style.name if item.style is not None else "") or ""
    if style in ("Title", "标题"):
        return heading(text, 1)
    if match := _HEADING.match(style):
        return heading(text, int(match[1]))
    numbered = item._p.pPr is not None and item._p.pPr.numPr is not None
    return list_item(text) if numbered or style.lower().startswith("list") else paragraph(text)


def _table(item: Table) -> RawBlock | None:
    rows: list[list[str]] = []
    for row in item.rows:
        # a merged cell is listed once for each column that it spans; each keeps its text
        rows.append([" ".join(part.text for part in cell.paragraphs) + _nested(cell.tables) for cell in row.cells])
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return None
    if max(len(row) for row in rows) == 1:
        return paragraph(" ".join(row[0] for row in rows))
    return table(rows)


def _nested(tables: list[Table]) -> str:
    return "".join(f" {cell.text}" for inner in tables for row in inner.rows for cell in row.cells)
