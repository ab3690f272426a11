"""The words of the product as immutable records (DESIGN, section 2). They carry no behaviour and import nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

Language = Literal["en", "zh"]
#: how far a document's text may go, lowest first
DataLevel = Literal["public", "internal", "confidential", "restricted"]
DATA_LEVELS: tuple[DataLevel, ...] = ("public", "internal", "confidential", "restricted")

#: the group that every caller has; a document for everybody names it
PUBLIC = "public"


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Block:
    """A parsed piece of a version in reading order. ``start`` and ``end`` are code points of the version's text."""

    kind: BlockKind
    text: str
    start: int
    end: int
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is indexed: the version's text from ``start`` to ``end``, with the headings above it. The catalogue gives it an id."""

    ordinal: int
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an owner says of a document when it is ingested; ``None`` means not said."""

    document_id: str | None = None
    title: str | None = None
    groups: tuple[str, ...] = ()
    language: Language | None = None
    product: str | None = None
    data_level: DataLevel = "internal"
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Groups and scopes come from the key, never from a request's body."""

    name: str
    groups: frozenset[str]
    scopes: frozenset[str]

    @property
    def readable(self) -> frozenset[str]:
        """The groups whose documents this caller may read."""
        return self.groups | {PUBLIC}


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Query:
    """``repeated``: the caller says that it sent this before and got no answer."""

    text: str
    principal: Principal
    as_of: date
    history: tuple[Turn, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk found for a query. ``legs`` holds its rank in each leg that found it, ``score`` the fused one. ``data_level`` is its document's."""

    rank: int
    chunk_id: str
    document_id: str
    version: int
    title: str
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int
    text: str
    legs: Mapping[str, int] = field(default_factory=dict)
    score: float = 0.0
    data_level: DataLevel = "internal"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the best passages fit the question: the vector leg's best cosine and the share of question words found."""

    cosine: float
    coverage: float
    sufficient: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one retrieval. ``index_fallback``: the index of the settings did not answer, so the local one was searched."""

    passages: tuple[Passage, ...]
    language: Language
    evidence: Evidence
    index_fallback: bool = False


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """An adapter version on disk. ``digest`` is over its weights and configuration."""

    name: str
    version: int
    path: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Route:
    """Which adapter answers. ``adapter`` None is the base model."""

    task: str | None
    adapter: AdapterRef | None
    confidence: float
    reason: str
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """The text that the model generated, with token counts. It ended by itself or at a stop string, at the most tokens, or when its time was over. So many
    tokens of the prompt as are ``cached`` had been read before."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: Literal["stop", "length", "deadline"]
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One grounding check of a sentence: which, on what, passed or not, and why."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a draft without its markers; ``unsupported`` counts its quantities that nothing cited states."""

    text: str
    citations: tuple[int, ...]
    checks: tuple[Check, ...]
    numbers: int = 0
    unsupported: int = 0

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class Citation:
    """A pointer from the answer to document, version, page and character span."""

    n: int
    document_id: str
    version: int
    title: str
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int
    quote: str


class AnswerKind(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused"
    HANDED_OFF = "handed_off"


class AnswerStatus(StrEnum):
    FINAL = "final"
    PENDING_REVIEW = "pending_review"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Grounding:
    numbers_checked: int
    numbers_unsupported: int
    sentences_dropped: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves. ``finish_reason`` is the draft's: an answer that was cut at the most tokens may lack what the documents say besides."""

    id: str
    kind: AnswerKind
    text: str
    reason: str | None
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    route: Route
    structured: Mapping[str, Any] | None
    grounding: Grounding
    as_of: date
    usage: Mapping[str, int]
    timings: Mapping[str, float]
    audit_id: str
    status: AnswerStatus
    index_fallback: bool = False
    finish_reason: Literal["stop", "length"] = "stop"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    PARTLY_DONE = "partly_done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FileState(StrEnum):
    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file of an ingestion. ``reason`` says why it was refused."""

    path: str
    state: FileState
    reason: str | None = None
    code: str | None = None
    document_id: str | None = None
    version: int | None = None
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    state: JobState
    created_at: datetime
    files: tuple[FileResult, ...]
    counts: Mapping[str, int]
    timings: Mapping[str, float]
    reason: str | None = None
