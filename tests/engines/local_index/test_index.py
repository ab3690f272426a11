"""Both legs of the local index: rankings worked out by hand, filters against brute force, and following the catalogue."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ports import Hit, Legs
from core.text.tokens import index_tokens
from core.types import Chunk
from engines.catalogue import Catalogue
from engines.catalogue.documents import _chunk_id
from engines.local_index.index import LocalIndex
from tests.engines.conftest import EMBEDDER, FEES, publish
from tests.engines.local_index.bank import FEBRUARY, STAFF, open_index, put, search, texts

JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


# -- rankings --------------------------------------------------------------------------------------


def test_the_vector_leg_ranks_by_the_inner_product(catalogue: Catalogue, folder: Path) -> None:
    for name, vector in {"east": (1.0, 0.0), "north-east": (0.6, 0.8), "north": (0.0, 1.0), "west": (-1.0, 0.0)}.items():
        put(catalogue, name, name, vector)
    index = open_index(catalogue, folder)
    found = search(index, (0.8, 0.6), "").vector
    assert texts(catalogue, found) == ["north-east", "east", "north", "west"]
    assert [hit.score for hit in found] == pytest.approx([0.96, 0.8, 0.6, -0.8])
    assert texts(catalogue, search(index, (-1, 0), "", depth=2).vector) == ["west", "north"]
    index.close()


def test_the_word_leg_ranks_by_bm25(catalogue: Catalogue, folder: Path) -> None:
    for name, text in {"a": "card fee fee", "b": "card fee abroad", "c": "card", "d": "年费 abroad"}.items():
        put(catalogue, name, text, (1, 0))
    index = open_index(catalogue, folder)
    # every text has a token more than it shows: the title; on average there are (4 + 4 + 2 + 3) / 4 = 3.25
    found = search(index, None, "fees").word
    assert texts(catalogue, found) == ["card fee fee", "card fee abroad"]
    rarity = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    length = 1.2 * (1 - 0.75 + 0.75 * 4 / 3.25)
    assert [hit.score for hit in found] == pytest.approx([rarity * 2 * 2.2 / (2 + length), rarity * 1 * 2.2 / (1 + length)], rel=1e-5)
    assert texts(catalogue, search(index, None, "年费").word) == ["年费 abroad"]
    assert texts(catalogue, search(index, None, "card abroad").word)[0] == "card fee abroad"
    assert search(index, None, "unknown").word == ()
    index.close()


def test_ties_go_by_chunk_id_whatever_the_depth(catalogue: Catalogue, folder: Path) -> None:
    for number in range(9):
        put(catalogue, f"document-{number}", "the same boilerplate", (0.6, 0.8))
    put(catalogue, "better", "boilerplate boilerplate boilerplate", (1.0, 0.0))
    index = open_index(catalogue, folder)
    whole = search(index, (1, 0), "boilerplate")
    same = [entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER) if "same" in entry.text]
    for leg in (whole.vector, whole.word):
        assert [hit.chunk_id for hit in leg[1:]] == same
    for depth in (1, 2, 5):
        cut = search(index, (1, 0), "boilerplate", depth=depth)
        assert (cut.vector, cut.word) == (whole.vector[:depth], whole.word[:depth])
    index.close()


def test_an_empty_index_finds_nothing(catalogue: Catalogue, folder: Path) -> None:
    index = open_index(catalogue, folder)
    assert search(index, (1, 0), "fee") == Legs((), ())
    assert (index.sequence, index.chunk_ids(), index.snapshot(), index.rebuild()) == (0, [], False, 0)
    index.close()


@pytest.mark.parametrize(
    ("vector", "words", "groups", "as_of"),
    [
        pytest.param(None, "", STAFF, FEBRUARY, id="no query"),
        pytest.param((1, 0), "fee", frozenset(), FEBRUARY, id="no groups"),
        pytest.param((1, 0), "fee", frozenset({"sta", "staff2"}), FEBRUARY, id="other groups"),
        pytest.param((1, 0), "fee", STAFF, date(2025, 12, 31), id="the day before"),
        pytest.param((1, 0), "fee", STAFF, MARCH, id="the day behind"),
        pytest.param((math.nan, math.nan), "", STAFF, FEBRUARY, id="no numbers"),
    ],
)
def test_what_is_not_asked_for_or_not_allowed_is_not_found(
    catalogue: Catalogue, folder: Path, vector: tuple[float, float] | None, words: str, groups: frozenset[str], as_of: date
) -> None:
    put(catalogue, "fees", "fee", (1, 0), start=JANUARY, end=MARCH)
    index = open_index(catalogue, folder)
    found = search(index, vector, words, groups, as_of)
    assert (found.vector, found.word) == ((), ())
    allowed = search(index, (1, 0), "fee", STAFF, JANUARY)
    assert (len(allowed.vector), len(allowed.word)) == (1, 1)
    index.close()


def test_a_rule_without_limits_applies_on_every_day(catalogue: Catalogue, folder: Path) -> None:
    put(catalogue, "fees", "fee", (1, 0))
    index = open_index(catalogue, folder)
    for as_of in (date.min, FEBRUARY, date.max):
        found = search(index, (1, 0), "fee", as_of=as_of)
        assert (len(found.vector), len(found.word)) == (1, 1)
    index.close()


# -- following the catalogue -----------------------------------------------------------------------


def test_an_acknowledged_change_is_found_by_the_next_search(catalogue: Catalogue, folder: Path) -> None:
    index = open_index(catalogue, folder)
    put(catalogue, "fees", "old fee", (1, 0))
    assert index.refresh() == index.sequence == catalogue.documents.head() == 1
    put(catalogue, "fees", "new fee", (0, 1), start=FEBRUARY)
    index.refresh()
    for as_of, text in [(date(2026, 1, 31), "old fee"), (FEBRUARY, "new fee")]:
        found = search(index, (1, 1), "fee", as_of=as_of)
        assert texts(catalogue, found.vector) == texts(catalogue, found.word) == [text]
    catalogue.documents.withdraw("fees", 2)
    index.refresh()
    assert texts(catalogue, search(index, (1, 1), "fee").word) == ["old fee"]
    catalogue.documents.withdraw("fees")
    index.refresh()
    assert (search(index, (1, 1), "fee").vector, search(index, (1, 1), "fee").word, index.chunk_ids()) == ((), (), [])
    index.close()


def test_changes_are_applied_in_batches(catalogue: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.local_index.index._BATCH", 2)
    for number in range(5):
        put(catalogue, f"early-{number}", f"fee {number}", (1, number))
    index = open_index(catalogue, folder)
    for number in range(5):
        put(catalogue, f"late-{number}", f"fee {number}", (1, number))
    index.refresh()
    found = search(index, (0, 1), "fee", depth=20)
    assert (len(found.vector), len(found.word), len(index.chunk_ids())) == (10, 10, 10)
    index.close()


def test_two_instances_on_one_folder_follow_the_same_catalogue(catalogue: Catalogue, folder: Path) -> None:
    put(catalogue, "a", "fee", (1, 0))
    first = open_index(catalogue, folder)
    second = open_index(catalogue, folder)
    put(catalogue, "b", "fee fee", (0, 1))
    assert first.refresh() == second.refresh() == 2
    assert first.snapshot(force=True)
    put(catalogue, "c", "fee fee fee", (1, 1))
    catalogue.documents.withdraw("a")
    for index in (first, second):
        index.refresh()
    expected = search(first, (1, 0), "fee")
    assert texts(catalogue, expected.vector) == ["fee fee fee", "fee fee"]
    assert search(second, (1, 0), "fee") == expected
    first.close()
    assert search(second, (1, 0), "fee") == expected
    second.close()
    assert not list(folder.glob(".work-*"))


def test_what_another_model_embedded_is_passed_over_and_told_once(catalogue: Catalogue, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(catalogue, "a", "fee", (1, 0))
    put(catalogue, "b", "fee", (0, 1))
    index = open_index(catalogue, folder, "f" * 64)  # a model that the catalogue does not know
    put(catalogue, "c", "fee", (1, 0))
    assert index.refresh() == 3
    assert (index.chunk_ids(), search(index, (1, 0), "fee")) == ([], Legs((), ()))
    index.close()
    assert [record.getMessage() for record in caplog.records] == [
        "2 chunks are not found: another model embedded them. Ingest their files again, or set models.embedding back"
    ]


def test_one_document_of_another_model_does_not_end_the_search(catalogue: Catalogue, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index = open_index(catalogue, folder)
    catalogue.documents.add_embedder("f" * 64, "other", 2)
    publish(catalogue, replace(FEES, document_id="b"), ["fee"], embedder="f" * 64)
    index.refresh()
    assert texts(catalogue, search(index, (1, 0), "fee").word) == ["fee"]
    assert "1 chunks are not found" in caplog.text
    publish(catalogue, replace(FEES, document_id="b"), ["fee"])
    index.refresh()
    assert len(search(index, (1, 0), "fee").word) == 2
    index.close()


def test_working_folders_of_killed_processes_are_removed(catalogue: Catalogue, folder: Path) -> None:
    living = open_index(catalogue, folder)
    (folder / ".work-killed" / "words").mkdir(parents=True)
    (folder / ".work-killed" / "words" / "meta.json").write_bytes(b"left")
    second = open_index(catalogue, folder)
    assert sorted(folder.glob(".work-*")) == sorted([living._work, second._work])
    living.close()
    second.close()
    assert list(folder.glob(".work-*")) == []


# -- against brute force ---------------------------------------------------------------------------


class _Document(NamedTuple):
    text: str
    vector: tuple[float, float]
    groups: tuple[str, ...]
    start: date | None
    end: date | None


_day = st.none() | st.sampled_from([date(2026, 1, day) for day in range(2, 8)])
_document = st.builds(
    _Document,
    st.lists(st.sampled_from(["fee", "card", "loan", "rate", "利率"]), min_size=1, max_size=6).map(" ".join),
    st.sampled_from([(1.0, 0.0), (0.8, 0.6), (0.6, 0.8), (0.0, 1.0), (-0.6, 0.8)]),
    st.lists(st.sampled_from(["staff", "risk", "public"]), min_size=1, max_size=2, unique=True).map(tuple),
    _day,
    _day,
).filter(lambda one: one.start is None or one.end is None or one.start < one.end)


@pytest.fixture(scope="module")
def fresh(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes home folders with an empty catalogue in them."""

    def make() -> Path:
        home = tmp_path_factory.mktemp("home")
        shutil.copy(empty, home)
        return home

    return make


