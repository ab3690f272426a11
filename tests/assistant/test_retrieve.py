"""The retrieval gateway: what a caller may find, in which order, and whether it is evidence enough."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from assistant.evidence import EvidenceJudge, Weights
from assistant.retrieve import Retriever, level_allows
from core.fusion import fuse
from core.ports import Filter, Hit, Legs
from core.settings import Catalogue as CatalogueSettings
from core.settings import Retrieval
from core.text.tokens import index_tokens
from core.types import DATA_LEVELS, DataLevel, Evidence, Found, Passage, Principal, Query, Turn
from engines.catalogue import Catalogue
from engines.catalogue.documents import Documents
from tests.assistant.conftest import CUSTOMER, STAFF, publish
from tests.assistant.test_answer import Running
from tests.engines.conftest import EMBEDDER, FEES
from tests.engines.conftest import publish as store
from tests.fakes import HashedEmbedder

TODAY = date(2026, 11, 22)
ALPHA = "The annual fee of the Alpha card is USD 45.00."
REPLACEMENT = "A replacement card costs USD 22.00."
BETA = "贝塔卡的年费为每年120元，挂失手续费20元。"
KYC = "4.1 The origin of cash of USD 9,000 or more is recorded and proven."


@pytest.fixture
def retriever(running: Running) -> Retriever:
    return running[0].assistant.retriever


class Spy:
    """Stands before the index: keeps what it was asked, and can change what it says."""

    def __init__(self, retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, list[str], Filter, int]] = []
        self.legs: list[Legs] = []
        self.add = Legs((), ())
        search = retriever.index.search

        def watched(vector: Any, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
            self.asked.append((vector, list(tokens), only, depth))
            legs = search(vector, tokens, only, depth)
            self.legs.append(legs)
            return Legs((*self.add.vector, *legs.vector), (*self.add.word, *legs.word))

        monkeypatch.setattr(retriever.index, "search", watched)


@pytest.fixture
def spy(retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(retriever, monkeypatch)


def find(retriever: Retriever, text: str, who: Principal = CUSTOMER, top_k: int = 20, as_of: date = TODAY, history: tuple[Turn, ...] = ()) -> Found:
    return retriever.search(Query(text, who, as_of, history), top_k)


def texts(found: Found) -> list[str]:
    return [passage.text for passage in found.passages]


# -- who may find what -----------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["the origin of cash is recorded and proven", "现金来源 cash origin"])
def test_neither_leg_nor_the_fused_list_holds_what_is_for_others(retriever: Retriever, spy: Spy, asked: str) -> None:
    assert texts(find(retriever, asked, STAFF))[0] == KYC
    (kyc,) = (passage.chunk_id for passage in find(retriever, asked, STAFF).passages if passage.text == KYC)
    assert {kyc} <= {hit.chunk_id for hit in spy.legs[0].vector} & {hit.chunk_id for hit in spy.legs[0].word}

    assert set(texts(find(retriever, asked, CUSTOMER))) == {ALPHA, REPLACEMENT, BETA}
    legs = spy.legs[-1]
    assert kyc not in {hit.chunk_id for hit in (*legs.vector, *legs.word)}
    assert spy.asked[-1][2] == Filter(frozenset({"public"}), TODAY)


def test_a_hit_that_should_not_be_there_gets_no_further(retriever: Retriever, spy: Spy) -> None:
    (kyc,) = (passage.chunk_id for passage in find(retriever, "origin of cash", STAFF).passages if passage.text == KYC)
    clean = find(retriever, "origin of cash", CUSTOMER)
    spy.add = Legs((Hit(kyc, 0.99), Hit("no such chunk", 0.98)), (Hit(kyc, 9.0),))
    found = find(retriever, "origin of cash", CUSTOMER)
    assert set(texts(found)) == {ALPHA, REPLACEMENT, BETA}
    assert [passage.rank for passage in found.passages] == [1, 2, 3]
    assert found.evidence == clean.evidence  # its cosine is none of what is shown


def test_one_group_of_several_is_enough_and_another_one_is_not(running: Running, retriever: Retriever) -> None:
    publish(running[0], "limits", "Limits", ["The lending limit of a branch is USD 77,000."], ("risk", "audit"), None)
    asked = "lending limit of a branch"
    for groups, seen in ((("audit",), True), (("staff", "risk"), True), (("staff",), False), ((), False)):
        who = Principal("somebody", frozenset(groups), frozenset({"ask"}))
        assert ("The lending limit of a branch is USD 77,000." in texts(find(retriever, asked, who))) is seen, groups


# -- which version ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "fee"),
    [
        (date(2023, 12, 31), None),
        (date(2024, 1, 1), "USD 30.00"),
        (date(2025, 12, 31), "USD 30.00"),
        (date(2026, 1, 1), "USD 45.00"),
        (TODAY, "USD 45.00"),
    ],
    ids=str,
)
def test_the_version_in_force_on_the_day_is_found_and_no_other(retriever: Retriever, day: date, fee: str | None) -> None:
    found = find(retriever, "annual fee of the Alpha card", as_of=day)
    fees = [f"The annual fee of the Alpha card is {fee}."] if fee else []
    assert [text for text in texts(found) if "Alpha" in text] == fees
    assert {passage.version for passage in found.passages if passage.document_id == "card-fees"} == ({1 if fee == "USD 30.00" else 2} if fee else set())
    assert BETA in texts(found)  # without dates it is always in force


def test_what_is_withdrawn_is_gone_at_once_and_a_withdrawn_version_gives_place_to_the_older(running: Running, retriever: Retriever) -> None:
    documents = running[0].parts.catalogue.documents
    assert ALPHA in texts(find(retriever, "Alpha card"))
    documents.withdraw("card-fees", 2)
    assert texts(find(retriever, "annual fee of the Alpha card"))[0] == "The annual fee of the Alpha card is USD 30.00."
    documents.withdraw("card-fees")
    assert texts(find(retriever, "Alpha card")) == [BETA]
    documents.withdraw("zh-fees")
    assert find(retriever, "贝塔卡的年费") == Found((), "zh", Evidence(0.0, 0.0, False))


def test_what_is_published_is_found_by_the_next_search(running: Running, retriever: Retriever) -> None:
    assert all("保管箱" not in text for text in texts(find(retriever, "保管箱的租金")))
    publish(running[0], "boxes", "保管箱", ["保管箱的租金为每年800元。"], ("public",), None)
    assert texts(find(retriever, "保管箱的租金"))[0] == "保管箱的租金为每年800元。"


# -- order -----------------------------------------------------------------------------------------


def test_each_passage_tells_its_rank_in_each_leg_and_what_they_come_to(retriever: Retriever) -> None:
    found = find(retriever, "replacement card")
    # the Chinese passage shares no word: the word leg does not have it, the vector leg has it last
    assert [(passage.text, passage.rank, dict(passage.legs)) for passage in found.passages] == [
        (REPLACEMENT, 1, {"vector": 1, "word": 1}),
        (ALPHA, 2, {"vector": 2, "word": 2}),
        (BETA, 3, {"vector": 3}),
    ]
    assert [passage.score for passage in found.passages] == pytest.approx([2 / 61, 2 / 62, 1 / 63])


def test_weights_depth_and_constant_are_those_of_the_settings(retriever: Retriever, spy: Spy) -> None:
    words = replace(retriever, settings=Retrieval(vector_weight=0.0, word_weight=3.0, rrf_k=1, depth=7))
    found = find(words, "replacement card")
    assert [passage.score for passage in found.passages] == pytest.approx([3 / 2, 3 / 3, 0.0])
    assert spy.asked[-1][3] == 7
    one = find(replace(retriever, settings=Retrieval(depth=1)), "replacement card")
    assert [(passage.text, dict(passage.legs)) for passage in one.passages] == [(REPLACEMENT, {"vector": 1, "word": 1})]


@pytest.mark.parametrize(
    ("top_k", "expected"), [(1, [REPLACEMENT]), (2, [REPLACEMENT, ALPHA]), (3, [REPLACEMENT, ALPHA, BETA]), (20, [REPLACEMENT, ALPHA, BETA])]
)
def test_at_most_top_k_passages_the_best_ones(retriever: Retriever, top_k: int, expected: list[str]) -> None:
    assert texts(find(retriever, "replacement card", top_k=top_k)) == expected


def test_a_hit_that_may_not_be_shown_takes_no_place_from_others(retriever: Retriever, spy: Spy) -> None:
    spy.add = Legs((Hit("no such chunk", 0.99),), (Hit("no such chunk", 9.0),))
    assert texts(find(retriever, "replacement card", top_k=2)) == [REPLACEMENT, ALPHA]


# -- what is looked up -----------------------------------------------------------------------------


@dataclass
class Noting:
    """The catalogue's documents, with the chunks of each look."""

    documents: Documents
    looks: list[list[str]] = field(default_factory=list)

    def readable_passages(self, chunk_ids: Sequence[str], only: Filter) -> Mapping[str, Passage]:
        self.looks.append(list(chunk_ids))
        return self.documents.readable_passages(chunk_ids, only)


