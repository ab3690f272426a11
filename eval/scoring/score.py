"""What a metric says of one record: a line of a run's `scores.jsonl`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eval.run.record import Record
from eval.suite.item import Item

#: why a record has the worst value: there is no answer
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Scored:
    """``value`` None: the metric says nothing of this record, for ``reason``. It is then left out of the mean, and counted."""

    value: float | None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


ScoreFunction = Callable[[Item, Record], Scored]


@dataclass(frozen=True, slots=True)
class Metric:
    """A pure function of an item and what it came to. ``version`` changes whenever a value may. Tier 0 needs no model, tier 1 a local one.

    A record with an error is never shown to it: its value is ``worst`` where ``applies`` to the item, so that nothing vanishes from a denominator; None
    where there is no worst, as of seconds. ``binary`` values are 0 or 1 and take the statistics of shares."""

    name: str
    version: int
    tier: int
    higher_is_better: bool
    binary: bool
    worst: float | None
    applies: Callable[[Item, str], bool]  # to the item under an arm
    score: ScoreFunction
    title: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A line of `scores.jsonl`, in the order of its keys. Where the record has an error ``reason`` is :data:`ERROR`."""

    item: str
    arm: str
    rep: int
    metric: str
    version: int
    value: float | None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