def _allowed(documents: Mapping[str, _Document], groups: frozenset[str], as_of: date) -> list[str]:
    return [
        chunk_id
        for chunk_id, one in documents.items()
        if groups & set(one.groups) and (one.start is None or one.start <= as_of) and (one.end is None or as_of < one.end)
    ]


def _assert_best(found: tuple[Hit, ...], scores: Mapping[str, float], depth: int) -> None:
    """The hits are the best of the scores, up to rounding, and within a tie those of the smallest ids in order."""
    assert len(found) == min(depth, len(scores))
    assert [hit.score for hit in found] == pytest.approx(sorted(scores.values(), reverse=True)[: len(found)], rel=1e-5, abs=1e-6)
    assert list(found) == sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))
    for hit in found:
        assert hit.score == pytest.approx(scores[hit.chunk_id], rel=1e-5, abs=1e-6)
    if found:
        cut_off = set(scores) - {hit.chunk_id for hit in found}
        kept = [hit.chunk_id for hit in found if hit.score == found[-1].score]
        assert all(chunk_id > max(kept) for chunk_id in cut_off if scores[chunk_id] == pytest.approx(found[-1].score, rel=1e-5, abs=1e-6))


def _bm25(documents: Mapping[str, _Document], words: list[str]) -> dict[str, float]:
    tokens = {chunk_id: ["t", *index_tokens(one.text)] for chunk_id, one in documents.items()}
    average = sum(map(len, tokens.values())) / len(tokens)
    scores: defaultdict[str, float] = defaultdict(float)
    for word in set(words):
        having = {chunk_id: own.count(word) for chunk_id, own in tokens.items() if word in own}
        rarity = math.log(1 + (len(tokens) - len(having) + 0.5) / (len(having) + 0.5))
        for chunk_id, times in having.items():
            scores[chunk_id] += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(tokens[chunk_id]) / average))
    return scores


