"""Which reader a file gets. Its name and its first bytes must agree; nothing is parsed to find out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.errors import DocumentRefused
from ingest.readers.docx import read_docx
from ingest.readers.html import read_html
from ingest.readers.markdown import read_markdown
from ingest.readers.pdf import read_pdf
from ingest.readers.raw import Limits, RawBlock
from ingest.readers.text import read_text
from ingest.readers.xlsx import read_xlsx

_ZIP = b"PK\x03\x04"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_KNOWN = {
    b"%PDF-": "a PDF",
    _ZIP: "a ZIP or office file",
    _OLE: "an old or encrypted office file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    media_type: str
    read: Callable[[bytes, Limits], Iterator[RawBlock]]
    begins_with: tuple[bytes, ...] = ()


_PDF = Format("PDF", "application/pdf", read_pdf, (b"%PDF-",))
_DOCX = Format("Word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", read_docx, (_ZIP, _OLE))
_XLSX = Format("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", read_xlsx, (_ZIP, _OLE))
_HTML = Format("HTML", "text/html", read_html)
_MARKDOWN = Format("Markdown", "text/markdown", read_markdown)
_TEXT = Format("text", "text/plain", read_text)

FORMATS: Mapping[str, Format] = {
    ".pdf": _PDF, ".docx": _DOCX, ".xlsx": _XLSX, ".html": _HTML, ".htm": _HTML, ".md": _MARKDOWN, ".markdown": _MARKDOWN, ".txt": _TEXT,
}  # fmt: skip


def format_of(name: str, content: bytes) -> Format:
    """The format of a file.

    Raises:
        DocumentRefused: its ending is not supported, or its bytes are of another kind than its ending says.
    """
    ending = PurePosixPath(name).suffix.lower()
    if ending not in FORMATS:
        raise DocumentRefused(f"files ending in {ending or 'nothing'} are not supported; supported are {', '.join(FORMATS)}", code="unsupported_format")
    found = FORMATS[ending]
    start = content[:1024]
    if not content:
        raise DocumentRefused("the file is empty", code="no_text")
    if found.begins_with:
        if not any(sign in start if sign == b"%PDF-" else start.startswith(sign) for sign in found.begins_with):
            raise DocumentRefused(f"the file ends in {ending} but its content is {_kind(start)}", code="wrong_type")
    elif (kind := _kind(start)) != "text or unknown":
        raise DocumentRefused(f"the file ends in {ending} but its content is {kind}", code="wrong_type")
    return found


def _kind(start: bytes) -> str:
    return next((kind for sign, kind in _KNOWN.items() if start.startswith(sign)), "text or unknown")
