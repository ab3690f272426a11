"""What one item came to under one arm: a line of a run's `samples.jsonl`."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

#: the four arms of the table, and those that explain it
ARMS = ("base", "rag", "lora", "rag+lora")
DIAGNOSTIC_ARMS = ("oracle", "distractors", "wrong-adapter")
#: those that answer from the model alone
WITHOUT_PASSAGES = ("base", "lora")
FORCED = "forced:"  # and an adapter's name


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Retrieved(_Part):
    """A passage that the prompt held, as numbered there from 1. ``heading`` (title and headings) and ``text`` are what the model read."""

    rank: int
    chunk_id: str
    document_id: str
    version: int
    start: int
    end: int
    score: float
    text: str
    heading: str = ""


class Cited(_Part):
    n: int
    document_id: str
    version: int
    start: int
    end: int
    quote: str


class Checked(_Part):
    """A sentence that left, with the names of its checks that failed (arms without retrieval only observe)."""

    text: str
    citations: tuple[int, ...]
    failed: tuple[str, ...] = ()


class Routed(_Part):
    """``adapter`` None: the base model. ``confidence`` is the router's, between 0 and 1."""

    task: str | None
    adapter: str | None
    version: int | None
    confidence: float
    reason: str


class Failure(_Part):
    type: str
    message: str
    retryable: bool = False


class Record(_Part):
    """``kind`` is None where the call failed; then ``error`` says how. ``draft`` is what the model wrote, before any check. ``cited`` and ``sentences`` are the answer's, ``dropped`` counts sentences that did
    not pass. ``probabilities`` are those of the label tokens, where the task has labels. ``timings`` are seconds, ``usage`` token counts of the answer
    document. ``digest`` covers the whole line but itself and holds ``previous``: lines form a chain."""

    item: str
    arm: str
    rep: int = 0
    kind: Literal["answered", "refused", "handed_off"] | None
    text: str = ""
    draft: str = ""
    reason: str = ""
    status: str = ""
    retrieved: tuple[Retrieved, ...] = ()
    sufficient: bool | None = None  # whether what was retrieved was evidence enough; None without retrieval
    cited: tuple[Cited, ...] = ()
    sentences: tuple[Checked, ...] = ()
    dropped: int = 0
    numbers_checked: int = 0
    numbers_unsupported: int = 0
    route: Routed | None = None
    structured: dict[str, Any] | None = None
    probabilities: dict[str, float] | None = None
    usage: dict[str, int] = {}
    timings: dict[str, float] = {}
    prompt_digest: str = ""
    audit_id: str = ""
    cached: bool = False
    error: Failure | None = None
    previous: str = ""
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        return self.item, self.arm, self.rep


def sealed(record: Record, previous: str) -> Record:
    """The record as the next line behind one with the digest ``previous`` (empty for the first)."""
    content = record.model_copy(update={"previous": previous, "digest": ""}).model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    return record.model_copy(update={"previous": previous, "digest": digest})
