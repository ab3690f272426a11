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


def title_of(blocks: Sequence[Block], otherwise: str) -> str:
    """The first heading, or what the caller offers."""
    return next((block.text for block in blocks if block.level), otherwise)