@settings(derandomize=True, max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bank=st.lists(_document, min_size=1, max_size=8),
    queries=st.lists(
        st.tuples(
            st.sets(st.sampled_from(["staff", "risk", "public", "nobody"])).map(frozenset),
            st.integers(1, 9),
            st.lists(st.sampled_from(["fee", "card", "loan", "利率"]), min_size=1, max_size=3),
            st.integers(1, 9),
        ),
        min_size=5,
        max_size=8,
    ),
)
def test_both_legs_find_what_brute_force_finds(
    fresh: Callable[[], Path], bank: list[_Document], queries: list[tuple[frozenset[str], int, list[str], int]]
) -> None:
    home = fresh()
    catalogue = Catalogue.open(home)
    for number, one in enumerate(bank):
        put(catalogue, f"document-{number}", one.text, one.vector, one.groups, one.start, one.end)
    index = open_index(catalogue, home / "index")
    documents = {_chunk_id(f"document-{number}", 1, Chunk(0, (), None, 0, len(one.text), one.text)): one for number, one in enumerate(bank)}
    assert index.chunk_ids() == sorted(documents)
    for groups, day, words, depth in queries:
        as_of = date(2026, 1, day)
        found = search(index, (0.8, 0.6), " ".join(words), groups, as_of, depth)
        allowed = _allowed(documents, groups, as_of)
        _assert_best(found.vector, {chunk_id: 0.8 * documents[chunk_id].vector[0] + 0.6 * documents[chunk_id].vector[1] for chunk_id in allowed}, depth)
        scores = _bm25(documents, index_tokens(" ".join(words)))
        _assert_best(found.word, {chunk_id: score for chunk_id, score in scores.items() if chunk_id in allowed}, depth)
    index.close()
    catalogue.close()


