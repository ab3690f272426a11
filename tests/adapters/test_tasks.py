"""The shipped tasks, and what a task file must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import tasks
from adapters.tasks import load_tasks, outside_examples, task
from core.errors import NotFound, SettingsError
from core.text.language import language_of
from core.types import PUBLIC, Language
from examples.samplebank.facts import Facts
from examples.samplebank.questions import load

_TASK = """description: Answers
groups: [public]
instruction: ""
output: text
grounding: {policy: drop}
lora: {kind: alora, r: 16, alpha: 32, target_modules: all-linear}
training: {target: span, data: {passages: 1.0}, groups: 5, learning_rate: 1.0e-3, seed: 1}
"""
_ROUTING = "en: ['How much is it?']\nzh: [多少钱？]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one task, `fees`, in the place of the shipped ones."""
    (tmp_path / "fees").mkdir()
    (tmp_path / "fees" / "task.yaml").write_text(_TASK, encoding="utf8")
    (tmp_path / "fees" / "routing.yaml").write_text(_ROUTING, encoding="utf8")
    (tmp_path / "no-task").mkdir()
    monkeypatch.setattr(tasks, "files", lambda _: tmp_path)
    return tmp_path


def test_the_shipped_tasks() -> None:
    loaded = load_tasks()
    assert list(loaded) == ["compliance", "customer-service", "loan-risk"]
    assert {name: each.groups for name, each in loaded.items()} == {"compliance": ("staff", "risk"), "customer-service": (PUBLIC,), "loan-risk": ("risk",)}
    assert task("loan-risk").output == "rating"
    assert task("loan-risk").grounding.policy == "refuse"  # one wrong comparison makes a rating worthless


@pytest.mark.parametrize("name", list(load_tasks()))
def test_a_shipped_task_is_whole(name: str) -> None:
    one = task(name)
    assert one.name == name
    assert sum(one.training.data.values()) == pytest.approx(1)
    assert one.training.init is None or one.training.init in load_tasks()
    assert one.training.init != name
    for language in ("en", "zh"):
        examples = one.examples[language]
        assert len(set(examples)) == len(examples) >= 20
        assert {language_of(example) for example in examples} == {language}


def test_routing_examples_are_no_question_of_the_tests() -> None:
    asked = {question.ask for seed in (1, 2, 3) for question in load(Facts.draw(seed))}
    examples = [example for each in load_tasks().values() for language in each.examples.values() for example in language]
    assert not asked & set(examples)
    assert len(set(examples)) == len(examples)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_for_no_task_belong_to_none(language: Language) -> None:
    outside = outside_examples()[language]
    assert len(set(outside)) == len(outside) >= 20
    assert not {example for each in load_tasks().values() for example in each.examples[language]} & set(outside)


def test_an_unknown_task_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="no task 'credit'; there are compliance, customer-service, loan-risk") as missing:
        task("credit")
    assert missing.value.code == "task_not_found"


def test_folders_with_a_task_file_are_tasks(folder: Path) -> None:
    loaded = load_tasks.__wrapped__()
    assert list(loaded) == ["fees"]
    assert loaded["fees"].examples == {"en": ("How much is it?",), "zh": ("多少钱？",)}
    assert loaded["fees"].lora.r == 16


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("output: text", "output: text\ncolour: red", "colour"),
        ("description: Answers\n", "", "description"),
        ("output: text", "output: poem", "output"),
        ("policy: drop", "policy: ignore", "grounding.policy"),
        ("r: 16", "r: 0", "lora.r"),
        ("passages: 1.0", "pasages: 1.0", "training.data.pasages"),
        ("output: text", "output: text\nname: other", "name"),
        ("description: Answers", "- a list", "task.yaml"),
        ("output: text", "output: [", "task.yaml"),
        (_TASK, "", "task.yaml"),
    ],
    ids=["unknown key", "missing key", "value", "nested value", "number", "source", "name", "mixed", "no YAML", "empty"],
)
def test_a_task_file_that_does_not_fit_is_named_with_its_key(folder: Path, old: str, new: str, says: str) -> None:
    (folder / "fees" / "task.yaml").write_text(_TASK.replace(old, new), encoding="utf8")
    with pytest.raises(SettingsError) as refused:
        load_tasks.__wrapped__()
    assert refused.value.code == "invalid_settings"
    assert "adapters/tasks/fees" in refused.value.message
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("routing", "says"),
    [("en: [Hi]\nfr: [Allô]\n", "examples.fr"), ("en: Hi\n", "examples.en"), (None, "routing.yaml")],
    ids=["language", "no list", "no file"],
)
def test_routing_that_does_not_fit_is_named(folder: Path, routing: str | None, says: str) -> None:
    path = folder / "fees" / "routing.yaml"
    path.unlink() if routing is None else path.write_text(routing, encoding="utf8")
    with pytest.raises(SettingsError) as refused:
        load_tasks.__wrapped__()
    assert "adapters/tasks/fees" in refused.value.message
    assert says in refused.value.message