@dataclass
class Careless:
    """An index that returns chunks in any order, whoever may read them and whenever they applied."""

    ids: list[str]
    seed: int = 0

    def refresh(self) -> int:
        return 0

    sequence = 0

    def search(self, vector: Any, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        draw = random.Random(self.seed)
        vectors, words = (draw.sample(self.ids, min(depth, len(self.ids))) for _ in range(2))
        return Legs(tuple(Hit(one, 1 - rank / 1000) for rank, one in enumerate(vectors)), tuple(Hit(one, 100.0 - rank) for rank, one in enumerate(words)))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Forty documents of several groups, levels and versions, in English and Chinese; every tenth is withdrawn."""
    settings = CatalogueSettings(url=SecretStr(request.getfixturevalue("postgres_url"))) if request.param == "PostgreSQL" else CatalogueSettings()
    catalogue = Catalogue.open(tmp_path / "bank", settings)
    catalogue.documents.add_embedder(EMBEDDER, "hand-made", 2)
    groups = [("public",), ("staff",), ("risk", "staff"), ("audit",)]
    for number in range(40):
        texts = [f"Card {number} costs USD {number}.00 a year.", f"{number} 号卡的年费为每年{number}元。"]
        version = replace(FEES, document_id=f"document-{number}", groups=groups[number % 4], data_level=DATA_LEVELS[number % len(DATA_LEVELS)])
        store(catalogue, version, texts)
        if number % 3 == 0:  # the next version applies later, and may be for others
            later = replace(version, groups=groups[number % 2], valid_from=date(2026, 1, 1), valid_until=date(2026, 6, 1), content_digest="bytes 2")
            store(catalogue, later, [f"{text} (2026)" for text in texts])
        if number % 10 == 9:
            catalogue.documents.withdraw(version.document_id)
    yield catalogue
    catalogue.close()


def all_chunks(catalogue: Catalogue) -> list[str]:
    places = (catalogue.documents.chunk_places(f"document-{number}", version) for number in range(40) for version in (1, 2))
    return [chunk for chunks in places for chunk, _, _ in chunks]


def over(catalogue: Catalogue, index: Careless) -> tuple[Retriever, Noting]:
    documents = Noting(catalogue.documents)
    return Retriever(index, documents, HashedEmbedder(), judge(), Retrieval(depth=60)), documents


def all_at_once(retriever: Retriever, asked: Query, top_k: int, highest: DataLevel) -> list[Passage]:
    """Every candidate looked up with its text, before any is chosen."""
    only = Filter(asked.principal.readable, asked.as_of)
    legs = retriever.index.search(None, [], only, retriever.settings.depth)
    fused = fuse({"vector": [hit.chunk_id for hit in legs.vector], "word": [hit.chunk_id for hit in legs.word]}, {"vector": 1.0, "word": 1.0}, 60)
    readable = retriever.documents.readable_passages([one.id for one in fused], only)
    chosen = [one for one in fused if one.id in readable and level_allows(highest, readable[one.id])][:top_k]
    return [replace(readable[one.id], rank=rank, legs=one.ranks, score=one.score) for rank, one in enumerate(chosen, start=1)]


def test_looking_up_from_the_top_down_finds_what_looking_up_everything_does(bank: Catalogue) -> None:
    index = Careless([*all_chunks(bank), "of another catalogue"])
    retriever, _ = over(bank, index)
    retriever = replace(retriever, settings=Retrieval(depth=60, vector_weight=1.0, word_weight=1.0, rrf_k=60))
    sizes = []
    for index.seed in range(8):
        for groups in ((), ("staff",), ("audit", "risk"), ("nobody",)):
            for day, top_k, highest in ((TODAY, 5, DATA_LEVELS[-1]), (date(2026, 3, 1), 1, DATA_LEVELS[-1]), (TODAY, 50, DATA_LEVELS[0])):
                asked = Query("annual fee 年费", Principal("x", frozenset(groups), frozenset({"ask"})), day)
                expected = all_at_once(retriever, asked, top_k, highest)
                assert list(retriever.search(asked, top_k, highest).passages) == expected
                sizes.append(len(expected))
    assert (min(sizes), max(sizes)) == (1, 18)  # some had too few candidates, and none had nothing to find


def test_a_search_reads_the_texts_that_leave_and_no_others(bank: Catalogue) -> None:
    only = Filter(frozenset({"staff", "public"}), TODAY)
    retriever, documents = over(bank, Careless(sorted(bank.documents.readable_passages(all_chunks(bank), only))))
    found = find(retriever, "annual fee", STAFF, top_k=5)
    assert documents.looks == [[passage.chunk_id for passage in found.passages]]
    assert len(found.passages) == 5


# -- evidence --------------------------------------------------------------------------------------


def judge(word_only: float = 0.5, **values: float) -> EvidenceJudge:
    weights = Weights(**{"bias": 0.0, "cosine": 0.0, "coverage": 0.0, "threshold": 0.5, **values})
    return EvidenceJudge({"en": weights, "zh": weights}, word_only)


def test_evidence_is_the_best_cosine_and_the_share_of_telling_words(retriever: Retriever) -> None:
    evidence = find(retriever, "What is a replacement card zeppelin?").evidence
    # of the passage with its headings: card 2, fee 2, and a, replac, cost, usd, 22.00 once, so its length is sqrt(13);
    # of the question: what, is, a, replac, card, zeppelin once; they have 1 a, 1 replac, 2 card in common
    assert evidence.cosine == pytest.approx(4 / sqrt(6 * 13), abs=1e-6)
    assert evidence.coverage == pytest.approx(2 / 3)  # replac and card of replac, card, zeppelin: the others tell nothing


def test_chinese_evidence_counts_words_too(retriever: Retriever) -> None:
    full = find(retriever, "挂失手续费").evidence
    assert full.coverage == 1.0
    none = find(retriever, "保险赔偿").evidence
    assert none.coverage == 0.0
    assert full.cosine > none.cosine


@pytest.mark.parametrize(
    ("asked", "sufficient"),
    [
        ("replacement card zeppelin xylophone", True),  # 2 of 4: -1 + 2 * 0.5 is 0, a probability of just 0.5
        ("replacement card zeppelin xylophone marmalade", False),  # 2 of 5
        ("贝塔卡的年费", True),
        ("保险赔偿", False),
    ],
)
def test_the_judge_decides_whether_it_is_enough(retriever: Retriever, asked: str, sufficient: bool) -> None:
    strict = replace(retriever, judge=judge(bias=-1.0, coverage=2.0))
    assert find(strict, asked).evidence.sufficient is sufficient


def test_the_judge_hears_of_the_cosine(retriever: Retriever) -> None:
    # "replacement card" is 3 / sqrt(26), about 0.588, from the passage about it
    assert find(replace(retriever, judge=judge(bias=-0.58, cosine=1.0)), "replacement card").evidence.sufficient
    assert not find(replace(retriever, judge=judge(bias=-0.60, cosine=1.0)), "replacement card").evidence.sufficient


def test_nothing_found_is_never_evidence(retriever: Retriever, running: Running) -> None:
    running[0].parts.catalogue.documents.withdraw("zh-fees")
    lenient = replace(retriever, judge=judge(bias=10.0))
    assert find(lenient, "card", as_of=date(1990, 1, 1)) == Found((), "en", Evidence(0.0, 0.0, False))
    assert find(lenient, "card").evidence.sufficient


# -- follow-up questions, languages, passages that are given ---------------------------------------


def test_a_follow_up_is_searched_together_with_the_question_before_it(retriever: Retriever, spy: Spy) -> None:
    history = (Turn("user", "xylophone"), Turn("assistant", "None."), Turn("user", "What does the Alpha card cost?"), Turn("assistant", "USD 45.00 zeppelin"))
    found = find(retriever, "And a replacement?", history=history)
    vector, tokens, _, _ = spy.asked[-1]
    assert tokens == ["what", "doe", "the", "alpha", "card", "cost", "and", "a", "replac"]
    assert vector == pytest.approx(HashedEmbedder().embed_queries(["what doe the alpha card cost and a replac"])[0])
    assert found.evidence.coverage == pytest.approx(3 / 4)  # card, cost, replac of alpha, card, cost, replac


def test_a_follow_ups_language_is_its_own(retriever: Retriever, spy: Spy) -> None:
    found = find(retriever, "那挂失手续费呢？", history=(Turn("user", "What does the Alpha card cost a year and for how long?"),))
    assert found.language == "zh"
    assert spy.asked[-1][1][:2] == ["what", "doe"]
    assert set(index_tokens("挂失手续费")) <= set(spy.asked[-1][1])


def test_what_the_assistant_said_alone_is_no_question_before(retriever: Retriever, spy: Spy) -> None:
    find(retriever, "replacement", history=(Turn("assistant", "Welcome to the bank"),))
    assert spy.asked[-1][1] == ["replac"]


def test_a_language_that_the_embedder_does_not_serve_has_the_word_leg_alone(retriever: Retriever, spy: Spy) -> None:
    english = replace(retriever, embedder=HashedEmbedder(frozenset({"en"})), judge=judge(word_only=0.5, bias=-10.0))
    found = find(english, "挂失手续费")
    assert spy.asked[-1][0] is None
    assert [(passage.text, dict(passage.legs), passage.score) for passage in found.passages] == [(BETA, {"word": 1}, 1 / 61)]
    assert found.evidence == Evidence(0.0, 1.0, True)  # the share of words decides, not the weights
    # jieba cuts 手续费 into 手续, 续费, 手续费; of these and 保险, 赔偿 the passage has one
    assert find(english, "保险赔偿的手续费").evidence == Evidence(0.0, 1 / 5, False)
    assert dict(find(english, "replacement card").passages[0].legs) == {"vector": 1, "word": 1}


def test_given_passages_are_taken_as_they_are_and_nothing_is_searched(retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retriever.index, "search", lambda *_: pytest.fail("nothing is to be searched"))
    monkeypatch.setattr(retriever.index, "refresh", lambda: pytest.fail("nothing is to be searched"))
    own = tuple(Passage(rank, f"given-{rank}", f"passage-{rank}", 1, "Own", (), None, 0, 4, text) for rank, text in ((1, "自己的"), (2, "text")))
    assert retriever.given(Query("年费是多少？", CUSTOMER, TODAY), own) == Found(own, "zh", Evidence(0.0, 0.0, True))
    assert retriever.given(Query("What is the fee?", CUSTOMER, TODAY), ()) == Found((), "en", Evidence(0.0, 0.0, True))
