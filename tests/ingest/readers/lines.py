"""Blocks as one readable line each, so that a test can write down what it expects of a whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.types import BlockKind
from ingest.readers.raw import Limits, RawBlock

LIMITS = Limits(max_pages=20, max_text=100_000)

_MARKS = {BlockKind.PARAGRAPH: "p", BlockKind.LIST_ITEM: "li", BlockKind.TABLE: "t"}


def lines(read: Callable[[bytes, Limits], Iterator[RawBlock]], content: bytes, limits: Limits = LIMITS) -> list[str]:
    """``h2 Title``, ``p Text``, ``li Item``, ``t Row / Row``."""
    return [f"{_MARKS.get(block.kind) or f'h{block.level}'} {' / '.join(block.text.splitlines())}" for block in read(content, limits)]
