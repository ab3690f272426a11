"""What a suite says of itself: `manifest.json`, written with the items and checked against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusDocument(_Part):
    """A version that the items were written against. ``digest`` is over its normalised text, to which offsets refer, and not over its file: the same bank
    may be rendered anew."""

    document_id: str
    version: Annotated[int, Field(ge=1)]
    digest: Sha256


class CorpusNeeds(_Part):
    """With ``sample_bank`` the bank of that seed and the suite's own `documents/` are the corpus; without, the catalogue of the settings, or whatever
    catalogue the suite's `documents/` were ingested into."""

    sample_bank: int | None = None
    documents: tuple[CorpusDocument, ...] = ()


class Counts(_Part):
    split: dict[str, int]
    lang: dict[str, int]
    task: dict[str, int]
    reason: dict[str, int]  # of the items to be refused


class PersonalData(_Part):
    """Items in which something was found, by kind (EMAIL, IBAN, CARD ...)."""

    items: int
    kinds: dict[str, int]


class LeakCheck(_Part):
    """``sources`` name what was compared, ``texts`` of it; ``exact`` and ``overlapping`` items must be 0."""

    sources: tuple[str, ...]
    texts: int
    exact: int
    overlapping: int


class Manifest(_Part):
    """``general`` suites ask what a bank is asked, and must hold 15 to 40% items to be refused; others measure one thing. ``primary`` metrics are declared
    here, before any run: those that a claim may rest on, at most six, the first one first. ``digest`` does not depend on the order of the items. ``leaks``
    is None where nobody has looked."""

    schema_version: Literal["bankeval/1"] = "bankeval/1"
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]*$", max_length=64)]
    version: Annotated[int, Field(ge=1)]
    licence: Annotated[str, Field(min_length=1)]
    description: str = ""
    general: bool = True
    primary: Annotated[tuple[str, ...], Field(min_length=1, max_length=6)]
    corpus: CorpusNeeds
    n: int
    sha256: Sha256
    digest: Sha256
    counts: Counts
    personal_data: PersonalData
    leaks: LeakCheck | None = None
