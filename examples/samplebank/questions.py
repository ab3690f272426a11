"""Questions about the sample bank, with the answer, the document and the version that must be cited.

``ask`` is the wording that evaluations and tests use; no adapter is trained on it. ``train`` are other wordings, used for
training on banks of other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from examples.samplebank.facts import Facts, Language

_KEYS = {"id", "kind", "language", "task", "ask", "train", "answer", "document", "version", "as_of", "caller", "ten"}
KINDS = ("lookup", "table", "clause", "as_of", "access", "refusal")
CALLERS = ("customer", "staff", "risk")


@dataclass(frozen=True)
class SampleQuestion:
    id: str
    kind: str
    language: Language
    task: str
    ask: str
    train: tuple[str, ...]
    #: words to be copied, other accepted forms behind the first; empty: the answer must be a refusal
    answer: tuple[str, ...]
    document: str | None
    version: int | None
    as_of: date | None
    caller: str
    ten: bool


def load(facts: Facts) -> Sequence[SampleQuestion]:
    """All questions, filled with the facts of one bank.

    Raises:
        ValueError: names the question and what is wrong with it.
    """
    return tuple(_question(entry, facts) for entry in _entries())


@cache
def _entries() -> Sequence[dict[str, Any]]:
    folder = files("examples.samplebank") / "questions"
    paths = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(entry for path in paths for entry in yaml.safe_load(path.read_text("utf8")) or [])


def _question(entry: dict[str, Any], facts: Facts) -> SampleQuestion:
    name = entry.get("id", entry)
    try:
        if unknown := set(entry) - _KEYS:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        language: Language = entry["language"]
        kind, caller = entry["kind"], entry.get("caller", "customer")
        if kind not in KINDS or caller not in CALLERS:
            raise ValueError(f"kind must be one of {KINDS} and caller one of {CALLERS}")
        as_of = entry.get("as_of")
        return SampleQuestion(
            id=str(entry["id"]),
            kind=kind,
            language=language,
            task=str(entry["task"]),
            ask=facts.fill(entry["ask"], language),
            train=tuple(facts.fill(wording, language) for wording in entry.get("train", ())),
            answer=tuple(facts.fill(answer, language) for answer in entry.get("answer", ())),
            document=entry.get("document"),
            version=entry.get("version"),
            as_of=facts.values[as_of].day if isinstance(as_of, str) else as_of,
            caller=caller,
            ten=bool(entry.get("ten", False)),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"question {name}: {error}") from error
