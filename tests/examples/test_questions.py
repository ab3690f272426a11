"""The questions about the sample bank, held against its documents."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapters.tasks import load_tasks
from core.text.language import language_of
from examples.samplebank.facts import Fact, Facts
from examples.samplebank.questions import SampleQuestion, _question, load
from examples.samplebank.sources import Source
from examples.samplebank.sources import load as load_sources

#: who reads which groups
_READS = {"customer": {"public"}, "staff": {"public", "staff"}, "risk": {"public", "staff", "risk"}}


class Bank:
    """One seed's documents by id, in the order of their versions, and its questions."""

    def __init__(self, seed: int) -> None:
        facts = Facts.draw(seed)
        self.questions = load(facts)
        self.documents: dict[str, list[Source]] = {}
        for source in load_sources(facts):
            self.documents.setdefault(source.metadata["id"], []).append(source)

    def asked_of(self, question: SampleQuestion) -> list[Source]:
        """The versions of which the question holds."""
        assert question.document is not None
        versions = self.documents[question.document]
        return versions if question.version is None else [versions[question.version - 1]]


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda seed: f"seed {seed}")
def bank(request: pytest.FixtureRequest) -> Bank:
    return Bank(request.param)


def _words(source: Source) -> str:
    """What a reader sees, line by line."""
    lines = [source.title]
    for element in source.elements:
        lines += [element.text] if element.text else [cell for row in element.rows for cell in row]
    return "\n".join(lines)


def test_every_first_answer_stands_in_its_document(bank: Bank) -> None:
    missing = [
        (question.id, question.answer[0])
        for question in bank.questions
        if question.answer and not all(question.answer[0] in _words(source) for source in bank.asked_of(question))
    ]
    assert missing == []


def test_a_question_without_an_answer_is_a_refusal_and_the_other_way_round(bank: Bank) -> None:
    assert all((question.kind == "refusal") is (question.answer == ()) for question in bank.questions)
    assert all(question.document in bank.documents for question in bank.questions if question.answer)
    assert {question.kind for question in bank.questions} == {"lookup", "table", "clause", "as_of", "access", "refusal"}


def test_questions_are_whole(bank: Bank) -> None:
    assert len({question.id for question in bank.questions}) == len(bank.questions)
    assert len({question.ask for question in bank.questions}) == len(bank.questions)
    for question in bank.questions:
        assert question.task in load_tasks(), question.id
        assert "{" not in question.ask + "".join(question.train + question.answer), question.id
        assert question.ask not in question.train, question.id
        assert language_of(question.ask) == question.language, question.id


def test_exactly_ten_are_marked(bank: Bank) -> None:
    ten = [question for question in bank.questions if question.ten]
    assert len(ten) == 10
    assert {question.language for question in ten} == {"en", "zh"}
    assert {"access", "as_of", "refusal"} <= {question.kind for question in ten}


def test_as_of_lies_in_the_time_of_the_old_version(bank: Bank) -> None:
    dated = [question for question in bank.questions if question.kind == "as_of"]
    assert dated
    for question in dated:
        assert question.document is not None
        assert question.version is not None
        assert question.as_of is not None
        old, new = bank.documents[question.document][question.version - 1 : question.version + 1]
        assert old.metadata["valid_from"] <= question.as_of < new.metadata["valid_from"], question.id
        assert question.answer[0] not in _words(new), question.id  # the wrong version is a wrong answer


def test_a_question_without_a_day_asks_for_the_newest_version(bank: Bank) -> None:
    for question in bank.questions:
        if question.document and question.version and question.as_of is None:
            assert question.version == len(bank.documents[question.document]), question.id


def test_an_access_question_is_closed_to_customers_and_open_to_its_caller(bank: Bank) -> None:
    for question in bank.questions:
        if question.answer:
            groups = set(bank.asked_of(question)[0].metadata["groups"])
            assert groups & _READS[question.caller], question.id
            assert (question.kind == "access") <= groups.isdisjoint(_READS["customer"]), question.id


def test_other_seeds_have_other_answers() -> None:
    banks = [{question.id: question for question in load(Facts.draw(seed))} for seed in (1, 2)]
    answered = [name for name, question in banks[0].items() if question.answer]
    same = [name for name in answered if banks[0][name].answer[0] == banks[1][name].answer[0]]
    assert len(same) < len(answered) / 10
    assert not [name for name in same if banks[0][name].ten]
    assert [question.ask for question in banks[0].values()] == [question.ask for question in load(Facts.draw(1))]


_ENTRY = {"id": "q", "kind": "lookup", "language": "en", "task": "t", "ask": "How much is {a.name}?", "answer": ["{a.name}"]}
_FACTS = Facts(1, "CHF", {"a.name": Fact("name", names=("Alder", "安德")), "a.from": Fact("day", day=date(2026, 7, 1))})


def test_an_entry_is_filled() -> None:
    question = _question({**_ENTRY, "language": "zh", "train": ["{a.name}?"], "as_of": "a.from", "version": 1, "document": "d"}, _FACTS)
    assert question == SampleQuestion("q", "lookup", "zh", "t", "How much is 安德?", ("安德?",), ("安德",), "d", 1, date(2026, 7, 1), "customer", ten=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, r"question q: unknown keys \['colour'\]"),
        ({"kind": "guess"}, "question q: kind must be one of"),
        ({"caller": "director"}, "question q: kind must be one of .* and caller one of"),
        ({"ask": "{a.fea}?"}, r"question q: unknown fact 'a\.fea'"),
        ({"as_of": "a.never"}, r"question q: .*a\.never"),
    ],
    ids=["unknown key", "kind", "caller", "unknown fact", "unknown day"],
)
def test_a_bad_entry_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _question(_ENTRY | change, _FACTS)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match="question q: 'ask'"):
        _question({key: value for key, value in _ENTRY.items() if key != "ask"}, _FACTS)
