"""What an owner says of a document, as it comes in from a `documents.toml`, an upload or the command line."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from core.errors import DocumentRefused
from core.text.normalise import one_line
from core.types import DataLevel, Metadata

DOCUMENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
GROUP = r"^[a-z0-9][a-z0-9._-]{0,63}$"


def _words(value: object) -> object:
    return one_line(value) if isinstance(value, str) else value


def _day(value: object) -> object:
    """Numbers are no days, though pydantic would take them for seconds since 1970."""
    if value is None or type(value) is date or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII)):
        return value
    raise ValueError("expected a day, YYYY-MM-DD")


_Day = Annotated[date | None, BeforeValidator(_day)]


class DocumentMetadata(BaseModel):
    """The wire format. ``groups`` may name ``public``, which every caller has."""

    model_config = ConfigDict(extra="forbid")

    document_id: Annotated[str, StringConstraints(pattern=DOCUMENT_ID)] | None = Field(None, description="stable id; the same id again is a new version")
    title: Annotated[str, StringConstraints(min_length=1, max_length=500), BeforeValidator(_words)] | None = None
    groups: list[Annotated[str, StringConstraints(pattern=GROUP)]] = Field(
        default_factory=list, max_length=64, description="who may read it; `public` is everybody"
    )
    language: Literal["en", "zh"] | None = None
    product: Annotated[str, StringConstraints(min_length=1, max_length=64), BeforeValidator(_words)] | None = None
    data_level: DataLevel = "internal"
    valid_from: _Day = Field(None, description="first day on which the document applies")
    valid_until: _Day = Field(None, description="first day on which it no longer applies")

    @model_validator(mode="after")
    def _check_days(self) -> DocumentMetadata:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError(f"valid_until ({self.valid_until}) must be later than valid_from ({self.valid_from})")
        return self


def parse_metadata(values: dict[str, Any], name: str, readable: frozenset[str] | None = None) -> Metadata:
    """Check what was said of a file.

    Args:
        readable: the groups whose documents the uploader may read; None is all.

    Raises:
        DocumentRefused: an unknown key, a value that does not fit, no group at all, or one that is not the uploader's (code ``bad_metadata``).
    """
    try:
        checked = DocumentMetadata.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'metadata'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise DocumentRefused(f"metadata of {name}: {problems}", code="bad_metadata", param="metadata") from None
    if not checked.groups:
        raise DocumentRefused(
            f'metadata of {name}: nobody may read it. Give groups, such as ["staff"], or ["public"] for everybody.', code="bad_metadata", param="groups"
        )
    if readable is not None and (others := sorted(set(checked.groups) - readable)):
        raise DocumentRefused(
            f"metadata of {name}: this key is not of the group {others[0]}; it can give {', '.join(sorted(readable))}", code="bad_metadata", param="groups"
        )
    return Metadata(**{**checked.model_dump(), "groups": tuple(sorted(set(checked.groups)))})


def metadata_digest(metadata: Metadata) -> str:
    return hashlib.sha256(repr(metadata).encode()).hexdigest()


def default_document_id(path: str) -> str:
    """A readable slug and a hash of the relative path, so that Chinese names get distinct ids too."""
    slug = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(path).with_suffix("").as_posix().lower()).strip("-")[:60]
    return f"{slug}-{hashlib.sha256(path.encode()).hexdigest()[:8]}".lstrip("-")
