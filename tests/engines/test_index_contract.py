"""What both engines must do: one suite over the local index and over Elasticsearch.

Equal on both, and asserted here: the order of rankings that are unambiguous and their scores, ties by chunk id also where the list is cut, groups and validity
inside the search, several windows of one chunk, the day asked for, changes and deletes at the next search, empty results, chunks of another embedder,
what is held and how it differs from the catalogue.

May differ, and is not asserted:
- vectors that the cluster shortens or searches approximately (every ``elasticsearch.vectors`` but ``flat``, which is used here);
- word scores of texts of more than 40 tokens, whose lengths both round; and of more than one shard, each of which counts its own words;
- word scores after chunks were changed or deleted, until each engine has forgotten the old ones in its own time; and of a chunk with several windows, which the
  local index counts once for each;
- words beyond the 1,000th of a question, and beyond the 255th character, in Elasticsearch.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
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
from engines.catalogue.validity import Window
from tests.engines.conftest import EMBEDDER, FEES, publish
from tests.engines.indexes import ENGINES, Place
from tests.engines.indexes import place as place_of
from tests.engines.local_index.bank import FEBRUARY, STAFF, put, search, texts

JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 1)


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place_of(request.param, request, tmp_path / "index") as made:
        yield made


# -- rankings --------------------------------------------------------------------------------------


def test_the_vector_leg_ranks_by_the_inner_product(catalogue: Catalogue, place: Place) -> None:
    for name, vector in {"east": (1.0, 0.0), "north-east": (0.6, 0.8), "north": (0.0, 1.0), "west": (-1.0, 0.0)}.items():
        put(catalogue, name, name, vector)
    index = place.open(catalogue)
    found = search(index, (0.8, 0.6), "").vector
    assert texts(catalogue, found) == ["north-east", "east", "north", "west"]
    assert [hit.score for hit in found] == pytest.approx([0.96, 0.8, 0.6, -0.8])
    assert texts(catalogue, search(index, (-1, 0), "", depth=2).vector) == ["west", "north"]
    index.close()


def test_the_word_leg_ranks_by_bm25(catalogue: Catalogue, place: Place) -> None:
    for name, text in {"a": "card fee fee", "b": "card fee abroad", "c": "card", "d": "年费 abroad"}.items():
        put(catalogue, name, text, (1, 0))
    index = place.open(catalogue)
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


def test_ties_go_by_chunk_id_whatever_the_depth(catalogue: Catalogue, place: Place) -> None:
    for number in range(9):
        put(catalogue, f"document-{number}", "the same boilerplate", (0.6, 0.8))
    put(catalogue, "better", "boilerplate boilerplate boilerplate", (1.0, 0.0))
    index = place.open(catalogue)
    whole = search(index, (1, 0), "boilerplate")
    same = [entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER) if "same" in entry.text]
    for leg in (whole.vector, whole.word):
        assert [hit.chunk_id for hit in leg[1:]] == same
    for depth in (1, 2, 5):
        cut = search(index, (1, 0), "boilerplate", depth=depth)
        assert (cut.vector, cut.word) == (whole.vector[:depth], whole.word[:depth])
    index.close()


def test_an_empty_index_finds_nothing(catalogue: Catalogue, place: Place) -> None:
    index = place.open(catalogue)
    assert search(index, (1, 0), "fee") == Legs((), ())
    assert (index.sequence, index.chunk_ids(), index.snapshot(), index.rebuild(), index.refused()) == (0, [], False, 0, {})
    index.close()


def test_what_is_not_asked_for_or_not_allowed_is_not_found(catalogue: Catalogue, place: Place) -> None:
    put(catalogue, "fees", "fee", (1, 0), start=JANUARY, end=MARCH)
    index = place.open(catalogue)
    asked: dict[str, tuple[tuple[float, float] | None, str, frozenset[str], date]] = {
        "no query": (None, "", STAFF, FEBRUARY),
        "no groups": ((1, 0), "fee", frozenset(), FEBRUARY),
        "other groups": ((1, 0), "fee", frozenset({"sta", "staff2"}), FEBRUARY),
        "the day before": ((1, 0), "fee", STAFF, date(2025, 12, 31)),
        "the day behind": ((1, 0), "fee", STAFF, MARCH),
        "no numbers": ((math.nan, math.nan), "", STAFF, FEBRUARY),
    }
    for name, (vector, words, groups, as_of) in asked.items():
        assert search(index, vector, words, groups, as_of) == Legs((), ()), name
    for as_of in (JANUARY, date(2026, 2, 28)):
        allowed = search(index, (1, 0), "fee", STAFF, as_of)
        assert (len(allowed.vector), len(allowed.word)) == (1, 1)
    index.close()


def test_a_chunk_with_two_windows_is_found_once_in_each_and_not_between(catalogue: Catalogue, place: Place) -> None:
    put(catalogue, "fees", "old fee", (1, 0))
    put(catalogue, "fees", "fee of the campaign", (0, 1), start=FEBRUARY, end=MARCH)
    index = place.open(catalogue)
    for day, text in {date(2026, 1, 31): "old fee", FEBRUARY: "fee of the campaign", date(2026, 2, 28): "fee of the campaign", MARCH: "old fee"}.items():
        found = search(index, (0.6, 0.8), "fee", as_of=day)
        assert texts(catalogue, found.vector) == texts(catalogue, found.word) == [text], day
    index.close()


def test_a_rule_without_limits_applies_on_every_day(catalogue: Catalogue, place: Place) -> None:
    put(catalogue, "fees", "fee", (1, 0))
    index = place.open(catalogue)
    for as_of in (date.min, FEBRUARY, date.max):
        found = search(index, (1, 0), "fee", as_of=as_of)
        assert (len(found.vector), len(found.word)) == (1, 1)
    index.close()


# -- following the catalogue -----------------------------------------------------------------------


def test_an_acknowledged_change_is_found_by_the_next_search(catalogue: Catalogue, place: Place) -> None:
    index = place.open(catalogue)
    put(catalogue, "fees", "old fee", (1, 0))
    assert index.refresh() == index.sequence == catalogue.documents.head() == 1
    put(catalogue, "fees", "new fee", (0, 1), start=FEBRUARY)
    index.refresh()
    for as_of, text in [(date(2026, 1, 31), "old fee"), (FEBRUARY, "new fee")]:
        found = search(index, (0.6, 0.8), "fee", as_of=as_of)
        assert texts(catalogue, found.vector) == texts(catalogue, found.word) == [text]
    catalogue.documents.withdraw("fees", 2)
    index.refresh()
    assert texts(catalogue, search(index, (0.6, 0.8), "fee").word) == ["old fee"]
    catalogue.documents.withdraw("fees")
    index.refresh()
    assert (search(index, (0.6, 0.8), "fee").vector, search(index, (0.6, 0.8), "fee").word, index.chunk_ids()) == ((), (), [])
    index.close()


def test_two_instances_follow_the_same_catalogue(catalogue: Catalogue, place: Place) -> None:
    put(catalogue, "a", "fee", (1, 0))
    first, second = place.open(catalogue), place.open(catalogue)
    put(catalogue, "b", "fee fee", (0, 1))
    assert first.refresh() == second.refresh() == 2
    put(catalogue, "c", "fee fee fee", (0.6, 0.8))
    catalogue.documents.withdraw("a")
    for index in (second, first):
        assert index.refresh() == catalogue.documents.head()
        assert texts(catalogue, search(index, (1, 0), "fee").vector) == ["fee fee fee", "fee fee"]
    first.close()
    assert texts(catalogue, search(second, (1, 0), "fee").vector) == ["fee fee fee", "fee fee"]
    second.close()


def test_made_anew_it_is_the_same_and_what_differs_from_the_catalogue_is_named(catalogue: Catalogue, place: Place) -> None:
    put(catalogue, "a", "card fee", (1, 0))
    put(catalogue, "b", "年费 fee", (0.6, 0.8), groups=("staff", "risk"), start=JANUARY, end=MARCH)
    index = place.open(catalogue)
    before = search(index, (1, 0), "fee 年费")
    entries = list(catalogue.documents.index_entries(EMBEDDER))
    assert index.differences(entries) == {}
    assert (index.rebuild(), index.chunk_ids()) == (2, [entry.chunk_id for entry in entries])
    assert search(index, (1, 0), "fee 年费") == before
    a, b = (next(entry for entry in entries if text in entry.text) for text in ("card", "年费"))
    wrong = [replace(a, text="t\n\ncard fee abroad", vector=b.vector), replace(b, groups=("staff",), windows=(Window(JANUARY, None),))]
    assert index.differences(wrong) == {a.chunk_id: "vector, words", b.chunk_id: "groups, validity"}
    assert index.differences([replace(a, chunk_id="0" * 64)]) == {}
    index.close()


def test_what_another_model_embedded_is_passed_over_and_told_once(catalogue: Catalogue, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    put(catalogue, "a", "fee", (1, 0))
    put(catalogue, "b", "fee", (0, 1))
    index = place.open(catalogue, "f" * 64)  # a model that the catalogue does not know
    put(catalogue, "c", "fee", (1, 0))
    assert index.refresh() == 3
    assert (index.chunk_ids(), search(index, (1, 0), "fee")) == ([], Legs((), ()))
    index.close()
    assert [record.getMessage() for record in caplog.records] == [
        "2 chunks are not found: another model embedded them. Ingest their files again, or set models.embedding back"
    ]


def test_one_document_of_another_model_does_not_end_the_search(catalogue: Catalogue, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    put(catalogue, "a", "fee", (1, 0))
    index = place.open(catalogue)
    catalogue.documents.add_embedder("f" * 64, "other", 2)
    publish(catalogue, replace(FEES, document_id="b"), ["fee"], embedder="f" * 64)
    index.refresh()
    assert texts(catalogue, search(index, (1, 0), "fee").word) == ["fee"]
    assert "1 chunks are not found" in caplog.text
    publish(catalogue, replace(FEES, document_id="b"), ["fee"])
    index.refresh()
    assert len(search(index, (1, 0), "fee").word) == 2
    index.close()


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


@settings(derandomize=True, max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    fresh: Callable[[], Path], place: Place, bank: list[_Document], queries: list[tuple[frozenset[str], int, list[str], int]]
) -> None:
    home = fresh()
    catalogue = Catalogue.open(home)
    for number, one in enumerate(bank):
        put(catalogue, f"document-{number}", one.text, one.vector, one.groups, one.start, one.end)
    index = place.open(catalogue)
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
    place.cleared()
    catalogue.close()


_step = st.tuples(st.sampled_from(["put", "put", "put", "withdraw", "refresh", "snapshot", "reopen"]), st.integers(0, 3), _document)


@settings(derandomize=True, max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, min_size=4, max_size=12))
def test_after_any_changes_the_index_is_that_of_the_catalogue(fresh: Callable[[], Path], place: Place, steps: list[tuple[str, int, _Document]]) -> None:
    home = fresh()
    catalogue = Catalogue.open(home)
    index = place.open(catalogue)
    for number, (step, which, one) in enumerate(steps):
        match step:
            case "put":
                put(catalogue, f"document-{which}", f"{one.text} n{number}", one.vector, one.groups, one.start, one.end)
            case "withdraw":
                if any(info.document_id == f"document-{which}" and info.state == "ready" for info in catalogue.documents.newest()):
                    catalogue.documents.withdraw(f"document-{which}")
            case "refresh":
                index.refresh()
            case "snapshot":
                index.snapshot(force=True)
            case "reopen":
                index.close()
                index = place.open(catalogue)
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
    place.cleared()
    catalogue.close()
