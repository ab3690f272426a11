"""Training groups: true, repeatable, and never the questions that tests ask."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from itertools import islice
from typing import Literal

import pytest

from adapters.data import bank, items
from adapters.data.items import MOST, Group, groups, written
from core.prompts import NOT_FOUND
from core.text.markers import split_markers
from eval.bank import FIRST_SEED as FIRST_EVALUATION_SEED
from examples.samplebank.facts import Facts
from examples.samplebank.questions import load

Shares = Mapping[Literal["passages", "bank", "loans"], float]

_ALL: Shares = {"passages": 0.4, "bank": 0.4, "loans": 0.2}
_BANKS = range(bank.FIRST_SEED, bank.FIRST_SEED + 4)
_LAST_SEED = bank.LAST_SEED


@pytest.fixture(autouse=True)
def _few_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four training banks instead of all: each takes a tenth of a second to make."""
    monkeypatch.setattr(bank, "LAST_SEED", _BANKS[-1])


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _first(count: int, shares: Shares, target: str = "span", seed: int = 1) -> list[Group]:
    return list(islice(groups(shares, target, seed), count))


def test_the_same_seed_gives_the_same_groups_and_another_seed_others() -> None:
    assert _first(20, _ALL) == _first(20, _ALL)
    assert not set(_first(20, _ALL)) & set(_first(20, _ALL, seed=2))


def test_no_wording_of_the_tests_is_trained_on() -> None:
    asked = {_plain(question.ask) for seed in [*_BANKS, 1, 2, 3] for question in load(Facts.draw(seed))}
    trained = {_plain(item.question) for group in _first(300, _ALL) for item in group.items}
    assert len(trained) > 2000
    assert trained & asked == set()


def test_training_wordings_of_the_banks_are_trained_on() -> None:
    wordings = {wording for seed in _BANKS for question in load(Facts.draw(seed)) for wording in question.train}
    assert {item.question for group in _first(30, {"bank": 1.0}) for item in group.items} <= wordings


@pytest.mark.parametrize("target", ["span", "clause"])
@pytest.mark.parametrize("source", ["passages", "bank"])
def test_every_answer_stands_in_the_passage_that_it_cites(source: Literal["passages", "bank"], target: str) -> None:
    answered = 0
    for group in _first(100, {source: 1.0}, target):
        for item in group.items:
            if item.target == f" {NOT_FOUND}":
                continue
            text, numbers = split_markers(item.target)
            assert len(numbers) == 1
            assert 1 <= numbers[0] <= len(group.passages)
            assert text
            assert text in group.passages[numbers[0] - 1].text
            answered += 1
    assert answered > 500


@pytest.mark.parametrize("source", ["passages", "bank"])
def test_a_clause_is_a_whole_sentence_or_row_around_the_answer(source: Literal["passages", "bank"]) -> None:
    pairs = zip(_first(60, {source: 1.0}, "span"), _first(60, {source: 1.0}, "clause"), strict=True)
    longer = 0
    for spans, clauses in pairs:
        assert spans.passages == clauses.passages
        for span, clause in zip(spans.items, clauses.items, strict=True):
            answer, quoted = split_markers(span.target).text, split_markers(clause.target).text
            assert span.question == clause.question
            assert answer in quoted
            longer += len(quoted) > len(answer)
    assert longer > 200


def test_a_question_has_one_answer_in_a_group() -> None:
    for group in _first(200, _ALL):
        targets = {item.question: item.target for item in group.items}
        assert all(targets[item.question] == item.target for item in group.items)
        rated = any("Rating:" in item.target or "评级：" in item.target for item in group.items)
        assert 1 <= len(group.items) <= (12 if rated else MOST)  # applications share one guide, and there are twelve of each
        assert len({passage.text for passage in group.passages}) == len(group.passages)


@pytest.mark.parametrize("source", ["passages", "bank"])
def test_about_a_fifth_of_the_questions_have_no_answer(source: Literal["passages", "bank"]) -> None:
    targets = [item.target for group in _first(150, {source: 1.0}) for item in group.items]
    assert 0.17 <= targets.count(f" {NOT_FOUND}") / len(targets) <= 0.25


def test_a_bank_s_questions_are_answered_from_the_right_document() -> None:
    for seed in _BANKS[:2]:
        made = bank._bank(seed)
        for question in made.questions:
            for section in bank._gold(question, made.sections):
                assert section.document == question.document
                assert question.version in (None, section.version)
                assert question.answer[0] in section.passage.text


def test_a_group_never_shows_two_versions_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "LAST_SEED", bank.FIRST_SEED)
    where = {section.passage: (section.document, section.version) for section in bank._bank(bank.FIRST_SEED).sections}
    rng = random.Random(1)
    for _ in range(150):
        shown = {where[passage] for passage in bank.bank_group(rng)[0]}
        assert len({document for document, _ in shown}) == len(shown)


def test_training_banks_are_neither_those_of_examples_nor_of_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "LAST_SEED", _LAST_SEED)
    drawn: set[int] = set()
    made = bank._bank(bank.FIRST_SEED)

    def note(seed: int) -> bank._Bank:
        drawn.add(seed)
        return made

    monkeypatch.setattr(bank, "_bank", note)
    rng = random.Random(1)
    for _ in range(300):
        bank.bank_group(rng)
    assert len(drawn) > 100
    assert 1000 <= bank.FIRST_SEED <= min(drawn)
    assert max(drawn) <= _LAST_SEED < FIRST_EVALUATION_SEED


def test_shares_are_kept() -> None:
    made = _first(200, {"passages": 0.5, "loans": 0.5})
    rated = sum(any("Rating: " in item.target or "评级：" in item.target for item in group.items) for group in made)
    assert 70 <= rated <= 130


@pytest.mark.parametrize(
    ("answer", "passage", "expected"),
    [
        ("CHF 4.00", "The fee is CHF 4.00.", " CHF 4.00 [2]"),
        ("The fee", "The fee is CHF 4.00.", " The fee [2]"),
        ("4.00元", "月费为4.00元。", "4.00元 [2]"),
        ("月费", "月费为4.00元。", "月费 [2]"),
        ("B", "A\nB", " B [2]"),
        ("4.00元", "费用 4.00元", " 4.00元 [2]"),
        ("5", "(5)", "5 [2]"),
    ],
    ids=["after a space", "first", "Chinese", "Chinese first", "on a new line", "Chinese after a space", "after a bracket"],
)
def test_an_answer_is_written_with_the_space_that_the_passage_has(answer: str, passage: str, expected: str) -> None:
    assert written(answer, passage, 2) == expected


@pytest.mark.parametrize(
    ("answer", "passage", "expected"),
    [
        ("CHF 4.00", "Free at first. The fee is CHF 4.00 later. The end.", "The fee is CHF 4.00 later."),
        ("4.00元", "先免费。之后月费为4.00元。完。", "之后月费为4.00元。"),
        ("CHF 4.00", "Intro.\nAccount: Basic | Fee: CHF 4.00\nEnd.", "Account: Basic | Fee: CHF 4.00"),
        ("9 years", "Office | Tenor: 19 years\nShop | Tenor: 9 years", "Shop | Tenor: 9 years"),
        ("8天", "保留88天。冷却8天。", "冷却8天。"),
        ("One. Two", "One. Two. Three.", "One. Two. Three."),
    ],
    ids=["sentence", "Chinese sentence", "row", "not in a larger number", "nor in a larger Chinese one", "over a sentence's end"],
)
def test_the_clause_around_an_answer(answer: str, passage: str, expected: str) -> None:
    assert items._clause(answer, passage) == expected
