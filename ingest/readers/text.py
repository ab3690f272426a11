"""Plain text: headings are underlined lines, or short lines in capitals that stand alone; bullets make list items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from core.errors import DocumentRefused
from ingest.readers.raw import Limits, RawBlock, heading, list_item, paragraph

_UNDERLINE = re.compile(r"\s*([=\-~_*])\1{2,}\s*")
_BULLET = re.compile(r"\s*[-*•·▪◦]\s+(?=\S)")
#: a clause begins a paragraph of its own: 4.2 ..., 4.2.1 ..., (a) ..., 第三条 ...
CLAUSE = re.compile(r"\s*(?:\d+(?:\.\d+)+\.?\s|\(?[a-z]\)\s|第[零〇一二三四五六七八九十百千0-9]+[条章节款])")


def decode(content: bytes, limits: Limits) -> str:
    """The text of a file in UTF-8, or in whatever charset it is most likely in (GB18030 of Chinese files among them).

    Raises:
        DocumentRefused: no known charset fits, or the text is too long.
    """
    text = _decoded(content)
    if "\x00" in text:
        raise DocumentRefused("the file holds zero bytes, so it is no text", code="wrong_type")
    if len(text) > limits.max_text:
        raise DocumentRefused(f"the text has {len(text):,} characters, more than the limit of {limits.max_text:,}", code="too_large")
    return text


def _decoded(content: bytes) -> str:
    # guessing takes a short Chinese file for Korean; what is valid GB2312 throughout is hardly anything else
    for charset in ("utf-8-sig", "gb2312"):
        with suppress(UnicodeDecodeError):
            return content.decode(charset)
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    if best is None:
        raise DocumentRefused("the text is in no known charset; save it as UTF-8", code="unreadable")
    return str(best)


def read_text(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    lines = decode(content, limits).splitlines()
    gathered: list[str] = []
    bullet = False

    def flush() -> Iterator[RawBlock]:
        nonlocal bullet
        if gathered:
            text = " ".join(gathered)
            yield list_item(text) if bullet else paragraph(text)
        gathered.clear()
        bullet = False

    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if _UNDERLINE.fullmatch(line):
            continue
        if not line.strip():
            yield from flush()
        elif _UNDERLINE.fullmatch(following):
            yield from flush()
            yield heading(line, 1 if following.strip()[0] == "=" else 2)
        elif not gathered and not following.strip() and _capitals(line):
            yield heading(line, 2)
        elif _BULLET.match(line):
            yield from flush()
            bullet = True
            gathered.append(_BULLET.sub("", line, count=1))
        else:
            if CLAUSE.match(line):
                yield from flush()
            gathered.append(line)
    yield from flush()


def _capitals(line: str) -> bool:
    letters = [character for character in line if character.isalpha()]
    return 3 <= len(letters) <= 80 and all("A" <= character <= "Z" for character in letters) and not line.rstrip().endswith((".", ";", ","))
