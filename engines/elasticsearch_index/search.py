"""Both legs as searches of one request, filtered inside."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from elasticsearch import Elasticsearch

from core.errors import IndexRefused, IndexUnavailable
from core.ports import Filter, Hit, Legs, Vectors
from core.settings import Elasticsearch as Settings
from engines.elasticsearch_index.cluster import BUSY, Cluster, cause
from engines.elasticsearch_index.layout import WHOLE
from engines.ties import with_ties

#: different words of one question that are searched; Elasticsearch refuses queries of more clauses than memory is for, and never fewer than 1,024
MOST_WORDS = 1_000
#: seconds before a search is sent again, when a node was just lost
_PAUSES = (0.05, 0.2, 0.5)


class Searches:
    """The two legs of one index behind an alias."""

    def __init__(self, cluster: Cluster, settings: Settings, alias: str) -> None:
        self._cluster = cluster
        self._settings = settings
        self._alias = alias

    def search(self, vector: Vectors | None, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        """At most ``depth`` hits per leg, best first, ties by chunk id; both legs in one round trip."""
        terms = list(dict.fromkeys(tokens))[:MOST_WORDS]
        allowed = _allowed(only.groups, only.as_of)
        searches = {}
        if vector is not None and np.isfinite(vector).all():
            searches["vector"] = self._nearest(vector, allowed, depth + 1)
        if terms:
            searches["word"] = _any_word(terms, allowed, depth)
        if not searches or not only.groups:
            return Legs((), ())
        # the same question asks the same copy of the index: copies that count deleted documents otherwise differ a little in their scores
        copy = hashlib.sha256(" ".join(terms).encode()).hexdigest()[:16]
        found = dict(zip(searches, self._ask(list(searches.values()), copy), strict=True))
        first = [Hit(hit["_id"], inner_product(hit["_score"])) for hit in found.get("vector", ())]

        def best(count: int) -> list[Hit]:
            if count == depth + 1 or vector is None:
                return first
            (hits,) = self._ask([self._nearest(vector, allowed, count)], copy)
            return [Hit(hit["_id"], inner_product(hit["_score"])) for hit in hits]

        word = tuple(Hit(hit["_id"], hit["_score"]) for hit in found.get("word", ()))
        return Legs(tuple(with_ties(best, depth)), word)

    def _nearest(self, vector: Vectors, allowed: list[dict[str, Any]], count: int) -> dict[str, Any]:
        count = min(count, 10_000)  # the most that a search may look at
        knn: dict[str, Any] = {
            "field": "vector",
            "query_vector": vector.tolist(),
            "k": count,
            "num_candidates": max(count, self._settings.candidates),
            "filter": allowed,
        }
        if self._settings.vectors not in WHOLE:  # the score is then the true one, by which evidence is judged
            knn["rescore_vector"] = {"oversample": self._settings.oversample}
        return {"knn": knn, "size": count, "_source": False}

    def _ask(self, searches: Sequence[Mapping[str, Any]], copy: str) -> list[list[dict[str, Any]]]:
        """The hits of each search. None is half an answer: a part of the index that does not answer is an error."""

        def send(client: Elasticsearch, preference: str | None) -> list[Any]:
            head = {"preference": preference or copy, "allow_partial_search_results": False}
            lines = [line for search in searches for line in (head, {**search, "track_total_hits": False})]
            return list(client.msearch(index=self._alias, searches=lines)["responses"])

        end = time.monotonic() + self._settings.search_seconds
        pauses = iter(_PAUSES)
        while True:
            answers = self._cluster.ask(send)
            failed = next((answer for answer in answers if "error" in answer), None)
            if failed is None:
                return [answer["hits"]["hits"] for answer in answers]
            pause = next(pauses, None)
            if failed["status"] not in (*BUSY, 404) or pause is None or time.monotonic() + pause > end:
                raise self._problem(failed)
            time.sleep(pause)  # a copy on another node takes over in a moment; and behind an alias that was just switched there is another index

    def _problem(self, failed: Mapping[str, Any]) -> IndexUnavailable:
        told = f"{self._alias} at {self._cluster.hosts}: {cause(failed['error'])}"
        if failed["status"] == 404:
            return IndexRefused(f"Elasticsearch has nothing to search in {told}. `bankassist index rebuild --to elasticsearch` makes it anew")
        if failed["status"] not in BUSY:
            return IndexRefused(f"Elasticsearch refuses a search of {told}")
        return IndexUnavailable(f"Elasticsearch cannot search {told}")


def inner_product(score: float) -> float:
    """Behind Elasticsearch's score, which is never negative: 1 + it, or 1 / (1 - it) where it is (Lucene, VectorUtil.scaleMaxInnerProductScore)."""
    return score - 1 if score >= 1 else 1 - 1 / score


def _allowed(groups: frozenset[str], as_of: date) -> list[dict[str, Any]]:
    day = as_of.isoformat()
    return [{"terms": {"groups": sorted(groups)}}, {"range": {"windows": {"gte": day, "lte": day, "relation": "contains"}}}]


def _any_word(terms: Sequence[str], allowed: list[dict[str, Any]], depth: int) -> dict[str, Any]:
    match = {"match": {"tokens": {"query": " ".join(terms), "operator": "or"}}}
    return {"query": {"bool": {"must": match, "filter": allowed}}, "sort": ["_score", {"chunk": "asc"}], "track_scores": True, "size": depth, "_source": False}
