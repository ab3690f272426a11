"""The index in Elasticsearch beside the local one: the same chunks, questions and filters; how fast it is filled, and how soon a change is found.

20,000 chunks are the sample bank's own with other figures in them. Their vectors are those of the real embedder, each moved by a third of its length in a
direction of its own, so that they lie in clusters as a bank's documents do; questions and their vectors are real. A node is taken from
``BANKASSIST_TEST_ELASTICSEARCH`` (a URL) or started from ``BANKASSIST_TEST_KIT`` (a folder with elasticsearch/start.sh).
"""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from elasticsearch import Elasticsearch, helpers

from bench.frame import Row, Spread, in_turn
from bench.service import Home
from core.fusion import fuse
from core.ports import Filter, Index, Legs, Vectors
from core.settings import Elasticsearch as ClusterSettings
from core.settings import Settings
from core.text.tokens import index_tokens
from core.types import Chunk
from engines.catalogue import Catalogue
from engines.catalogue.documents import IndexEntry, NewVersion
from engines.elasticsearch_index.bulk import put, write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.index import ElasticsearchIndex
from engines.elasticsearch_index.layout import index_settings, mapping
from engines.embedder import SentenceEmbedder
from engines.local_index.index import LocalIndex
from examples.samplebank import questions
from examples.samplebank.facts import Facts

VARIABLES = ("BANKASSIST_TEST_ELASTICSEARCH", "BANKASSIST_TEST_KIT")
_CHUNKS, _QUESTIONS, _ROUNDS, _CHANGES = 20_000, 300, 3, 30
_LOADED, _LOADS, _REBUILDS = 5_000, 3, 2
_DEPTH, _TOP = 50, 10
_FIRST_DAY, _LAST_DAY = date(2020, 1, 1), date(2026, 12, 31)


@dataclass(frozen=True)
class Asked:
    vector: Vectors
    tokens: list[str]
    only: Filter


def present() -> bool:
    """Whether the environment names a node."""
    return any(os.environ.get(name) for name in VARIABLES)


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    """
    Raises:
        RuntimeError: the environment names no node, or it does not start.
    """
    settings = Settings(home=home.folder)
    embedder = SentenceEmbedder.load(settings.models, home.folder / "cache")
    with _node() as url, tempfile.TemporaryDirectory() as folder:
        prefix = f"bench-{uuid4().hex[:8]}"
        cluster = ClusterSettings(hosts=url, prefix=prefix, replicas=0)
        catalogue = Catalogue.open(Path(folder))
        try:
            with closing(Catalogue.open(home.folder)) as bank:
                _fill(catalogue, embedder, list(bank.documents.index_entries(embedder.digest)))
            rows = _loading(catalogue, cluster, embedder)
            with (
                closing(ElasticsearchIndex.open(cluster, catalogue, embedder.digest, embedder.dimension)) as there,
                closing(LocalIndex(catalogue, Path(folder) / "index", embedder.digest, embedder.dimension)) as here,
            ):
                here.refresh()
                rows = [*_searching(catalogue, there, here, _asked(embedder), embedder), *rows, _lag(catalogue, there, here, embedder)]
        finally:
            catalogue.close()
            with closing(Elasticsearch(url)) as client:
                for name in client.indices.get(index=f"{prefix}-*"):
                    client.indices.delete(index=name)
    return rows


def missing() -> str:
    return f"no Elasticsearch to measure with; set {' or '.join(VARIABLES)}"


@contextmanager
def _node() -> Iterator[str]:
    if url := os.environ.get(VARIABLES[0]):
        yield url
        return
    kit = os.environ.get(VARIABLES[1])
    if not kit:
        raise RuntimeError(missing())
    programs = Path(kit).resolve() / "elasticsearch"
    with tempfile.TemporaryDirectory() as data:
        command = [str(programs / "start.sh"), "--data", data, "--heap", "1g", "--exit-with", str(os.getpid())]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        try:
            yield said.split("READY ", 1)[1].split()[0]
        finally:
            subprocess.run([str(programs / "stop.sh"), "--data", data], check=True, stdout=subprocess.DEVNULL)


