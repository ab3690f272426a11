"""Blocks to chunks: runs of blocks below one heading, cut at table rows, sentences or words where they are too long.

Every character of the text but headings (those of ordinary length) and a repeated title is in exactly one chunk. A section's headings travel with each of its chunks; a
short section is a chunk of its own, because a heading and its two lines answer a question better than a page does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from core.text.language import HAN
from core.text.sentences import sentences
from core.types import Block, BlockKind, Chunk
from ingest.blocks import ParsedDocument, shortened

#: a Chinese character says about as much as three Latin ones
_HAN_WEIGHT = 3


class _Piece(NamedTuple):
    start: int
    end: int
    page: int | None


def chunks_of(document: ParsedDocument, budget: int, title: str) -> list[Chunk]:
    """The chunks in reading order.

    Args:
        budget: the greatest length of a chunk in Latin characters.
        title: the document's title; a first heading that repeats it is left out of the path.
    """
    chunks: list[Chunk] = []
    path: list[tuple[int, str]] = []
    gathered: list[_Piece] = []

    def flush() -> None:
        if gathered:
            start, end = gathered[0].start, gathered[-1].end
            headings = tuple(text for _, text in path if text != title)
            chunks.append(Chunk(len(chunks), headings, gathered[0].page, start, end, document.text[start:end]))
            gathered.clear()

    for block in document.blocks:
        if block.kind is BlockKind.HEADING:
            flush()
            path = [(level, text) for level, text in path if level < block.level] + [(block.level, shortened(block.text))]
            if path[-1][1] == block.text:
                continue  # else a whole paragraph was set as a heading: it is shortened above the chunks and stands in them
        elif block.text == title and not gathered:
            continue  # printed above every sheet or page
        for piece in _pieces(block, budget, document.text):
            if gathered and weight(document.text[gathered[0].start : piece.end]) > budget:
                flush()
            gathered.append(piece)
    flush()
    return chunks or _headings_only(document)


def weight(text: str) -> int:
    """Length in Latin characters."""
    return len(text) + (_HAN_WEIGHT - 1) * len(HAN.findall(text))


def _pieces(block: Block, budget: int, text: str) -> Iterator[_Piece]:
    """The block, or where it is too long its rows, sentences or words, gathered up to the budget."""
    spans = _parts(block.start, block.text, budget, 0)
    start, end = spans[0]
    for next_start, next_end in spans[1:]:
        if weight(text[start:next_end]) > budget:
            yield _Piece(start, end, block.page)
            start = next_start
        end = next_end
    yield _Piece(start, end, block.page)


def _parts(start: int, text: str, budget: int, cutter: int) -> list[tuple[int, int]]:
    """Places of parts that fit the budget: lines where they do, else sentences, else words, else as many characters as fit."""
    if weight(text) <= budget:
        return [(start, start + len(text))]
    if cutter == len(_CUTTERS):
        step = max(1, budget // _HAN_WEIGHT)
        return [(start + at, start + min(at + step, len(text))) for at in range(0, len(text), step)]
    return [part for place, piece in _CUTTERS[cutter](text) for part in _parts(start + place, piece, budget, cutter + 1)]


_CUTTERS: Sequence[Callable[[str], list[tuple[int, str]]]] = (
    lambda text: [(match.start(), match[0]) for match in re.finditer(r"[^\n]+", text)],
    lambda text: [(span.start, span.text) for span in sentences(text)],
    lambda text: [(match.start(), match[0]) for match in re.finditer(r"\S+", text)],
)


def _headings_only(document: ParsedDocument) -> list[Chunk]:
    """A document of nothing but headings is still a document."""
    return [Chunk(0, (), document.blocks[0].page, 0, len(document.text), document.text)] if document.blocks else []


def embedded_text(title: str, headings: Sequence[str], text: str) -> str:
    """What the embedder sees of a chunk."""
    return "\n".join([" > ".join([title, *headings]), text])
