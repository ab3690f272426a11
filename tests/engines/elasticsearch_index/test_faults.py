"""A node that is slow, killed and started again; and a cluster of three that loses each of its nodes in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import IndexUnavailable
from core.ports import Filter
from core.settings import Elasticsearch
from engines.catalogue import Catalogue
from engines.elasticsearch_index import bulk
from engines.elasticsearch_index.index import ElasticsearchIndex
from engines.fallback_index import FallbackIndex
from engines.local_index.index import LocalIndex
from tests.engines.conftest import EMBEDDER
from tests.engines.indexes import cluster_settings
from tests.engines.local_index.bank import FEBRUARY, STAFF, put, search, texts
from tests.servers.elasticsearch import Node, new_node


def test_a_node_that_answers_nothing_is_given_up_at_the_deadline_and_then_left_alone_and_the_local_index_takes_its_place_where_it_may(
    catalogue: Catalogue, settings: Elasticsearch, elasticsearch_node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(catalogue, "a", "fee", (1, 0))
    warm = ElasticsearchIndex.open(
        settings.model_copy(update={"search_seconds": 60}), catalogue, EMBEDDER, 2
    )  # a new node takes seconds for its first searches
    search(warm, (1, 0), "fee")
    warm.close()
    hasty = settings.model_copy(update={"search_seconds": 0.5, "breaker_failures": 2, "breaker_seconds": 0.01})
    alone = opened(hasty.model_copy(update={"breaker_seconds": 3600}), catalogue)
    both = FallbackIndex(lambda: ElasticsearchIndex.open(hasty, catalogue, EMBEDDER, 2), LocalIndex(catalogue, tmp_path / "index", EMBEDDER, 2))
    with monkeypatch.context() as patch:
        patch.setattr("engines.fallback_index._OPEN_AGAIN_SECONDS", 0)
        while search(both, (1, 0), "fee").fallback:  # half a second may be too little now, too, where the machine is busy
            both.refresh()
    assert both.trouble == ""
    elasticsearch_node.freeze()
    try:
        for _ in range(2):
            with pytest.raises(IndexUnavailable, match=r"did not answer within 0\.5 s"):
                search(alone, (1, 0), "fee")
        with pytest.raises(IndexUnavailable, match="is left alone for a moment"):
            search(alone, (1, 0), "fee")
        put(catalogue, "b", "new fee", (0, 1))
        for _ in range(2):
            assert both.refresh() == 2
            found = search(both, (1, 0), "fee")
            assert (found.fallback, sorted(texts(catalogue, found.word))) == (True, ["fee", "new fee"])
        assert both.trouble.startswith("the local index answers: Elasticsearch at ")
        late = FallbackIndex(lambda: ElasticsearchIndex.open(hasty, catalogue, EMBEDDER, 2), LocalIndex(catalogue, tmp_path / "late", EMBEDDER, 2))
        late.refresh()
        assert search(late, (1, 0), "fee").fallback
    finally:
        elasticsearch_node.thaw()
    monkeypatch.setattr("engines.fallback_index._OPEN_AGAIN_SECONDS", 0)
    for index in (both, late):
        while search(index, (1, 0), "fee").fallback:  # until the breaker lets one try
            assert index.refresh() == 2
        assert (len(search(index, (1, 0), "fee").word), index.trouble) == (2, "")
        index.close()
    alone.close()


def opened(settings: Elasticsearch, catalogue: Catalogue) -> ElasticsearchIndex:
    """An index, as soon as the node keeps the time limit of the settings."""
    for _ in range(100):
        with suppress(IndexUnavailable):
            return ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    return ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)


def test_a_node_killed_in_the_middle_of_a_load_loses_nothing_that_it_acknowledged_and_nothing_is_there_twice(
    catalogue: Catalogue, settings: Elasticsearch, elasticsearch_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.elasticsearch_index.index.STEP", 20)
    index = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    for number in range(60):
        put(catalogue, f"document-{number}", f"fee {number}", (1, 0))
    writes, real = 0, bulk.write

    def killed_in_between(*arguments: Any) -> dict[str, str]:
        nonlocal writes
        writes += 1
        if writes == 3:  # between the second step's documents and its number: some are there, and none says so
            elasticsearch_node.kill()
        return real(*arguments)

    monkeypatch.setattr("engines.elasticsearch_index.index.write", killed_in_between)
    with pytest.raises(IndexUnavailable):
        index.snapshot()
    acknowledged = index.sequence
    with pytest.raises(IndexUnavailable, match="cannot be reached"):
        search(index, (1, 0), "fee")
    elasticsearch_node.start()
    again = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    assert again.sequence == 60 > acknowledged >= 20
    entries = list(catalogue.documents.index_entries(EMBEDDER))
    assert (again.chunk_ids(), again.count(), dict(again.differences(entries))) == ([entry.chunk_id for entry in entries], 60, {})
    assert len({hit.chunk_id for hit in search(again, (1, 0), "fee", depth=100).vector}) == 60
    assert index.refresh() == 60  # the process that saw it go goes on as well
    assert len(search(index, (1, 0), "fee", depth=100).word) == 60
    again.close()
    index.close()


@pytest.fixture
def three(tmp_path: Path, java_classes: Path) -> Iterator[list[Node]]:
    """Nodes of one cluster. None is given up because it is slow: a node that hangs does so unnoticed, and a busy machine loses none."""
    nodes = [new_node(tmp_path / name, name) for name in ("n1", "n2", "n3")]
    patient = (option for check in ("follower_check", "leader_check") for option in ("-E", f"cluster.fault_detection.{check}.timeout=10m"))
    options = ("--heap", "256m", "--cache", str(java_classes), *patient)
    for node in nodes:
        node.options = options
    with ExitStack() as stack:
        nodes[0].start()
        stack.callback(nodes[0].kill)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.start("--seed", nodes[0].transport), nodes[1:]))
        for node in nodes[1:]:
            stack.callback(node.kill)
        yield nodes


def test_three_nodes_lose_any_one_and_neither_searches_nor_writes_fail(three: list[Node], catalogue: Catalogue) -> None:
    settings = cluster_settings(three[0].url, replicas=1, hosts=tuple(node.url for node in three), search_seconds=40)
    index = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    one_hangs(three, catalogue, settings)
    written, searched, failures = 0, 0, []
    stop = threading.Event()

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            put(catalogue, f"document-{written}", f"fee {written}", (1, 0))
            written += 1
            try:
                index.snapshot()
            except IndexUnavailable as error:
                failures.append(error.message)

    def read() -> None:
        nonlocal searched
        while not stop.is_set():
            before = index.sequence
            try:
                found = index.search(None, ["fee"], Filter(STAFF, FEBRUARY), 1000)
            except IndexUnavailable as error:
                failures.append(error.message)
                continue
            if len(found.word) < before:
                failures.append(f"{len(found.word)} found, {before} acknowledged before")
            searched += 1

    def more_of_both() -> None:
        until = (written + 5, searched + 5)
        while (written, searched) < until and not failures:
            stop.wait(0.01)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        for lost in three:
            wait_for(next(node for node in three if node is not lost), "green")
            more_of_both()
            lost.kill()
            more_of_both()
            if lost is not three[-1]:
                lost.start("--seed", next(node for node in three if node is not lost).transport)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    index.snapshot()
    entries = list(catalogue.documents.index_entries(EMBEDDER))
    assert (len(entries), index.chunk_ids()) == (2 + written, [entry.chunk_id for entry in entries])
    assert dict(index.differences(entries)) == {}
    index.close()


def one_hangs(nodes: list[Node], catalogue: Catalogue, settings: Elasticsearch) -> None:
    """A node with a copy of the index takes requests and answers none, and the others have not noticed yet."""
    index = ElasticsearchIndex.open(settings.model_copy(update={"search_seconds": 12, "follow_seconds": 1, "write_seconds": 120}), catalogue, EMBEDDER, 2)
    put(catalogue, "before", "fee before", (1, 0))
    index.snapshot()
    wait_for(nodes[0], "green")
    holders = {shard["node"] for shard in httpx.get(f"{nodes[0].url}/_cat/shards/{settings.prefix}-*?format=json", timeout=30).json()}
    hung = next(node for node in nodes if node.name in holders)
    for node in nodes:  # the first search of a node takes seconds on a busy machine, of which the ones below have three for each node
        httpx.get(f"{node.url}/{settings.prefix}-*/_search?q=tokens:fee&preference=_local", timeout=60).raise_for_status()
    hung.freeze()
    try:
        for words in (["fee"], ["fee", "card"], ["fee", "rate"]):  # which copy is asked depends on the words
            assert len(index.search(None, words, Filter(STAFF, FEBRUARY), 10).word) == 1
        # what cannot be written now does not hold up a search
        before = index.sequence
        put(catalogue, "after", "fee after", (1, 0))
        assert index.refresh() == before
    finally:
        hung.thaw()
    index.snapshot()
    assert len(index.search(None, ["fee"], Filter(STAFF, FEBRUARY), 10).word) == 2
    index.close()


def wait_for(node: Node, health: str) -> None:
    """Until the cluster says so, or a minute is over."""
    answer = httpx.get(f"{node.url}/_cluster/health?wait_for_status={health}&wait_for_no_relocating_shards=true&timeout=60s", timeout=70)
    assert answer.json()["status"] == health, answer.text
