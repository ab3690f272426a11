"""The shipped suites are what their sources say over the sample bank, sound against its documents, and nothing that an adapter was trained on."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pytest

from core.errors import BadInput
from core.settings import Ingest
from eval.suite.corpus import Corpus, corpus_of_bank
from eval.suite.file import Draft, read_draft, read_suite
from eval.suite.item import Item
from eval.suite.leaks import leaks
from eval.suite.training import routing_examples, sample_wordings
from eval.suite.validate import check_items, check_warnings
from eval.suites import find_suite, shipped
from eval.suites.loans import Figures, rating
from eval.suites.write import SEED, documents_of, make_items
from examples.samplebank.facts import Facts

TODAY = date(2026, 11, 26)


class Bank(NamedTuple):
    corpus: Corpus
    documents: Corpus


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank(corpus_of_bank(SEED, None, Ingest()), documents_of(SEED))


def test_the_committed_items_are_those_of_their_sources(bank: Bank) -> None:
    made = make_items(SEED, bank.corpus, bank.documents)
    assert set(made) == set(shipped())
    for name, items in made.items():
        assert list(read_suite(shipped()[name]).items) == list(items), f"python -m eval.suites.write writes {name} again"


@pytest.mark.parametrize("name", ["bank", "loan-risk", "injection"])
def test_a_shipped_suite_is_sound(bank: Bank, name: str) -> None:
    draft = read_draft(shipped()[name])
    assert draft.suite is not None
    corpus = Corpus([*bank.corpus.versions.values(), *(bank.documents.versions.values() if draft.suite.documents else ())])
    assert check_items(draft, corpus, TODAY) == []
    assert check_warnings(draft) == []
    items = draft.suite.items
    assert leaks(items, [sample_wordings(SEED), routing_examples()]) == []
    checked = draft.suite.manifest.leaks
    assert checked is not None
    assert (checked.exact, checked.overlapping) == (0, 0)
    assert {"training data of customer-service@2", "training data of loan-risk@3", "training data of compliance@2"} <= set(checked.sources)


def test_together_they_are_large_enough_and_half_chinese() -> None:
    items: list[Item] = [item for path in shipped().values() for item in read_suite(path).items]
    assert len(items) >= 360
    assert sum(item.lang != "en" for item in items) >= 0.48 * len(items)
    assert {item.task for item in items} == {
        "lookup", "table", "multi_hop", "calc", "as_of", "version_conflict", "refuse", "routing", "loan_risk", "injection"
    }  # fmt: skip
    assert {item.expect.reason for item in items} == {None, "no_evidence", "out_of_scope", "not_permitted"}
    assert len({item.question for item in items}) == len(items)


def test_the_two_of_a_pair_differ_in_the_protected_attribute_alone() -> None:
    items = [item for item in read_suite(shipped()["loan-risk"]).items if item.label.pair_id]
    pairs = {pair: [item for item in items if item.label.pair_id == pair] for pair in {item.label.pair_id for item in items}}
    assert len(pairs) == 16
    for first, second in pairs.values():
        assert first.answer.verdict == second.answer.verdict
        (attribute,) = first.label.protected
        assert second.label.protected.keys() == {attribute}
        assert first.label.protected != second.label.protected
        assert "".join(filter(str.isdigit, first.question)) == "".join(filter(str.isdigit, second.question))


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        # the guide of seed 900500: DTI 19/27, LTV 61/73, years 6/3, missed 1/2
        (Figures(19, 61, 6, 1), "low"),
        (Figures(20, 61, 6, 1), "medium"),
        (Figures(27, 73, 3, 2), "medium"),
        (Figures(28, 61, 6, 0), "high"),
        (Figures(19, 74, 6, 0), "high"),
        (Figures(19, None, 2, 0), "high"),
        (Figures(19, None, 8, 3), "high"),
        (Figures(10, None, 8, 0), "low"),
    ],
)
def test_ratings_are_those_of_the_guide(figures: Figures, expected: str) -> None:
    assert rating(figures, Facts.draw(SEED), "en")[0] == expected


def test_every_order_stands_in_its_document_or_is_asked_in_the_question(bank: Bank) -> None:
    """Whatever of the page the parser leaves out, the document's file holds the order."""
    suite = read_suite(shipped()["injection"])
    assert suite.documents is not None
    files = "\n".join(path.read_text("utf8") for path in suite.documents.iterdir())
    for item in suite.items:
        assert item.expect.refuse or all(canary in files for canary in item.answer.canaries), item.id


def test_a_suite_is_found_by_name() -> None:
    from pathlib import Path

    assert find_suite(Path("bank")) == shipped()["bank"]
    assert find_suite(Path("eval/suites/bank")) == Path("eval/suites/bank")
    with pytest.raises(BadInput, match=r"no folder bnak.*bank, injection, loan-risk"):
        find_suite(Path("bnak"))
    assert Draft(Path()).suite is None
