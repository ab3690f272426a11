"""The normalised text of a version and the place of every block in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.types import Block
from ingest.readers.raw import RawBlock


class ParsedDocument(NamedTuple):
    """``text`` is the blocks' texts, one per line (a table has a line per row); offsets of blocks refer to it."""

    text: str
    blocks: tuple[Block, ...]
    media_type: str


def assemble(raw: Iterable[RawBlock], media_type: str) -> ParsedDocument:
    blocks: list[Block] = []
    parts: list[str] = []
    at = 0
    for block in raw:
        if block.text:
            blocks.append(Block(block.kind, block.text, at, at + len(block.text), block.level, block.page))
            parts.append(block.text)
            at += len(block.text) + 1
    return ParsedDocument("\n".join(parts), tuple(blocks), media_type)


#: a heading above a chunk, and a title, have at most so many characters: they travel with every chunk
LONGEST_HEADING = 200


def shortened(heading: str) -> str:
    return heading if len(heading) <= LONGEST_HEADING else heading[: LONGEST_HEADING - 1].rstrip() + "…"


def title_of(blocks: Sequence[Block], otherwise: str) -> str:
    """The first heading, or what the caller offers."""
    return next((shortened(block.text) for block in blocks if block.level), otherwise)
