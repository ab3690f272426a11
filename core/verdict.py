"""What an evaluation's gate found, check by check, and the document by which an adapter version passes it: `adapters gate` obeys it without knowing how
anything was measured."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import BadInput

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Check(_Part):
    """One threshold and what was found. ``wanted`` is the threshold in words. ``value`` is of a ``kind``: the mean of a metric over ``count`` items, a
    figure that only all answers of an arm together have (such as AUROC), or the difference between two arms or runs; ``low`` and ``high`` are its 95% interval. Where the suite is too small for the threshold nothing is decided, and the check has not passed."""

    name: str
    kind: Literal["mean", "figure", "difference"]
    metric: str
    arm: str
    slice: str
    wanted: str
    threshold: float
    value: float | None
    low: float | None
    high: float | None
    count: int
    passed: bool
    decided: bool = True
    why: str

    @model_validator(mode="after")
    def _decided(self) -> Check:
        if self.passed and not self.decided:
            raise ValueError("a check that decides nothing has not passed")
        return self


class Verdict(_Part):
    """On one adapter version over one base. ``digest`` is the adapter's, ``base_digest`` that of the base's weights; ``answers`` counts the answers of the
    run that it wrote. ``records_digest`` is the head of the run's chain of records, ``thresholds_set_before_run`` False where they may have been chosen
    with the figures in sight."""

    schema_version: Literal["bankassist-verdict/1"] = "bankassist-verdict/1"
    adapter: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1)]
    digest: Digest
    base_digest: Digest
    suite: str
    suite_digest: Digest
    run: str
    records_digest: Digest
    answers: Annotated[int, Field(ge=1)]
    thresholds_digest: Digest
    thresholds_set_before_run: bool
    baseline: str | None = None
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]
    passed: bool
    at: datetime

    @model_validator(mode="after")
    def _agrees(self) -> Verdict:
        if self.passed is not all(check.passed for check in self.checks):
            raise ValueError("`passed` must say whether all checks passed, and does not")
        return self


def read_verdict(path: Path) -> tuple[Verdict, str]:
    """A verdict and the SHA-256 of its file.

    Raises:
        BadInput: the file cannot be read or holds no verdict.
    """
    try:
        content = path.read_bytes()
        return Verdict.model_validate_json(content), hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}; `bankassist eval gate --adapter NAME@V --verdict FILE` writes it", param="--verdict"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"{path} is no verdict: {place + ': ' if place else ''}{first['msg']}", param="--verdict") from error
