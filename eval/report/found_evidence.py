"""At which rank retrieval found each piece of evidence: by place in the document, so that it survives another cut into chunks."""

from __future__ import annotations

from eval.run.record import Record, Retrieved
from eval.suite.item import Evidence, Item


def covers(passage: Retrieved, evidence: Evidence) -> bool:
    """Same document and version, and what both have is at least half of one of them."""
    if (passage.document_id, passage.version) != (evidence.document_id, evidence.version):
        return False
    shared = min(passage.end, evidence.end) - max(passage.start, evidence.start)
    return shared > 0 and (2 * shared >= evidence.end - evidence.start or 2 * shared >= passage.end - passage.start)


def first_ranks(item: Item, record: Record) -> list[int | None]:
    """For each piece of evidence the rank of the first passage that holds it, None where none does."""
    return [min((passage.rank for passage in record.retrieved if covers(passage, evidence)), default=None) for evidence in item.evidence]


def recall_at(ranks: list[int | None], k: int) -> float:
    """Share of the evidence within the first ``k`` passages; 0 where nothing was found (it must not vanish from a mean)."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)
