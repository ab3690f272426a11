"""Office files are ZIP archives of XML: what they may hold, checked before any parser opens them."""

from __future__ import annotations

import io
import zipfile
import zlib

from core.errors import DocumentRefused

MAX_ENTRIES = 10_000
MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 100
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def check_office(content: bytes, part: str) -> None:
    """Refuse what is no sound office file with the given part, such as ``word/document.xml``.

    Raises:
        DocumentRefused: encrypted, damaged, too large when unpacked, or XML with a document type (entities).
    """
    if content.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise DocumentRefused("the file is encrypted; remove the password and ingest it again", code="encrypted")
        raise DocumentRefused("this is a file of Office 97-2003; save it in today's format (.docx, .xlsx)", code="unsupported_format")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if part not in names:
                raise DocumentRefused(f"the archive has no {part}, so it is no such office file", code="wrong_type")
            if len(names) > MAX_ENTRIES or len(names) != len(set(names)):
                raise DocumentRefused(f"the archive has {len(names):,} entries, or one name twice; at most {MAX_ENTRIES:,} are read", code="unreadable")
            _check_entries(archive, len(content))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        raise DocumentRefused(f"the office file is damaged: {error}", code="unreadable") from error


def _check_entries(archive: zipfile.ZipFile, size: int) -> None:
    """Unpack everything once and count: what the archive says of its sizes may be a lie."""
    unpacked = 0
    for info in archive.infolist():
        if info.flag_bits & 0x1:
            raise DocumentRefused("the file is encrypted; remove the password and ingest it again", code="encrypted")
        is_xml = info.filename.endswith((".xml", ".rels"))
        with archive.open(info) as entry:
            before = b""
            while piece := entry.read(64 * 1024):
                unpacked += len(piece)
                if unpacked > MAX_UNPACKED or (unpacked > 10 * 1024 * 1024 and unpacked > size * MAX_RATIO):
                    raise DocumentRefused(f"the office file unpacks to more than {unpacked:,} bytes", code="too_large")
                if is_xml and b"<!DOCTYPE" in (before + piece).upper().replace(b"\x00", b""):
                    raise DocumentRefused(f"{info.filename} declares a document type, which office files do not have", code="unreadable")
                before = piece[-32:]
