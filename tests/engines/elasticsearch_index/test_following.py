"""How the index keeps up with the catalogue: refusals, blocks, other writers, and being made anew while both go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from core.errors import IndexRefused
from core.settings import Elasticsearch
from engines.catalogue import Catalogue
from engines.elasticsearch_index.bulk import put as put_operation
from engines.elasticsearch_index.bulk import remove, write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.index import ElasticsearchIndex
from engines.elasticsearch_index.layout import alias
from tests.engines.conftest import EMBEDDER
from tests.engines.local_index.bank import put, search, texts


@pytest.fixture
def index(settings: Elasticsearch, catalogue: Catalogue) -> Iterator[ElasticsearchIndex]:
    opened = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    yield opened
    opened.close()


def words_found(index: ElasticsearchIndex, catalogue: Catalogue, words: str) -> list[str]:
    return texts(catalogue, search(index, None, words).word)


def names(settings: Elasticsearch) -> dict[str, Any]:
    """The indexes that there are, each with its aliases."""
    found: dict[str, Any] = httpx.get(f"{settings.hosts[0]}/{settings.prefix}-*/_alias", timeout=30).json()
    return {name: sorted(one["aliases"]) for name, one in found.items()}


def test_one_document_that_the_index_will_not_take_is_named_and_holds_up_no_other(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, caplog: pytest.LogCaptureFixture
) -> None:
    put(catalogue, "a", "fee", (1, 0))
    put(catalogue, "b", "bad fee", (1, 0, 0))  # a damaged vector
    put(catalogue, "c", "last fee", (0, 1))
    assert index.refresh() == 3
    assert sorted(words_found(index, catalogue, "fee")) == ["fee", "last fee"]
    ((chunk_id, why),) = index.refused().items()
    assert "does not match the expected length of [8]" in why
    assert f"chunk {chunk_id} is not in the index: " in caplog.text
    second = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)  # it is kept for all to see, and for the next index
    assert second.refused() == index.refused()
    assert (second.rebuild(), list(second.refused())) == (2, [chunk_id])
    assert "2 chunks" not in second.examine()
    assert second.examine().endswith("at change 3, 1 chunks refused")
    second.close()
    put(catalogue, "b", "good fee", (0.6, 0.8))
    index.refresh()
    assert (index.refused(), len(words_found(index, catalogue, "fee"))) == ({}, 3)


def test_a_request_that_is_too_large_is_cut_in_two_until_what_is_too_large_is_one_document(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, through_proxy: Callable[..., Elasticsearch]
) -> None:
    for number in range(4):
        put(catalogue, f"document-{number}", f"fee {number}" + " word" * (900 if number == 2 else 5), (1, 0))
    behind = ElasticsearchIndex.open(through_proxy(settings, "client_max_body_size 2k;"), catalogue, EMBEDDER, 2)
    assert (behind.sequence, len(behind.refused()), len(words_found(behind, catalogue, "fee"))) == (4, 1, 3)
    assert list(behind.refused().values()) == ["the document is larger than the cluster, or a proxy before it, lets through (413)"]
    behind.close()


def test_while_the_index_may_not_be_written_what_is_there_is_found_and_afterwards_all(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engines.elasticsearch_index.index._WRITE_AGAIN_SECONDS", 0)
    put(catalogue, "a", "old fee", (1, 0))
    index.refresh()

    def block(kind: str, value: bool | None) -> None:
        body = {f"index.blocks.{kind}": value}
        httpx.put(f"{settings.hosts[0]}/{settings.prefix}-*/_settings", json=body, timeout=30).raise_for_status()

    block("read_only_allow_delete", True)  # as Elasticsearch itself does where a disk is nearly full
    put(catalogue, "b", "new fee", (0, 1))
    for _ in range(2):
        assert index.refresh() == 1
    assert words_found(index, catalogue, "fee") == ["old fee"]
    assert index.trouble.startswith("changes since 1 are not found yet: ")
    assert "blocked by" in index.trouble
    assert len([record for record in caplog.records if "stays at change 1" in record.getMessage()]) == 1  # said once
    block("read_only_allow_delete", None)
    block("write", True)
    assert (index.refresh(), words_found(index, catalogue, "fee")) == (1, ["old fee"])
    started = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)  # a process may start all the same
    assert (started.sequence, words_found(started, catalogue, "fee"), started.trouble != "") == (1, ["old fee"], True)
    started.close()
    with pytest.raises(IndexRefused, match=r"does not let .* be written"):
        write(Cluster(settings), alias(settings, EMBEDDER), [remove("0" * 64, 9)])
    block("write", None)
    assert index.refresh() == 2
    assert (sorted(words_found(index, catalogue, "fee")), index.trouble) == (["new fee", "old fee"], "")


def test_who_slept_with_the_lease_in_hand_cannot_undo_what_was_written_since(catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index.refresh()
    (old,) = catalogue.documents.index_entries(EMBEDDER)
    catalogue.documents.withdraw("a")
    assert index.refresh() == 2
    assert write(Cluster(settings), alias(settings, EMBEDDER), [put_operation(old, 1)]) == {}
    put(catalogue, "b", "other fee", (1, 0))  # what makes the index show what was written
    index.refresh()
    assert words_found(index, catalogue, "fee") == ["other fee"]


def test_a_search_brings_the_index_up_only_as_far_as_it_has_time(
    catalogue: Catalogue, settings: Elasticsearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurried = settings.model_copy(update={"follow_seconds": 1e-9})
    index = ElasticsearchIndex.open(hurried, catalogue, EMBEDDER, 2)
    monkeypatch.setattr("engines.elasticsearch_index.index.STEP", 2)
    for number in range(5):
        put(catalogue, f"document-{number}", f"fee {number}", (1, 0))
    assert index.refresh() == 0
    assert "the index is at change 0 of 5" in caplog.text
    assert index.snapshot()  # who is not in a hurry does all
    assert (index.sequence, len(words_found(index, catalogue, "fee"))) == (5, 5)
    index.close()


def test_a_search_does_not_wait_for_another_one_that_waits_for_the_cluster(catalogue: Catalogue, settings: Elasticsearch) -> None:
    index = ElasticsearchIndex.open(settings.model_copy(update={"follow_seconds": 0.1}), catalogue, EMBEDDER, 2)
    put(catalogue, "a", "fee", (1, 0))
    found: list[int] = []
    with index._lock:  # as a thread holds it that brings the index up
        other = threading.Thread(target=lambda: found.append(index.refresh()), daemon=True)
        other.start()
        other.join(60)
        assert found == [0]
    index.snapshot()
    assert index.sequence == 1
    index.close()


def test_an_index_of_another_catalogue_is_left_alone(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, fresh: Callable[[], Any]
) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index.refresh()
    before = names(settings)
    other = Catalogue.open(fresh())
    put(other, "b", "other fee", (1, 0))
    with pytest.raises(IndexRefused, match="follows another catalogue"):
        ElasticsearchIndex.open(settings, other, EMBEDDER, 2)
    assert (names(settings), words_found(index, catalogue, "fee")) == (before, ["fee"])
    mine = ElasticsearchIndex(settings, other, EMBEDDER, 2)
    assert mine.rebuild() == 1  # whoever says so takes it over
    put(catalogue, "c", "fee", (1, 0))
    with pytest.raises(IndexRefused, match="follows another catalogue"):
        index.refresh()
    mine.close()
    other.close()


def test_an_index_that_somebody_deletes_is_not_made_by_writing_to_it(catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index.refresh()
    (name,) = names(settings)
    httpx.delete(f"{settings.hosts[0]}/{name}", timeout=30).raise_for_status()
    with pytest.raises(IndexRefused, match="has nothing to search"):
        search(index, None, "fee")
    with pytest.raises(IndexRefused, match="bankassist index rebuild --to elasticsearch"):
        index.refresh()
    with pytest.raises(IndexRefused, match="has no index"):
        write(Cluster(settings), alias(settings, EMBEDDER), [remove("0" * 64, 9)])
    assert names(settings) == {}
    assert index.rebuild() == 1
    assert words_found(index, catalogue, "fee") == ["fee"]


def test_made_anew_under_searches_and_writes_it_loses_neither(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.elasticsearch_index.bulk.BATCH", 3)
    for number in range(20):
        put(catalogue, f"early-{number}", f"fee {number}", (1, 0))
    index.refresh()
    stop, counts, failures = threading.Event(), [], []

    def write_and_search() -> None:
        number = 0
        try:
            while not stop.is_set():
                put(catalogue, f"late-{number}", f"late {number}", (0, 1))
                number += 1
                index.refresh()
                found = search(index, (1, 0), "late", depth=100)
                counts.append((number, len(found.word), len(found.vector)))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=write_and_search)
    thread.start()
    other = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    for _ in range(2):
        other.rebuild()
    stop.set()
    thread.join()
    assert failures == []
    assert all(number == words and number + 20 == vectors for number, words, vectors in counts), counts
    assert len(counts) > 2
    (name,) = names(settings)
    assert name.endswith("-000003")
    other.close()


def test_a_rebuild_that_fails_leaves_the_index_as_it_was_and_one_that_was_killed_is_cleaned_up_by_the_next(
    catalogue: Catalogue, settings: Elasticsearch, index: ElasticsearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index.refresh()
    before = names(settings)
    with monkeypatch.context() as patched:
        patched.setattr("engines.elasticsearch_index.making.Maker._switch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.rebuild()
        assert names(settings) == before
        patched.setattr("engines.elasticsearch_index.making.Maker._delete", lambda *_: None)  # as one that was killed, which deletes nothing
        with pytest.raises(ZeroDivisionError):
            index.rebuild()
    assert len(names(settings)) == 2
    assert words_found(index, catalogue, "fee") == ["fee"]
    index.rebuild()
    assert [name.rpartition("-")[2] for name in names(settings)] == ["000003"]
    assert words_found(index, catalogue, "fee") == ["fee"]
