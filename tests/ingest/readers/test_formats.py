"""Which reader a file gets: its name and its bytes must agree."""

from __future__ import annotations

import pytest

from core.errors import DocumentRefused
from ingest.readers.formats import FORMATS, format_of

OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("fees.pdf", b"%PDF-1.7", "PDF"),
        ("fees.PDF", b"\n\n%PDF-1.7", "PDF"),
        ("fees.docx", b"PK\x03\x04", "Word"),
        ("fees.docx", OLE, "Word"),
        ("费率.xlsx", b"PK\x03\x04", "Excel"),
        ("a/b.c/fees.htm", b"<p>", "HTML"),
        ("fees.html", "<p>年费".encode("utf-16"), "HTML"),
        ("fees.md", b"# x", "Markdown"),
        ("fees.markdown", b"# x", "Markdown"),
        ("fees.txt", b"x", "text"),
    ],
)
def test_the_ending_chooses_and_the_bytes_agree(name: str, content: bytes, expected: str) -> None:
    assert format_of(name, content).name == expected


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("fees.pdf", b"", "no_text", "empty"),
        ("fees.exe", b"", "unsupported_format", "ending in .exe"),
        ("fees", b"x", "unsupported_format", "ending in nothing"),
        ("fees.doc", OLE, "unsupported_format", r"supported are \.pdf, \.docx"),
        ("fees.pdf", b"PK\x03\x04", "wrong_type", "ends in .pdf but its content is a ZIP or office file"),
        ("fees.pdf", b" " * 1024 + b"%PDF-1.7", "wrong_type", "ends in .pdf"),
        ("fees.docx", b"%PDF-1.7", "wrong_type", "ends in .docx but its content is a PDF"),
        ("fees.xlsx", b"name,fee", "wrong_type", "its content is text or unknown"),
        ("fees.txt", b"%PDF-1.7", "wrong_type", "its content is a PDF"),
        ("fees.md", b"\x89PNG\r\n", "wrong_type", "a PNG picture"),
        ("fees.html", b"\x1f\x8b\x08", "wrong_type", "a gzip archive"),
        ("fees.html", b"\xff\xd8\xff\xe0", "wrong_type", "a JPEG picture"),
        ("fees.txt", OLE, "wrong_type", "an old or encrypted office file"),
    ],
)
def test_what_does_not_agree_is_refused(name: str, content: bytes, code: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        format_of(name, content)
    assert refused.value.code == code


def test_every_format_has_a_media_type_of_its_own() -> None:
    assert len({found.media_type for found in FORMATS.values()}) == len({found.name for found in FORMATS.values()})
