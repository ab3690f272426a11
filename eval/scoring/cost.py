"""What an answer costs: seconds and tokens. What came from the cache took no time, and is left out there."""

from __future__ import annotations

from collections.abc import Callable

from eval.run.record import Record
from eval.scoring.score import Scored
from eval.suite.item import Item


def timing(name: str) -> Callable[[Item, Record], Scored]:
    """Seconds of one of the record's timings."""

    def score(_item: Item, record: Record) -> Scored:
        if record.cached:
            return Scored(None, "from the cache")
        return Scored(record.timings[name]) if name in record.timings else Scored(None, "not measured")

    return score


def tokens(name: str) -> Callable[[Item, Record], Scored]:
    """Tokens of one kind."""

    def score(_item: Item, record: Record) -> Scored:
        return Scored(float(record.usage[name])) if name in record.usage else Scored(None, "not counted")

    return score