def _fill(catalogue: Catalogue, embedder: SentenceEmbedder, bank: Sequence[IndexEntry]) -> None:
    """So many chunks: every copy of the bank has its own figures, and rules that apply from a day of its own."""
    chance, noise = random.Random(1), np.random.default_rng(1)
    catalogue.documents.add_embedder(embedder.digest, embedder.name, embedder.dimension)
    made = 0
    while made < _CHUNKS:
        copies: defaultdict[tuple[str, ...], list[IndexEntry]] = defaultdict(list)
        for entry in bank[: _CHUNKS - made]:
            copies[entry.groups].append(entry)
        start = _day(chance) if chance.random() < 0.5 else None
        for groups, entries in copies.items():
            texts = [re.sub(r"\d", lambda _: str(chance.randint(0, 9)), entry.text) for entry in entries]
            pieces = [(Chunk(place, (), None, 0, len(text), text), f"{made} {place}") for place, text in enumerate(texts)]
            moved = np.stack([entry.vector for entry in entries]) + noise.standard_normal((len(entries), embedder.dimension)) / (3 * embedder.dimension**0.5)
            vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype("f4")
            catalogue.documents.publish(_version(f"{made} {'-'.join(groups)}", groups, start), pieces, embedder.digest, vectors)
            made += len(entries)


def _version(name: str, groups: tuple[str, ...], start: date | None) -> NewVersion:
    return NewVersion(name, "Bank", "en", None, "internal", groups, start, None, name, "text/plain", name, name, "")


def _day(chance: random.Random) -> date:
    return _FIRST_DAY + timedelta(days=chance.randrange((_LAST_DAY - _FIRST_DAY).days))


def _asked(embedder: SentenceEmbedder) -> list[Asked]:
    """Distinct questions of several banks, as customers and staff ask them, on days of their own."""
    chance = random.Random(2)
    texts = list(dict.fromkeys(text for seed in range(1, 9) for one in questions.load(Facts.draw(seed)) for text in (one.ask, *one.train)))
    chosen = chance.sample(texts, _QUESTIONS)
    groups = (frozenset({"public"}), frozenset({"public", "staff"}))
    vectors = embedder.embed_queries(chosen)
    return [Asked(vector, index_tokens(text), Filter(chance.choice(groups), _day(chance))) for text, vector in zip(chosen, vectors, strict=True)]


def _searching(catalogue: Catalogue, there: Index, here: Index, asked: Sequence[Asked], embedder: SentenceEmbedder) -> list[Row]:
    exact = _Exact(list(catalogue.documents.index_entries(embedder.digest)))
    seconds: dict[str, list[list[float]]] = {"there": [], "here": []}
    found: dict[str, list[Legs]] = {}
    for round_number in range(1 + _ROUNDS):  # the first one warms up: Java compiles
        for name, index in (("there", there), ("here", here)):
            took, legs = _one_after_another(index, asked)
            found[name] = legs
            if round_number:
                seconds[name].append(took)

    def row(name: str, figure: Callable[[list[float]], float], note: str = "") -> Row:
        ours, peer = (Spread.of([figure(took) for took in seconds[which]]) for which in ("there", "here"))
        return Row(f"hybrid search in Elasticsearch, {name}", "ms", ours, "local index", peer, note=note)

    note = (
        f"{_CHUNKS} chunks, {len(asked)} distinct questions, groups and day filtered, both legs of {_DEPTH}, question embedded before; {_ROUNDS} rounds in turn"
    )
    rows = [row("p50", statistics.median, note), row("p95", lambda took: statistics.quantiles(took, n=20)[-1])]
    best = [exact.best(one) for one in asked]
    for name, hits in (
        (f"vector leg, recall of the best {_TOP}", lambda legs: [hit.chunk_id for hit in legs.vector[:_TOP]]),
        (f"both fused, recall of the best {_TOP}", lambda legs: _fused(legs)[:_TOP]),
    ):
        wanted = [[*hits(Legs(vector, legs.word))] for vector, legs in zip(best, found["here"], strict=True)]
        shares = {
            which: statistics.mean(len(set(hits(legs)) & set(want)) / max(1, len(want)) for legs, want in zip(found[which], wanted, strict=True))
            for which in ("there", "here")
        }
        rows.append(
            Row(
                name, "share", Spread.of([shares["there"]]), "local index", Spread.of([shares["here"]]), better="higher",
                note="of what NumPy finds among all vectors that the filter allows" if "vector" in name else "of exact vectors and the local word leg",
            )
        )  # fmt: skip
    return rows


def _one_after_another(index: Index, asked: Sequence[Asked]) -> tuple[list[float], list[Legs]]:
    """Milliseconds of each search, and what it found."""
    took, found = [], []
    for one in asked:
        started = time.perf_counter()
        index.refresh()
        found.append(index.search(one.vector, one.tokens, one.only, _DEPTH))
        took.append(1000 * (time.perf_counter() - started))
    return took, found


