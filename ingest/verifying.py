"""Whether an index holds what the catalogue says: how many chunks, which, and what of some of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engines.catalogue.documents import Documents
from engines.index_store import IndexStore


@dataclass(frozen=True, slots=True)
class Comparison:
    """``different`` says what of a sampled chunk is held otherwise; ``without_vectors`` counts chunks that another model embedded."""

    chunks: int
    indexed: int
    missing: list[str]
    extra: list[str]
    sampled: int
    different: Mapping[str, str]
    refused: Mapping[str, str]
    without_vectors: int

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.different or self.without_vectors)

    def document(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def compare(index: IndexStore, documents: Documents, embedder: str, sample: int) -> Comparison:
    """Bring the index up to the catalogue and compare the two; ``sample`` chunks, drawn by chance, are compared whole."""
    index.refresh()
    expected = {entry.chunk_id for entry in documents.index_entries(embedder)}
    present = index.chunk_ids()
    drawn = sorted(random.sample(sorted(expected), min(sample, len(expected))))
    different = index.differences(list(documents.index_entries(embedder, drawn))) if drawn else {}
    return Comparison(
        chunks=len(expected),
        indexed=len(present),
        missing=sorted(expected.difference(present)),
        extra=sorted(set(present) - expected),
        sampled=len(drawn),
        different=different,
        refused=dict(index.refused()),
        without_vectors=documents.without_vectors(embedder),
    )
