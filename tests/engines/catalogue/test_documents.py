"""Documents and versions: what is stored, what can be found when and by whom, and what indexes are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from core.errors import DocumentRefused, NotFound
from core.ports import Filter
from core.types import Chunk
from engines.catalogue import Catalogue
from engines.catalogue.validity import Window
from tests.engines.conftest import EMBEDDER, FEES, dated, publish

JAN, FEB, MAR = (date(2026, month, 1) for month in range(1, 4))
STAFF = frozenset({"staff"})


def shown(catalogue: Catalogue, groups: frozenset[str] = STAFF, as_of: date = FEB) -> list[tuple[str, int]]:
    """Document and version of every chunk that the catalogue lets through."""
    ids = [entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER)]
    passages = catalogue.documents.readable_passages(ids, Filter(groups, as_of))
    return sorted((passage.document_id, passage.version) for passage in passages.values())


# -- publishing ------------------------------------------------------------------------------------


def test_a_version_is_stored_with_everything_that_is_known_of_it(catalogue: Catalogue) -> None:
    version = replace(FEES, title="收费表", language="zh", product="cards", groups=("staff", "risk"), valid_from=JAN, valid_until=MAR, text="年费为每年120元。")
    published = publish(catalogue, version, ["年费为每年120元。", "挂失20元。"])
    assert (published.document_id, published.version, published.created, published.chunks) == ("fees", 1, True, 2)
    info = catalogue.documents.version("fees", 1)
    assert (info.title, info.language, info.product, info.data_level, info.state) == ("收费表", "zh", "cards", "internal", "ready")
    assert (info.groups, info.valid_from, info.valid_until, info.in_force) == (("risk", "staff"), JAN, MAR, (Window(JAN, MAR),))
    assert (info.file_name, info.media_type, info.content_digest, info.chunks) == ("fees.txt", "text/plain", "bytes 1", 2)
    assert info.recorded_at.tzinfo is not None
    assert catalogue.documents.text("fees", 1) == "年费为每年120元。"
    first, second = catalogue.documents.index_entries(EMBEDDER)
    assert {first.text, second.text} == {"收费表\nCards\n年费为每年120元。", "收费表\nCards\n挂失20元。"}
    assert sorted(entry.vector.tolist() for entry in (first, second)) == [[1.0, 0.0], [1.0, 1.0]]
    assert first.groups == ("risk", "staff")
    assert first.chunk_id < second.chunk_id


def test_the_same_bytes_and_metadata_are_the_same_version(catalogue: Catalogue) -> None:
    publish(catalogue, FEES)
    again = publish(catalogue, FEES)
    assert (again.version, again.created, again.chunks) == (1, False, 1)
    assert catalogue.documents.unchanged("fees", "bytes 1", "metadata 1", EMBEDDER) == again
    assert catalogue.documents.unchanged("fees", "bytes 2", "metadata 1", EMBEDDER) is None
    assert catalogue.documents.unchanged("fees", "bytes 1", "metadata 2", EMBEDDER) is None
    assert catalogue.documents.unchanged("other", "bytes 1", "metadata 1", EMBEDDER) is None
    assert catalogue.documents.unchanged("fees", "bytes 1", "metadata 1", "other") is None
    assert publish(catalogue, replace(FEES, metadata_digest="metadata 2")).version == 2
    assert publish(catalogue, FEES).version == 3  # version 1 was replaced whole, so saying it again is news


def test_the_versions_of_a_document_that_are_taken_in_again_are_no_news(catalogue: Catalogue) -> None:
    old, new = dated(1, None, None), dated(2, FEB, None)
    assert [publish(catalogue, version).version for version in (old, new, old, new)] == [1, 2, 1, 2]
    assert catalogue.documents.counts()["versions"] == 2
    catalogue.documents.withdraw("fees", 1)
    assert publish(catalogue, old).version == 3


def test_many_threads_that_publish_the_same_file_make_one_version(catalogue: Catalogue) -> None:
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: publish(catalogue, FEES, ["one", "two"]), range(20)))
    assert [result.created for result in results].count(True) == 1
    assert {(result.version, result.chunks) for result in results} == {(1, 2)}
    assert catalogue.documents.counts() == {"documents": 1, "versions": 1, "chunks": 2}
    assert catalogue.documents.head() == 2


def test_many_threads_that_publish_other_bytes_make_as_many_versions(catalogue: Catalogue) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: publish(catalogue, dated(number, None, None)), range(8)))
    assert sorted(result.version for result in results) == list(range(1, 9))
    assert shown(catalogue) == [("fees", 8)]


def test_a_publication_that_fails_stores_nothing(catalogue: Catalogue) -> None:
    piece = (Chunk(0, (), None, 0, 1, "x"), "digest")
    vectors = np.zeros((1, 2), np.float32)
    with pytest.raises(IntegrityError):  # the embedder is not known
        catalogue.documents.publish(FEES, [piece], "unknown", vectors)
    with pytest.raises(ValueError, match="shorter"):  # fewer vectors than chunks
        catalogue.documents.publish(FEES, [piece, (replace(piece[0], ordinal=1), "digest")], EMBEDDER, vectors)
    assert catalogue.documents.counts() == {"documents": 0, "versions": 0, "chunks": 0}
    assert catalogue.documents.head() == 0
    assert publish(catalogue, FEES).version == 1


def test_vectors_of_texts_that_were_embedded_before_are_found(catalogue: Catalogue) -> None:
    publish(catalogue, FEES, ["one", "two"])
    known = catalogue.documents.known_vectors(EMBEDDER, ["digest of two", "digest of three"])
    assert {digest: vector.tolist() for digest, vector in known.items()} == {"digest of two": [1.0, 1.0]}
    assert catalogue.documents.known_vectors("other", ["digest of two"]) == {}
    assert catalogue.documents.known_vectors(EMBEDDER, []) == {}
    many = [f"digest {number}" for number in range(12_000)]
    assert list(catalogue.documents.known_vectors(EMBEDDER, [*many, "digest of one"])) == ["digest of one"]


# -- which version applies -------------------------------------------------------------------------


def test_a_new_version_takes_over_on_its_first_day(catalogue: Catalogue) -> None:
    publish(catalogue, dated(1, None, None))
    publish(catalogue, dated(2, FEB, None))
    assert [info.in_force for info in catalogue.documents.versions("fees")] == [(Window(None, FEB),), (Window(FEB, None),)]
    assert shown(catalogue, as_of=date(2026, 1, 31)) == [("fees", 1)]
    assert shown(catalogue, as_of=FEB) == [("fees", 2)]


def test_withdrawing_the_newest_version_brings_the_one_before_back(catalogue: Catalogue) -> None:
    publish(catalogue, dated(1, None, None))
    publish(catalogue, dated(2, FEB, None))
    assert catalogue.documents.withdraw("fees", 2) == 1
    assert shown(catalogue, as_of=MAR) == [("fees", 1)]
    first, second = catalogue.documents.versions("fees")
    assert (first.state, first.in_force, second.state, second.in_force) == ("ready", (Window(None, None),), "withdrawn", ())
    assert second.withdrawn_at is not None
    assert publish(catalogue, dated(2, FEB, None)).version == 3  # a withdrawn version is no version to be the same as


def test_withdrawing_a_document_takes_every_version_out_at_once(catalogue: Catalogue) -> None:
    publish(catalogue, dated(1, None, None))
    publish(catalogue, dated(2, FEB, None))
    ids = [entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER)]
    assert catalogue.documents.withdraw("fees") == 2
    assert catalogue.documents.readable_passages(ids, Filter(STAFF, FEB)) == {}
    assert list(catalogue.documents.index_entries(EMBEDDER)) == []
    assert catalogue.documents.counts() == {"documents": 0, "versions": 2, "chunks": 2}


@pytest.mark.parametrize(("document_id", "number"), [("other", None), ("fees", 0), ("fees", 2), ("gone", None), ("gone", 1)])
def test_what_is_not_there_or_gone_already_cannot_be_withdrawn(catalogue: Catalogue, document_id: str, number: int | None) -> None:
    publish(catalogue, FEES)
    publish(catalogue, replace(FEES, document_id="gone"))
    catalogue.documents.withdraw("gone")
    head = catalogue.documents.head()
    with pytest.raises(NotFound, match=f"no document '{document_id}'") as missing:
        catalogue.documents.withdraw(document_id, number)
    assert missing.value.code == "document_not_found"
    assert catalogue.documents.head() == head
    assert shown(catalogue) == [("fees", 1)]


_DAYS = st.none() | st.sampled_from([date(2026, 1, day) for day in range(2, 9)])
_STEPS = st.lists(st.tuples(st.sampled_from(["publish", "publish", "withdraw"]), _DAYS, _DAYS), min_size=1, max_size=7)


@settings(derandomize=True, max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_each_day_has_the_version_that_brute_force_says_and_a_follower_of_the_log_agrees(
    catalogue: Catalogue, steps: list[tuple[str, date | None, date | None]]
) -> None:
    document = f"document-{catalogue.documents.head()}-{catalogue.documents.counts()['versions']}"
    stored: list[tuple[date | None, date | None, bool]] = []

    def in_index(chunk_ids: list[str] | None = None) -> dict[str, tuple[Window, ...]]:
        return {entry.chunk_id: entry.windows for entry in catalogue.documents.index_entries(EMBEDDER, chunk_ids)}

    followed = in_index()
    for number, (step, start, end) in enumerate(steps):
        before = catalogue.documents.head()
        if step == "withdraw":
            ready = [place for place, (_, _, is_ready) in enumerate(stored) if is_ready]
            if not ready:
                continue
            place = ready[number % len(ready)]
            catalogue.documents.withdraw(document, place + 1)
            stored[place] = (*stored[place][:2], False)
        elif start is None or end is None or start < end:
            publish(catalogue, replace(dated(number, start, end), document_id=document), [f"text {number}"])
            stored.append((start, end, True))
        changed = catalogue.documents.changed_chunks(before, catalogue.documents.head())
        for chunk_id in changed:
            followed.pop(chunk_id, None)
        followed |= in_index(changed)

    assert followed == in_index()
    for day in range(1, 10):
        as_of = date(2026, 1, day)
        valid = [
            number
            for number, (start, end, is_ready) in enumerate(stored, start=1)
            if is_ready and (start is None or start <= as_of) and (end is None or as_of < end)
        ]
        passages = catalogue.documents.readable_passages(list(followed), Filter(STAFF, as_of))
        assert [passage.version for passage in passages.values() if passage.document_id == document] == valid[-1:]


# -- who may read ----------------------------------------------------------------------------------


def test_only_the_groups_of_a_version_may_read_it(catalogue: Catalogue) -> None:
    publish(catalogue, replace(FEES, document_id="a", groups=("staff",)))
    publish(catalogue, replace(FEES, document_id="b", groups=("risk", "compliance")))
    publish(catalogue, replace(FEES, document_id="c", groups=("public",)))
    assert shown(catalogue, frozenset({"staff", "public"})) == [("a", 1), ("c", 1)]
    assert shown(catalogue, frozenset({"risk"})) == [("b", 1)]
    assert shown(catalogue, frozenset({"sta", "staffs", '"staff"'})) == []
    assert shown(catalogue, frozenset()) == []


def test_a_passage_says_where_it_stands(catalogue: Catalogue) -> None:
    publish(catalogue, FEES, ["年费120元。"])
    (entry,) = catalogue.documents.index_entries(EMBEDDER)
    passage = catalogue.documents.readable_passages([entry.chunk_id, "unknown"], Filter(STAFF, FEB))[entry.chunk_id]
    assert (passage.document_id, passage.version, passage.title, passage.heading_path, passage.page, passage.start, passage.end, passage.text) == (
        "fees", 1, "Fees", ("Cards",), 1, 0, 7, "年费120元。",
    )  # fmt: skip


def test_what_an_uploader_may_not_read_he_cannot_replace(catalogue: Catalogue) -> None:
    publish(catalogue, replace(FEES, groups=("risk",)))
    publish(catalogue, replace(FEES, groups=("staff",), valid_from=FEB, metadata_digest="metadata 2"))
    mine = replace(FEES, groups=("staff",), content_digest="mine")
    with pytest.raises(DocumentRefused, match=r"^document_id fees is not free for this key; give another document_id$") as refused:
        publish(catalogue, mine, readable=STAFF)
    assert refused.value.code == "document_taken"
    with pytest.raises(DocumentRefused) as wholly:
        publish(catalogue, mine, readable=frozenset({"nobody"}))
    assert wholly.value.message == refused.value.message
    assert len(catalogue.documents.versions("fees")) == 2
    catalogue.documents.withdraw("fees", 1)
    assert publish(catalogue, mine, readable=STAFF).version == 3
    assert publish(catalogue, replace(mine, content_digest="any"), readable=None).version == 4


def test_a_name_alone_does_not_make_another_file_a_new_version(catalogue: Catalogue) -> None:
    publish(catalogue, FEES, id_was_chosen=False)
    other = replace(FEES, content_digest="bytes of another file")
    with pytest.raises(DocumentRefused, match=r"another file of the name fees\.txt is document fees; give that document_id") as refused:
        publish(catalogue, other, id_was_chosen=False)
    assert refused.value.code == "document_taken"
    assert publish(catalogue, replace(FEES, metadata_digest="metadata 2"), id_was_chosen=False).version == 2
    assert publish(catalogue, other).version == 3
    catalogue.documents.withdraw("fees")
    assert publish(catalogue, replace(FEES, content_digest="bytes 4"), id_was_chosen=False).version == 4


def test_who_may_not_read_all_of_a_document_withdraws_nothing_of_it(catalogue: Catalogue) -> None:
    publish(catalogue, FEES)
    publish(catalogue, replace(FEES, groups=("risk",), valid_from=FEB, metadata_digest="metadata 2"))
    for number in (None, 1, 2):
        with pytest.raises(NotFound) as refused:
            catalogue.documents.withdraw("fees", number, STAFF)
        with pytest.raises(NotFound) as missing:
            catalogue.documents.withdraw("feed", number, STAFF)
        assert refused.value.message == missing.value.message.replace("feed", "fees")
    assert [info.state for info in catalogue.documents.versions("fees")] == ["ready", "ready"]
    assert catalogue.documents.withdraw("fees", 2) == 1
    assert catalogue.documents.withdraw("fees", readable=STAFF) == 1


def test_what_a_reader_may_not_know_of_ends_no_validity_that_he_sees(catalogue: Catalogue) -> None:
    publish(catalogue, replace(FEES, valid_until=MAR))
    publish(catalogue, replace(FEES, groups=("risk",), valid_from=FEB, metadata_digest="metadata 2"))
    (seen,) = catalogue.documents.versions("fees", STAFF)
    assert (seen.number, seen.in_force) == (1, (Window(None, MAR),))
    assert [info.in_force for info in catalogue.documents.versions("fees")] == [(Window(None, FEB),), (Window(FEB, None),)]
    (listed,) = catalogue.documents.newest(STAFF)
    assert listed == seen
    assert shown(catalogue, as_of=FEB) == []  # what is found follows all versions


def test_lists_show_the_newest_version_that_the_groups_may_read(catalogue: Catalogue) -> None:
    for document_id, groups in [("a", ("staff",)), ("b", ("risk",)), ("c", ("staff", "risk")), ("d", ("staff",))]:
        publish(catalogue, replace(FEES, document_id=document_id, groups=groups))
    publish(catalogue, replace(FEES, document_id="d", groups=("risk",), metadata_digest="metadata 2"))
    catalogue.documents.withdraw("a")

    def listed(readable: frozenset[str] | None = None, after: str = "", limit: int = 100) -> list[tuple[str, int, str]]:
        return [(info.document_id, info.number, info.state) for info in catalogue.documents.newest(readable, after, limit)]

    everything = [("a", 1, "withdrawn"), ("b", 1, "ready"), ("c", 1, "ready"), ("d", 2, "ready")]
    assert listed() == everything
    assert listed(STAFF) == [everything[0], everything[2], ("d", 1, "ready")]
    assert listed(STAFF, limit=1) == [everything[0]]
    assert listed(STAFF, after="a", limit=1) == [everything[2]]
    assert listed(after="d") == []


def test_what_a_caller_may_not_read_does_not_exist_for_him(catalogue: Catalogue) -> None:
    publish(catalogue, replace(FEES, groups=("risk",)))
    publish(catalogue, replace(FEES, groups=("staff",), metadata_digest="metadata 2"))
    assert [info.number for info in catalogue.documents.versions("fees", STAFF)] == [2]
    assert catalogue.documents.version("fees", 2, STAFF).number == 2
    nobody = frozenset({"nobody"})
    with pytest.raises(NotFound) as hidden:
        catalogue.documents.versions("fees", nobody)
    with pytest.raises(NotFound) as missing:
        catalogue.documents.versions("feed", nobody)
    assert hidden.value.message == missing.value.message.replace("feed", "fees")
    for number in (1, 3):
        with pytest.raises(NotFound, match=f"no version {number}") as refused:
            catalogue.documents.version("fees", number, STAFF)
        assert refused.value.code == "document_not_found"
    with pytest.raises(NotFound, match="no version 3"):
        catalogue.documents.text("fees", 3)


# -- the change log --------------------------------------------------------------------------------


def test_the_log_names_each_chunk_whose_validity_changed(catalogue: Catalogue) -> None:
    publish(catalogue, dated(1, None, None), ["one", "two"])
    head = catalogue.documents.head()
    assert head == 2
    publish(catalogue, dated(2, FEB, None), ["three"])
    assert catalogue.documents.head() == 5  # the two of version 1 end in February, the one of version 2 begins
    assert len(catalogue.documents.changed_chunks(head, 5)) == 3
    publish(catalogue, dated(3, JAN, FEB), ["four"])
    assert len(catalogue.documents.changed_chunks(5, catalogue.documents.head())) == 3  # version 2 is not touched
    assert catalogue.documents.changed_chunks(5, 5) == []
    assert [catalogue.documents.mark(number) is None for number in (0, 1, 5, 99)] == [True, False, False, True]


def test_chunks_that_another_model_embedded_are_left_out_and_counted_until_they_are_taken_in_again(catalogue: Catalogue) -> None:
    texts = ["one", "two"]
    publish(catalogue, FEES, texts)
    publish(catalogue, replace(FEES, document_id="loans"), texts)
    catalogue.documents.add_embedder("other", "new", 2)
    assert list(catalogue.documents.index_entries("other")) == []
    ids = [entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER)]
    assert [catalogue.documents.without_vectors("other", which) for which in (None, ids[:1], [])] == [4, 1, 0]
    assert catalogue.documents.without_vectors(EMBEDDER) == 0
    head = catalogue.documents.head()
    again = publish(catalogue, FEES, texts, embedder="other")
    assert (again.version, again.created, again.chunks) == (1, True, 2)
    assert publish(catalogue, FEES, texts, embedder="other") == replace(again, created=False)
    assert catalogue.documents.unchanged("fees", "bytes 1", "metadata 1", "other") == replace(again, created=False)
    found = [entry.chunk_id for entry in catalogue.documents.index_entries("other")]
    assert len(found) == 2
    assert catalogue.documents.changed_chunks(head, catalogue.documents.head()) == found
    assert catalogue.documents.without_vectors("other") == 2
    assert len(list(catalogue.documents.index_entries(EMBEDDER))) == 4
    catalogue.documents.withdraw("loans")
    assert catalogue.documents.without_vectors("other") == 0
    catalogue.documents.add_embedder("third", "newer", 2)
    assert publish(catalogue, FEES, ["cut otherwise"], embedder="third").version == 2
