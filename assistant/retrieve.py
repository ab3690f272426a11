"""The one retrieval gateway. Nobody reaches the index around it, and it does nothing without a Principal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol

from assistant.evidence import EvidenceJudge, coverage
from core.fusion import Fused, fuse
from core.ports import Embedder, Filter, Index
from core.settings import Retrieval
from core.text.language import language_of
from core.text.tokens import index_tokens
from core.types import DATA_LEVELS, DataLevel, Evidence, Found, Passage, Query
from engines.catalogue.documents import searched_text


class ReadablePassages(Protocol):
    """What the catalogue says of chunks that the index found."""

    def readable_passages(self, chunk_ids: Sequence[str], only: Filter) -> Mapping[str, Passage]:
        """Those that may be shown, by id."""


@dataclass(frozen=True)
class Retriever:
    """Both legs of the index inside the caller's groups and the day asked for, fused, and looked up in the catalogue."""

    index: Index
    documents: ReadablePassages
    embedder: Embedder
    judge: EvidenceJudge
    settings: Retrieval

    def search(self, query: Query, top_k: int, highest: DataLevel = DATA_LEVELS[-1]) -> Found:
        """The best passages, at most ``top_k``, and how well they fit; of documents above the ``highest`` level none."""
        text = _with_context(query)
        language = language_of(query.text)
        tokens = index_tokens(text)
        only = _only(query)
        vector = self.embedder.embed_queries([text])[0] if language in self.embedder.languages else None
        self.index.refresh()
        legs = self.index.search(vector, tokens, only, self.settings.depth)
        rankings = {"vector": [hit.chunk_id for hit in legs.vector], "word": [hit.chunk_id for hit in legs.word]}
        fused = fuse(rankings, {"vector": self.settings.vector_weight, "word": self.settings.word_weight}, self.settings.rrf_k)
        passages = self._best(fused, only, top_k, highest)
        shown = {passage.chunk_id for passage in passages}
        cosine = max((hit.score for hit in legs.vector if hit.chunk_id in shown), default=0.0)
        share = coverage(tokens, [index_tokens(searched_text(passage.title, passage.heading_path, passage.text)) for passage in passages])
        sufficient = bool(passages) and self.judge.sufficient(cosine if vector is not None else None, share, language)
        return Found(tuple(passages), language, Evidence(cosine, share, sufficient), legs.fallback)

    def _best(self, fused: Sequence[Fused], only: Filter, top_k: int, highest: DataLevel) -> list[Passage]:
        """The first ones that may be shown, looked up from the top down until there are enough.

        The index has filtered already, so that as many as are wanted nearly always are enough: one statement, and the texts of those that leave. Where
        they are not (the index lags behind, or documents are above the level), each further look takes twice as many.
        """
        passages: list[Passage] = []
        start, count = 0, top_k
        while len(passages) < top_k and start < len(fused):
            part = fused[start : start + count]
            readable = self.documents.readable_passages([one.id for one in part], only)
            for one in part:
                if one.id in readable and len(passages) < top_k and level_allows(highest, readable[one.id]):
                    passages.append(replace(readable[one.id], rank=len(passages) + 1, legs=one.ranks, score=one.score))
            start, count = start + count, 2 * count
        return passages

    def readable(self, query: Query, chunk_ids: AbstractSet[str]) -> bool:
        """Whether the caller may read all these chunks, which were found before, now too."""
        return not chunk_ids or self.documents.readable_passages(sorted(chunk_ids), _only(query)).keys() == chunk_ids

    def given(self, query: Query, passages: tuple[Passage, ...]) -> Found:
        """Passages that the caller brought: nothing is searched, and whether they answer is the model's to say."""
        return Found(passages, language_of(query.text), Evidence(0.0, 0.0, True))


def level_allows(highest: DataLevel, passage: Passage) -> bool:
    """Whether a passage may go where documents of up to this level may."""
    return DATA_LEVELS.index(passage.data_level) <= DATA_LEVELS.index(highest)


def _only(query: Query) -> Filter:
    return Filter(query.principal.readable, query.as_of)


def _with_context(query: Query) -> str:
    """A follow-up question is searched together with the question before it."""
    earlier = [turn.content for turn in query.history if turn.role == "user"]
    return f"{earlier[-1]} {query.text}" if earlier else query.text
