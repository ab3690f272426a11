"""Office files before any parser opens them: hostile archives are refused with the reason."""

from __future__ import annotations

import io
import zipfile

import pytest

from core.errors import DocumentRefused
from ingest.readers.archive import check_office

PART = "word/document.xml"
OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def archive(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


SOUND = archive({PART: b"<a>" + b"text of the document " * 50 + b"</a>", "_rels/.rels": b"<r/>"})


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(PART, b"<a/>")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr(PART, b"<b/>")
    return file.getvalue()


def marked_as_encrypted() -> bytes:
    content = bytearray(SOUND)
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def with_broken_stream() -> bytes:
    content = bytearray(SOUND)
    start = 30 + len(PART)
    content[start : start + 6] = b"\xff" * 6
    return bytes(content)


def lying_of_its_size() -> bytes:
    """The directory says that the part has 10 bytes."""
    content = bytearray(archive({PART: b"<a>" + bytes(11 * 1024 * 1024)}))
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(content)


DOCTYPE = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        pytest.param(b"PK\x03\x04", "unreadable", "damaged", id="only a mark"),
        pytest.param(SOUND[:-40], "unreadable", "damaged", id="cut short"),
        pytest.param(SOUND[200:], "unreadable", "damaged", id="beginning gone"),
        pytest.param(with_broken_stream(), "unreadable", "damaged", id="broken stream"),
        pytest.param(archive({"xl/workbook.xml": b"<a/>"}), "wrong_type", "no word/document.xml", id="another office file"),
        pytest.param(archive({PART: bytes(11 * 1024 * 1024)}), "too_large", "unpacks to more than", id="bomb"),
        pytest.param(lying_of_its_size(), "unreadable", "damaged", id="bomb that lies of its size"),
        pytest.param(archive({PART: b"<a/>", "bomb.bin": bytes(11 * 1024 * 1024)}), "too_large", "unpacks to more than", id="bomb in another part"),
        pytest.param(archive({PART: b"<a/>"} | {f"{number}": b"" for number in range(10_000)}), "unreadable", "10,001 entries", id="many entries"),
        pytest.param(twice(), "unreadable", "one name twice", id="one name twice"),
        pytest.param(marked_as_encrypted(), "encrypted", "remove the password", id="encrypted zip"),
        pytest.param(OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "encrypted", "remove the password", id="encrypted office file"),
        pytest.param(OLE + bytes(600), "unsupported_format", r"save it in today's format", id="office 97"),
        pytest.param(archive({PART: DOCTYPE}), "unreadable", "declares a document type", id="doctype"),
        pytest.param(archive({PART: b"<a/>", "_rels/.rels": DOCTYPE.lower()}), "unreadable", r"_rels/.rels declares", id="doctype in relations"),
        pytest.param(archive({PART: DOCTYPE.decode().encode("utf-16")}), "unreadable", "declares a document type", id="doctype in utf-16"),
        pytest.param(
            archive({PART: b"<!-- " + b"x" * 65_525 + b" -->" + DOCTYPE}), "unreadable", "declares a document type", id="doctype behind a long comment"
        ),
    ],
)
def test_hostile_and_damaged_archives_are_refused(content: bytes, code: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        check_office(content, PART)
    assert refused.value.code == code


def test_a_sound_archive_passes() -> None:
    check_office(SOUND, PART)
    check_office(archive({PART: b"<a/>", "media/picture.svg": b"<!DOCTYPE svg><svg/>"}), PART)
