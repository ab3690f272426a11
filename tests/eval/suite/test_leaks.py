"""What an adapter was trained on must not be asked: to the letter, as a run of 13 tokens, or nearly so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.data.items import Group
from adapters.data.items import Item as Question
from adapters.registry import released_folder
from core.errors import BadInput
from eval.suite.item import Item
from eval.suite.leaks import leak_check, leaks, near
from eval.suite.training import TrainingTexts, adapter_training, routing_examples, sample_wordings, training_file
from tests.embedder import HashedEmbedder


def item(name: str, question: str) -> Item:
    return Item.model_validate({"id": name, "group_id": "g", "lang": "en", "task": "routing", "question": question, "expect": {"adapter": "base"}})


LONG = "I moved house last month and would like to know by when the bank must have been told my new address"


def test_exact_questions_and_runs_of_thirteen_tokens_are_leaks() -> None:
    items = [
        item("exact", "What does the card cost?"),
        item("run", f"Hello! {LONG}, please."),
        item("none", "How much is the card?"),
        item("twelve", " ".join(LONG.split()[:12])),
    ]
    training = [TrainingTexts("one", ("what does the  card cost", f"Good morning. {LONG}?")), TrainingTexts("two", ("卡的年费是多少？",))]
    found = leaks(items, training)
    assert [(leak.item, leak.exact) for leak in found] == [("exact", True), ("run", False)]
    assert found[1].shared == "i move hous last month and would like to know by when the"
    assert leak_check(found, training).model_dump() == {"sources": ("one", "two"), "texts": 3, "exact": 1, "overlapping": 1}


def test_chinese_questions_leak_too_whatever_their_punctuation() -> None:
    items = [item("exact", "银联卡 的年费，是多少?"), item("other", "银联卡补一张要多少钱？")]
    assert [leak.item for leak in leaks(items, [TrainingTexts("one", ("银联卡的年费是多少？",))])] == ["exact"]


def test_near_duplicates_are_listed_the_nearest_first() -> None:
    training = [TrainingTexts("one", ("what does the card cost", "an unrelated text about loans"))]
    found = near([item("same", "what does the card cost"), item("far", "opening hours on Saturday")], training, HashedEmbedder())
    assert [(leak.item, leak.text, round(leak.cosine or 0, 3)) for leak in found] == [("same", "what does the card cost", 1.0)]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """With what training groups were drawn; drawing them from passages and banks takes too long here, and has tests of its own."""
    seen: list[tuple[Any, ...]] = []

    def groups(*arguments: Any) -> Iterator[Group]:
        seen.append(arguments)
        for number in count(arguments[-1]):
            yield Group((), (Question(f"question {number}", f"answer {number}"), Question(f"question {number}", "twice")))

    monkeypatch.setattr("eval.suite.training.groups", groups)
    return seen


def test_training_data_are_drawn_again_from_the_manifest_and_kept(tmp_path: Path, drawn: list[tuple[Any, ...]]) -> None:
    manifest = {
        "name": "tiny", "version": 1, "data_digest": "other", "training": {"groups": 2},
        "task": {"training": {"data": {"loans": 1.0}, "target": "rating", "seed": 3}},
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    found = adapter_training(tmp_path, tmp_path / "cache")
    # two groups of its seed, then the eight by which training is watched
    assert drawn == [({"loans": 1.0}, "rating", 3), ({"loans": 1.0}, "rating", 1_000_006)]
    assert found.texts[:5] == ("question 3", "answer 3", "twice", "question 4", "answer 4")
    assert found.texts[-2:] == ("question 1000013", "answer 1000013")
    assert found.note == "the data of the package are no longer those that it was trained on"
    assert adapter_training(tmp_path, tmp_path / "cache") == found
    assert len(drawn) == 2


def test_the_released_adapters_say_what_they_were_trained_on(drawn: list[tuple[Any, ...]]) -> None:
    found = {folder.parent.name: adapter_training(folder, None) for folder in released_folder().glob("*/*")}
    assert {name: one.note for name, one in found.items()} == {"compliance": "", "customer-service": "", "loan-risk": ""}
    assert found["loan-risk"].source == "training data of loan-risk@3"
    # a training that was cut short or went on says so in `training`, not in the task
    assert len(found["loan-risk"].texts) == 2 * (79 + 8) + 1
    assert ({"passages": 0.5, "bank": 0.5}, "span", 11) in drawn


def test_a_folder_without_such_a_manifest_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no adapter with a manifest"):
        adapter_training(tmp_path, None)


def test_wordings_of_the_sample_bank_are_filled_with_the_facts_of_the_seed() -> None:
    assert "How much does the Millstream Current Account cost per month?" in sample_wordings(900_500).texts
    assert "definition of politically exposed person" in routing_examples().texts


def test_training_files_of_the_usual_forms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n\n{"messages": [{"role": "user", "content": "c"}]}\n{"question": "a"}\n')
    assert training_file(path).texts == ("a", "b", "c")
    path.write_text('{"question": "a"}\n{"id": 3}\n')
    with pytest.raises(BadInput, match=r"train.jsonl, line 2: no text in any of question, ask"):
        training_file(path)
    (tmp_path / "train.txt").write_text("问一\n问二\n")
    assert training_file(tmp_path / "train.txt").texts == ("问一", "问二")
    with pytest.raises(BadInput, match="No such file"):
        training_file(tmp_path / "gone.txt")
