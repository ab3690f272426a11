"""A gate's thresholds: a TOML file, best given to `eval run` already, so that nobody can say they were chosen with the figures in sight.

[[check]]            # a figure
metric = "recall@5"
arm = "rag+lora"
slice = "lang:zh"    # default "all"
min = 0.9            # or max
on = "bound"         # that the end of the 95% interval holds; default "mean"

[[above]]            # one arm is better than another, for sure
metric = "correct"
arm = "rag+lora"
than = "rag"
by = 0.0             # default

[[not_worse]]        # than in the baseline run, but for a margin
metric = "correct"
arm = "rag+lora"
margin = 0.02        # default: two points
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import BadInput
from eval.summary import ALL

Name = Annotated[str, Field(min_length=1)]
#: two points: what a release may be worse by without anybody's harm
MARGIN = 0.02


class _Threshold(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    metric: Name
    arm: Name
    slice: Name = ALL

    @property
    def place(self) -> str:
        """What is looked at, in words."""
        return f"{self.metric} of {self.arm}{'' if self.slice == ALL else f', {self.slice}'}"


class Figure(_Threshold):
    """``on`` mean: the mean keeps to it. bound: the worse end of its interval does, so that it is shown and not only seen."""

    min: float | None = None
    max: float | None = None
    on: Literal["mean", "bound"] = "mean"

    @model_validator(mode="after")
    def _one(self) -> Figure:
        if (self.min is None) is (self.max is None):
            raise ValueError("give exactly one of min and max")
        return self

    @property
    def limit(self) -> float:
        found = self.min if self.min is not None else self.max
        assert found is not None
        return found

    @property
    def wanted(self) -> str:
        return f"{'mean' if self.on == 'mean' else 'interval'} {'at least' if self.min is not None else 'at most'} {self.limit:g}"


class Above(_Threshold):
    than: Name
    by: Annotated[float, Field(ge=0)] = 0.0

    @property
    def limit(self) -> float:
        return self.by

    @property
    def wanted(self) -> str:
        return f"better than {self.than} by more than {self.by:g}"


class NotWorse(_Threshold):
    margin: Annotated[float, Field(gt=0, lt=1)] = MARGIN

    @property
    def limit(self) -> float:
        return -self.margin

    @property
    def wanted(self) -> str:
        return f"not worse than in the baseline by {self.margin:g} or more"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    check: tuple[Figure, ...] = ()
    above: tuple[Above, ...] = ()
    not_worse: tuple[NotWorse, ...] = ()


Threshold = Figure | Above | NotWorse


@dataclass(frozen=True, slots=True)
class Thresholds:
    """In the order of the file's three kinds. ``digest`` is the file's SHA-256."""

    all: tuple[Threshold, ...]
    digest: str


def read_thresholds(path: Path) -> Thresholds:
    """A file of thresholds. Raises like :func:`parse_thresholds`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; it is to be a TOML file of thresholds", param="--thresholds") from error
    return parse_thresholds(content, str(path))


def parse_thresholds(content: bytes, name: str) -> Thresholds:
    """Thresholds out of a file's bytes; ``name`` is for messages.

    Raises:
        BadInput: it is not TOML, has an unknown key or a value that is none, or no threshold at all.
    """
    try:
        read: dict[str, Any] = tomllib.loads(content.decode("utf8"))
        found = _File.model_validate(read)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadInput(
            f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']} (docs/evaluation-statistics.md shows all keys)", param="--thresholds"
        ) from error
    except ValueError as error:
        raise BadInput(f"{name} is no TOML file: {error}", param="--thresholds") from error
    everything: tuple[Threshold, ...] = (*found.check, *found.above, *found.not_worse)
    if not everything:
        raise BadInput(f"{name} has no threshold: expected [[check]], [[above]] or [[not_worse]]", param="--thresholds")
    return Thresholds(everything, hashlib.sha256(content).hexdigest())
