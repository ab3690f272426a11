"""Items and records made by hand, with as little as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from eval.run.document import Engines, Hardware, Program, RunDocument, Seeds, SuiteRef
from eval.run.folder import finish, make_folder
from eval.run.record import Checked, Cited, Failure, Record, Retrieved, Routed
from eval.run.samples import NAME as SAMPLES
from eval.run.samples import Samples
from eval.suite.file import write_suite
from eval.suite.item import Evidence, Expect, Expected, Item, Number, RefusalReason
from eval.suite.manifest import CorpusNeeds

#: a document of three sentences, at 0, 30 and 60
TEXT = "The monthly fee is USD 4.50.. The rate is 2.75% a year.... It ends on 1 July 2027........"


def item(name: str = "q", **values: Any) -> Item:
    plain: dict[str, Any] = {"id": name, "group_id": name, "lang": "en", "task": "lookup", "question": "How much is it?"}
    return Item(**{**plain, **values})


def facts(*groups: str | tuple[str, ...], **values: Any) -> Expected:
    return Expected(facts=tuple((group,) if isinstance(group, str) else group for group in groups), **values)


def refuse(reason: RefusalReason = "no_evidence") -> Expect:
    return Expect(refuse=True, reason=reason)


def number(value: float, unit: str = "", tolerance: float = 1e-4) -> Number:
    return Number(value=value, unit=unit, rel_tol=tolerance)


def evidence(start: int, end: int, document: str = "d", version: int = 1, grade: Any = 2) -> Evidence:
    return Evidence(document_id=document, version=version, start=start, end=end, quote="it", grade=grade)


def passage(rank: int, start: int = 0, end: int = 90, document: str = "d", version: int = 1, text: str = TEXT) -> Retrieved:
    return Retrieved(
        rank=rank, chunk_id=f"{document}@{version}:{start}", document_id=document, version=version, start=start, end=end, score=1 / rank, text=text
    )


def cited(n: int, start: int = 0, end: int = 90, document: str = "d", version: int = 1, quote: str = "") -> Cited:
    return Cited(n=n, document_id=document, version=version, start=start, end=end, quote=quote)


def said(text: str, *citations: int, failed: tuple[str, ...] = ()) -> Checked:
    return Checked(text=text, citations=citations, failed=failed)


def routed(adapter: str | None, confidence: float = 0.9) -> Routed:
    return Routed(task=adapter, adapter=adapter, version=1 if adapter else None, confidence=confidence, reason="")


def answer(text: str, name: str = "q", arm: str = "rag+lora", **values: Any) -> Record:
    return Record(**{"item": name, "arm": arm, "kind": "answered", "text": text, **values})


def refusal(reason: str = "no_evidence", name: str = "q", arm: str = "rag+lora", **values: Any) -> Record:
    return Record(**{"item": name, "arm": arm, "kind": "refused", "reason": reason, "text": "The documents hold nothing about this.", **values})


def failure(name: str = "q", arm: str = "rag+lora", **values: Any) -> Record:
    return Record(item=name, arm=arm, kind=None, error=Failure(type="TooLate", message="too late"), **values)


def rated(rating: str | None, high: float | None = None, name: str = "q", arm: str = "rag+lora", **values: Any) -> Record:
    """A loan rating; without one a refusal."""
    if rating is None:
        return refusal("unsupported", name, arm)
    probabilities = None if high is None else {"low": (1 - high) / 2, "medium": (1 - high) / 2, "high": high}
    return answer(f"Rating: {rating}", name, arm, structured={"rating": rating}, probabilities=probabilities, **values)


def run_folder(folder: Path, items: Sequence[Item], records: Sequence[Record], *, primary: Sequence[str] = ("correct",), complete: bool = True) -> Path:
    """A run as it lies on disk, with its suite beside it."""
    arms = tuple(dict.fromkeys(record.arm for record in records))
    suite = write_suite(folder / "suite", items, name="made", version=1, licence="CC0", primary=primary, corpus=CorpusNeeds(), general=False)
    manifest = suite.manifest
    document = RunDocument(
        id=folder.name, status="running", arms=arms, items=tuple(item.id for item in items), left_out={}, reps=1, total=len(records), limit=None,
        suite=SuiteRef(name="made", version=1, sha256=manifest.sha256, digest=manifest.digest, n=len(items), path=str(suite.path), primary=manifest.primary),
        seeds=Seeds(sample=0), today=date(2026, 11, 26), target="in-process", at_once=1, offline=True, cached=False,
        program=Program(version="1", code="", packages="", python=""), hardware=Hardware(cpu="", cores=1, memory_gib=1, system=""),
        engines=Engines(base={}, embedder={}, adapters=(), index={}, templates={}, settings={}), thresholds=None, started_at=datetime(2026, 11, 26, tzinfo=UTC),
    )  # fmt: skip
    run = folder / "run"
    make_folder(run, document, suite)
    with Samples(run / SAMPLES) as samples:
        for record in records:
            samples.append(record)
        head = samples.head
    if complete:
        readers = {f"{one.document_id}@{one.version}": ("public",) for record in records for one in record.retrieved if one.document_id != "secret"}
        finish(run, document.model_copy(update={"status": "complete", "records": len(records), "head": head, "readers": readers}))
    return run
