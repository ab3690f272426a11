"""A small catalogue of one-chunk documents with hand-made vectors, and the index that follows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from core.ports import Filter, Hit, Index, Legs
from core.text.tokens import index_tokens
from core.types import Chunk
from engines.catalogue import Catalogue
from engines.local_index.index import LocalIndex
from tests.engines.conftest import EMBEDDER, FEES

STAFF = frozenset({"staff"})
FEBRUARY = date(2026, 2, 1)


def put(
    catalogue: Catalogue,
    document_id: str,
    text: str,
    vector: Sequence[float],
    groups: tuple[str, ...] = ("staff",),
    start: date | None = None,
    end: date | None = None,
) -> None:
    """A version of one chunk, whose words are its title ``t``, no heading, and the text."""
    version = replace(FEES, document_id=document_id, title="t", groups=groups, valid_from=start, valid_until=end, content_digest=f"{text} {vector}")
    piece = (Chunk(0, (), None, 0, len(text), text), text)
    catalogue.documents.publish(version, [piece], EMBEDDER, np.array([vector], np.float32))


def open_index(catalogue: Catalogue, folder: Path, embedder: str = EMBEDDER) -> LocalIndex:
    index = LocalIndex(catalogue, folder, embedder, 2)
    index.refresh()
    return index


def search(index: Index, vector: Sequence[float] | None, words: str, groups: frozenset[str] = STAFF, as_of: date = FEBRUARY, depth: int = 10) -> Legs:
    return index.search(None if vector is None else np.array(vector, np.float32), index_tokens(words), Filter(groups, as_of), depth)


def texts(catalogue: Catalogue, hits: Iterable[Hit]) -> list[str]:
    """The texts of hits, which are easier to read than ids."""
    by_id = {entry.chunk_id: entry.text.splitlines()[-1] for entry in catalogue.documents.index_entries(EMBEDDER)}
    return [by_id[hit.chunk_id] for hit in hits]
