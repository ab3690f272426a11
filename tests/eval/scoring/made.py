"""Items and records made by hand, with as little as a test needs."""

from __future__ import annotations

from typing import Any

from eval.run.record import Checked, Cited, Failure, Record, Retrieved, Routed
from eval.suite.item import Evidence, Expect, Expected, Item, Number, RefusalReason

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
