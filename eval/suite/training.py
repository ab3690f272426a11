"""The texts that adapters learnt from, drawn again from what their manifests name: no item of a suite may be among them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from adapters.data.items import groups
from adapters.data_digest import data_digest
from adapters.tasks import load_tasks, outside_examples
from core.errors import BadInput
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts

#: as adapters/training.py draws them: the groups by which a training is watched have a seed of their own
_DEVELOPMENT_SEED, _DEVELOPMENT_GROUPS = 1_000_003, 8
_FIELDS = ("question", "ask", "prompt", "input", "instruction", "text", "target", "answer", "output", "completion", "response")


@dataclass(frozen=True, slots=True)
class TrainingTexts:
    """Texts of one source, each once. ``note`` says what stands in the way of trusting them."""

    source: str
    texts: tuple[str, ...]
    note: str = ""


def sample_wordings(seed: int) -> TrainingTexts:
    """All questions of the sample bank, filled with the facts of a seed: stricter than drawing training banks, whose facts would make the same words differ."""
    found = [text for question in sample_questions.load(Facts.draw(seed)) for text in (question.ask, *question.train)]
    return TrainingTexts(f"the sample bank's own questions with the facts of seed {seed}", _once(found))


def routing_examples() -> TrainingTexts:
    """What the router is fitted on."""
    found = [text for task in load_tasks().values() for texts in task.examples.values() for text in texts]
    return TrainingTexts("routing examples of the tasks", _once([*found, *(text for texts in outside_examples().values() for text in texts)]))


def adapter_training(folder: Path, cache: Path | None, advance: Callable[[], None] = lambda: None) -> TrainingTexts:
    """The questions and targets that the adapter in a folder was trained on, drawn again by its manifest; kept in the cache, since drawing takes a minute.

    Raises:
        BadInput: the folder has no manifest of ours.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf8"))
        recipe = manifest["task"]["training"]
        count, name = int(manifest["training"]["groups"]), f"{manifest['name']}@{manifest['version']}"
        arguments = (dict(recipe["data"]), str(recipe["target"]), int(recipe["seed"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{folder} is no adapter with a manifest that says what it was trained on ({type(error).__name__}: {error})", param="--adapter"
        ) from error
    now = data_digest()
    note = "" if manifest.get("data_digest") == now else "the data of the package are no longer those that it was trained on"
    key = hashlib.sha256(json.dumps([now, arguments, count]).encode()).hexdigest()[:24]
    kept = cache / "training" / f"{key}.json" if cache else None
    if kept is not None and kept.exists():
        texts = tuple(json.loads(kept.read_text("utf8")))
    else:
        texts = _once(_drawn(arguments, count, advance))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            temporary = kept.with_suffix(".new")
            temporary.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf8")
            temporary.replace(kept)
    return TrainingTexts(f"training data of {name}", texts, note)


def _drawn(arguments: tuple[dict[str, float], str, int], count: int, advance: Callable[[], None]) -> Iterator[str]:
    shares, target, seed = arguments
    named = cast(dict[Literal["passages", "bank", "loans"], float], shares)
    for drawn, number in ((seed, count), (seed + _DEVELOPMENT_SEED, _DEVELOPMENT_GROUPS)):
        for group in islice(groups(named, target, drawn), number):
            yield from (text for item in group.items for text in (item.question, item.target))
            advance()


def training_file(path: Path) -> TrainingTexts:
    """A file of training data: JSON lines with a text in one of the usual fields or as chat ``messages``, or plain text, a line each.

    Raises:
        BadInput: it cannot be read, or a line of a .jsonl holds no text.
    """
    try:
        lines = path.read_text("utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}", param="--train") from error
    if path.suffix not in (".jsonl", ".json"):
        return TrainingTexts(str(path), _once(line.strip() for line in lines if line.strip()))
    texts: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _texts(json.loads(line))
        except ValueError as error:
            raise BadInput(f"{path}, line {number}: not JSON: {error}", param="--train") from error
        if not found:
            raise BadInput(f"{path}, line {number}: no text in any of {', '.join(_FIELDS)}, messages", param="--train")
        texts += found
    return TrainingTexts(str(path), _once(texts))


def _texts(value: Any) -> Sequence[str]:
    if not isinstance(value, dict):
        return ()
    messages = value.get("messages")
    turns = [turn["content"] for turn in messages if isinstance(turn, dict) and isinstance(turn.get("content"), str)] if isinstance(messages, list) else []
    return [*(value[name] for name in _FIELDS if isinstance(value.get(name), str)), *turns]


def _once(texts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
