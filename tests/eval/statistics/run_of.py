"""Items, metrics and scores of a made-up run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.scoring.score import Metric, Score, Scored
from eval.suite.item import Item

ARMS = ("base", "rag", "lora", "rag+lora")


def item(name: str, group: str = "", **rest: Any) -> Item:
    return Item(id=name, group_id=group or name, **{"lang": "en", "task": "lookup", "question": "How much?", **rest})


def metric(name: str, *, binary: bool = True, higher: bool = True, worst: float | None = 0.0) -> Metric:
    return Metric(name, 1, 0, higher, binary, worst, lambda _item, _arm: True, lambda _item, _record: Scored(None))


METRICS: Mapping[str, Metric] = {
    "correct": metric("correct"),
    "token_f1": metric("token_f1", binary=False),
    "injected": metric("injected", higher=False, worst=1.0),
    "seconds": metric("seconds", binary=False, higher=False, worst=None),
}


def scores(items: Sequence[Item], values: Mapping[str, Sequence[float | None]], name: str = "correct", rep: int = 0) -> Iterator[Score]:
    """Of one metric: arm -> a value for each item."""
    for arm, column in values.items():
        for one, value in zip(items, column, strict=True):
            yield Score(one.id, arm, rep, name, 1, value, "refused" if value is None else "")