_step = st.tuples(st.sampled_from(["put", "put", "put", "withdraw", "refresh", "snapshot", "reopen"]), st.integers(0, 3), _document)


@settings(derandomize=True, max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, min_size=4, max_size=12))
def test_after_any_changes_the_index_is_that_of_the_catalogue(fresh: Callable[[], Path], steps: list[tuple[str, int, _Document]]) -> None:
    home = fresh()
    catalogue = Catalogue.open(home)
    index = open_index(catalogue, home / "index")
    for number, (step, place, one) in enumerate(steps):
        match step:
            case "put":
                put(catalogue, f"document-{place}", f"{one.text} n{number}", one.vector, one.groups, one.start, one.end)
            case "withdraw":
                if any(info.document_id == f"document-{place}" and info.state == "ready" for info in catalogue.documents.newest()):
                    catalogue.documents.withdraw(f"document-{place}")
            case "refresh":
                index.refresh()
            case "snapshot":
                index.snapshot(force=True)
            case "reopen":
                index.close()
                index = LocalIndex(catalogue, home / "index", EMBEDDER, 2)
    index.refresh()
    everybody = frozenset({"staff", "risk", "public"})
    entries = list(catalogue.documents.index_entries(EMBEDDER))
    for day in range(1, 9):
        as_of = date(2026, 1, day)
        for groups in (STAFF, everybody):
            found = search(index, (0.8, 0.6), "fee card loan rate 利率", groups, as_of, depth=50)
            allowed = {
                entry.chunk_id: float(np.dot(entry.vector, np.array([0.8, 0.6], np.float32)))
                for entry in entries
                if groups & set(entry.groups) and any((w.start is None or w.start <= as_of) and (w.end is None or as_of < w.end) for w in entry.windows)
            }
            _assert_best(found.vector, allowed, 50)
            assert sorted(hit.chunk_id for hit in found.word) == sorted(allowed)
    index.close()
    catalogue.close()