def _fused(legs: Legs) -> list[str]:
    rankings = {"vector": [hit.chunk_id for hit in legs.vector], "word": [hit.chunk_id for hit in legs.word]}
    return [one.id for one in fuse(rankings, {"vector": 1.0, "word": 1.0}, 60)]


class _Exact:
    """All allowed vectors compared, in NumPy."""

    def __init__(self, entries: Sequence[IndexEntry]) -> None:
        self._entries = entries
        self._vectors = np.stack([entry.vector for entry in entries])

    def best(self, asked: Asked) -> tuple[Any, ...]:
        from core.ports import Hit

        day = asked.only.as_of
        allowed = np.array(
            [
                not asked.only.groups.isdisjoint(entry.groups)
                and any((w.start is None or w.start <= day) and (w.end is None or day < w.end) for w in entry.windows)
                for entry in self._entries
            ]
        )
        scores = np.where(allowed, self._vectors @ asked.vector, -2.0)
        order = np.argsort(-scores, kind="stable")[: min(_DEPTH, int(allowed.sum()))]
        return tuple(Hit(self._entries[place].chunk_id, float(scores[place])) for place in order)


def _loading(catalogue: Catalogue, cluster: ClusterSettings, embedder: SentenceEmbedder) -> list[Row]:
    """Documents per second: the same documents in the same index by our writer and by the client's `helpers.bulk` as it is, and a whole rebuild."""
    entries = list(catalogue.documents.index_entries(embedder.digest))[:_LOADED]
    ready = [put(entry, 1) for entry in entries]
    plain = [{"_id": entry.chunk_id, **one["_source"], "vector": entry.vector.tolist()} for entry, one in zip(entries, ready, strict=True)]
    name = f"{cluster.prefix}-load"
    ours, client = Cluster(cluster), Elasticsearch(list(cluster.hosts), request_timeout=120)

    def emptied() -> None:
        client.indices.delete(index=f"{name}-1", ignore_unavailable=True)
        wanted = mapping(cluster, embedder.digest, embedder.dimension)
        client.indices.create(index=f"{name}-1", aliases={name: {}}, mappings=wanted, settings=index_settings(cluster))

    def by_us() -> None:
        emptied()
        refused = write(ours, name, ready)
        assert not refused

    def by_helpers() -> None:
        emptied()
        count, _ = helpers.bulk(client, plain, index=f"{name}-1")
        assert count == len(plain)

    seconds = in_turn({"ours": by_us, "helpers": by_helpers}, repeats=_LOADS, warm_up=1)
    client.indices.delete(index=f"{name}-1")
    index = ElasticsearchIndex(cluster, catalogue, embedder.digest, embedder.dimension)
    rebuilt = in_turn({"rebuild": index.rebuild}, repeats=_REBUILDS, warm_up=0)["rebuild"]
    for one in (index, ours, client):
        one.close()
    return [
        Row(
            "loading ready documents", "documents/s", _rate(len(ready), seconds["ours"]), "helpers.bulk", _rate(len(plain), seconds["helpers"]), better="higher",
            note=f"{len(entries)} documents of {embedder.dimension} dimensions, {cluster.vectors}, one client",
        ),
        Row("index rebuild, all in all", "documents/s", _rate(_CHUNKS, rebuilt), better="higher", note="read from the catalogue, cut into tokens, loaded, merged, switched"),
    ]  # fmt: skip


def _rate(count: int, seconds: Spread) -> Spread:
    return Spread(count / seconds.median, count / seconds.high, count / seconds.low)


def _lag(catalogue: Catalogue, there: Index, here: Index, embedder: SentenceEmbedder) -> Row:
    """Milliseconds from a stored document to the end of the search that finds it; what a search takes is in it."""
    took: dict[str, list[float]] = {"there": [], "here": []}
    vector = np.zeros(embedder.dimension, np.float32)
    vector[0] = 1.0
    for number in range(_CHANGES):
        text = f"zeppelin{number}"
        version = _version(text, ("public",), None)
        catalogue.documents.publish(version, [(Chunk(0, (), None, 0, len(text), text), text)], embedder.digest, vector.reshape(1, -1))
        for name, index in (("there", there), ("here", here)):
            started = time.perf_counter()
            index.refresh()
            found = index.search(None, index_tokens(text), Filter(frozenset({"public"}), _LAST_DAY), _DEPTH)
            took[name].append(1000 * (time.perf_counter() - started))
            assert len(found.word) == 1
    return Row(
        "a stored document found", "ms", Spread.of(took["there"]), "local index", Spread.of(took["here"]), note=f"{_CHANGES} documents, one after another"
    )
