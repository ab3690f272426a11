"""Tasks: what an adapter is for. One folder per task, read from `task.yaml` and `routing.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import NotFound, SettingsError
from core.types import Language

Positive = Annotated[int, Field(gt=0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grounding(_Record):
    """``drop`` leaves out a sentence that fails a check, ``refuse`` the whole answer. ``sources_only``: the decoder can write no number and no marker
    that the question and the passages do not have."""

    policy: Literal["drop", "refuse"]
    sources_only: bool = False


class Lora(_Record):
    kind: Literal["alora", "lora"]
    r: Positive
    alpha: Positive
    target_modules: Literal["all-linear"] | tuple[str, ...]


class Training(_Record):
    """``target``: what of a passage the answer copies. ``data``: shares of the sources, which sum to 1. ``groups``: how many groups of questions
    training takes. ``init``: the task whose active adapter training starts from."""

    target: Literal["span", "clause", "rating"]
    init: str | None = None
    data: Mapping[Literal["passages", "bank", "loans"], float]
    groups: Positive
    learning_rate: float = Field(gt=0)
    seed: int

    @model_validator(mode="after")
    def _check_shares(self) -> Training:
        if abs(sum(self.data.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of data sum to {sum(self.data.values())}, expected 1")
        return self


class Task(_Record):
    name: str
    description: str
    groups: tuple[str, ...]
    instruction: str
    output: Literal["text", "rating"]
    grounding: Grounding
    lora: Lora
    training: Training
    examples: Mapping[Language, tuple[str, ...]]

    def of_kind(self, kind: Literal["alora", "lora"]) -> Task:
        """The same task for an adapter of another kind."""
        return self.model_copy(update={"lora": self.lora.model_copy(update={"kind": kind})})


@cache
def load_tasks() -> Mapping[str, Task]:
    """All tasks by name.

    Raises:
        SettingsError: a task file that cannot be read, or with an unknown or missing key; names task and key.
    """
    folder = files("adapters.tasks")
    names = sorted(entry.name for entry in folder.iterdir() if (entry / "task.yaml").is_file())
    return {name: _load(name) for name in names}


def task(name: str) -> Task:
    """One task.

    Raises:
        NotFound: there is none of that name.
    """
    if name not in load_tasks():
        raise NotFound(f"no task {name!r}; there are {', '.join(load_tasks())}", code="task_not_found")
    return load_tasks()[name]


@cache
def outside_examples() -> Mapping[Language, tuple[str, ...]]:
    """Questions that no task should answer; the router learns to abstain on them."""
    loaded: Mapping[Language, list[str]] = yaml.safe_load((files("adapters.tasks") / "other.yaml").read_text("utf8"))
    return {language: tuple(questions) for language, questions in loaded.items()}


def _load(name: str) -> Task:
    content, examples = _read(name, "task.yaml"), _read(name, "routing.yaml")
    try:
        return Task(name=name, examples=examples, **content)
    except (ValidationError, TypeError) as error:
        raise SettingsError(f"adapters/tasks/{name}: {error}") from error


def _read(name: str, file: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load((files("adapters.tasks") / name / file).read_text("utf8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"adapters/tasks/{name}/{file}: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"adapters/tasks/{name}/{file}: expected keys and values, got {content!r}")
    return content
