"""The scores of a run as a table: an item a row, an arm's metric a column, repetitions averaged first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from eval.scoring.score import ERROR, Metric, Score
from eval.statistics.estimates import Flags
from eval.statistics.shares import Numbers
from eval.suite.item import Item
from eval.summary import ALL

Column = tuple[str, str]  # arm, metric
#: the slice of items whose answer has to be put together from two documents or more (RGB's information integration)
SEVERAL = "documents:several"


@dataclass(frozen=True)
class Values:
    """``mean`` is items x columns, NaN where an item has no value; ``asked`` says where the metric applies to the item, ``failed`` where a call failed."""

    items: tuple[Item, ...]
    columns: Mapping[Column, int]
    mean: Numbers
    asked: Flags
    failed: Flags

    @property
    def groups(self) -> list[str]:
        return [item.group_id for item in self.items]

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(arm for arm, _ in self.columns))

    def of(self, arm: str, metric: str) -> Numbers:
        """A column; all NaN where there is no such."""
        place = self.columns.get((arm, metric))
        return np.full(len(self.items), np.nan) if place is None else self.mean[:, place]


def collect(items: Sequence[Item], scores: Iterable[Score], metrics: Mapping[str, Metric]) -> Values:
    """The table of a run's scores. Only items with a score take part.

    Raises:
        BadInput: a score of an unknown item or metric, of another version of the metric, or given twice.
    """
    order = {item.id: place for place, item in enumerate(items)}
    columns: dict[Column, int] = {}
    rows, places, numbers, failed = [], [], [], []
    seen: set[tuple[str, str, int, str]] = set()
    for score in scores:
        _check(score, order, metrics, seen)
        rows.append(order[score.item])
        places.append(columns.setdefault((score.arm, score.metric), len(columns)))
        numbers.append(np.nan if score.value is None else score.value)
        failed.append(score.reason == ERROR)
    shape = len(items), len(columns)
    index, value, error = (np.array(rows, int), np.array(places, int)), np.array(numbers, float), np.array(failed, bool)
    sums, counts, asked, wrong = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    asked[index] = True
    there = ~np.isnan(value)
    np.add.at(sums, (index[0][there], index[1][there]), value[there])
    np.add.at(counts, (index[0][there], index[1][there]), 1.0)
    wrong[index[0][error], index[1][error]] = True
    with np.errstate(invalid="ignore"):
        mean = sums / counts
    kept = np.flatnonzero(asked.any(1))
    return Values(tuple(items[int(place)] for place in kept), columns, mean[kept], asked[kept], wrong[kept])


def _check(score: Score, order: Mapping[str, int], metrics: Mapping[str, Metric], seen: set[tuple[str, str, int, str]]) -> None:
    key = score.item, score.arm, score.rep, score.metric
    if score.item not in order:
        raise BadInput(f"there is a score of item {score.item!r}, which the suite does not have; score the run with the suite that it was made with")
    if score.metric not in metrics:
        raise BadInput(f"there is a score of metric {score.metric!r}, which this program does not know; `bankassist eval score` writes the scores anew")
    if score.version != metrics[score.metric].version:
        raise BadInput(
            f"scores of {score.metric!r} are of its version {score.version}, this program has {metrics[score.metric].version}; `bankassist eval score` writes them anew"
        )
    if key in seen:
        raise BadInput(f"there are two scores of item {score.item!r}, arm {score.arm!r}, repetition {score.rep}, metric {score.metric!r}")
    seen.add(key)


def slices(items: Sequence[Item]) -> dict[str, Flags]:
    """The parts that are looked at alone: each language, task and topic, items that need facts of two documents, and each task in each language. Names are like ``lang:zh&task:calc``."""
    found: dict[str, list[int]] = {ALL: list(range(len(items)))}
    parts: list[dict[str, list[int]]] = [{}, {}, {}, {}, {}]
    for place, item in enumerate(items):
        names = (
            f"lang:{item.lang}", f"task:{item.task}", f"topic:{item.topic}" if item.topic else "", SEVERAL if _joins_documents(item) else "",
            f"lang:{item.lang}&task:{item.task}",
        )  # fmt: skip
        for part, name in zip(parts, names, strict=True):
            if name:
                part.setdefault(name, []).append(place)
    for part in parts:
        found |= {name: part[name] for name in sorted(part)}
    masks = {}
    for name, places in found.items():
        masks[name] = np.zeros(len(items), bool)
        masks[name][places] = True
    return masks


def _joins_documents(item: Item) -> bool:
    """Whether no piece of evidence suffices alone, and those that are needed together are of different documents."""
    return len({one.document_id for one in item.evidence}) > 1 and all(one.grade == 1 for one in item.evidence)
