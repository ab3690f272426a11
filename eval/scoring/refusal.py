"""Refusals: those that are due, those that are not, and whether they say why. One is never shown without the other.

What the answer document says counts (its kind and reason), never the wording. A hand-off to a person is no answer either.
"""

from __future__ import annotations

from assistant.refusals import Refusal
from eval.run.record import Record
from eval.scoring.answers import answered
from eval.scoring.asked import must_refuse
from eval.scoring.score import Scored
from eval.suite.item import Item, RefusalReason

_NOT_FOUND = {Refusal.NO_EVIDENCE, Refusal.NOT_IN_PASSAGES}
#: why the product may say that it refuses, by why it should. What a caller may not read does not exist for that caller, and must not be told apart. An
#: answer that only the checks held back ("unsupported") shows that the reason was not seen.
_RIGHT: dict[RefusalReason, set[Refusal]] = {
    "no_evidence": _NOT_FOUND,
    "not_permitted": _NOT_FOUND,
    "out_of_scope": _NOT_FOUND | {Refusal.HANDED_OFF, Refusal.POLICY},
}


def refused_right(_item: Item, record: Record) -> Scored:
    """Whether what must be refused was."""
    return Scored(0.0, "answered") if answered(record) else Scored(1.0, detail={"reason": record.reason})


def over_refusal(_item: Item, record: Record) -> Scored:
    """Whether what can be answered was refused."""
    return Scored(0.0) if answered(record) else Scored(1.0, detail={"reason": record.reason})


def has_reason(item: Item, arm: str) -> bool:
    return item.expect.reason is not None and must_refuse(item, arm)


def refusal_reason(item: Item, record: Record) -> Scored:
    """Whether a refusal that is due gives the right reason."""
    assert item.expect.reason is not None
    if answered(record):
        return Scored(None, "answered")
    return Scored(float(record.reason in _RIGHT[item.expect.reason]), detail={"reason": record.reason})


def outcome(record: Record) -> str:
    """A column of the refusal matrix: ``answered``, ``error``, or the reason of the refusal."""
    return "error" if record.error else "answered" if answered(record) else record.reason or "refused"


def expected(item: Item, arm: str) -> str:
    """A row of the refusal matrix: ``answer``, or the reason for which a refusal is due."""
    return (item.expect.reason or "no_evidence") if must_refuse(item, arm) else "answer"
