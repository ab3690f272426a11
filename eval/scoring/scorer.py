"""Every record of a run under every metric that applies to it. No model is needed: a mended metric scores old runs again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput
from eval.run.record import ARMS, DIAGNOSTIC_ARMS, Record
from eval.scoring.score import ERROR, Metric, Score
from eval.suite.item import Item

_ORDER = (*ARMS, *DIAGNOSTIC_ARMS)


def score_records(items: Sequence[Item], records: Iterable[Record], metrics: Mapping[str, Metric]) -> Iterator[Score]:
    """The scores, in the order of the suite's items, then of arms, repetitions and metrics, whatever the order of the records.

    Raises:
        BadInput: a record of an item that the suite does not have, or two of one item, arm and repetition.
    """
    by_id = {item.id: item for item in items}
    for record in in_order(items, records):
        item = by_id[record.item]
        for metric in metrics.values():
            if metric.applies(item, record.arm):
                yield _scored(item, record, metric)


def _scored(item: Item, record: Record, metric: Metric) -> Score:
    key = (item.id, record.arm, record.rep, metric.name, metric.version)
    if record.error is not None:
        return Score(*key, metric.worst, ERROR, {"type": record.error.type})
    scored = metric.score(item, record)
    return Score(*key, scored.value, scored.reason, scored.detail)


def in_order(items: Sequence[Item], records: Iterable[Record]) -> list[Record]:
    """See :func:`score_records`."""
    places = {item.id: place for place, item in enumerate(items)}
    found: dict[tuple[str, str, int], Record] = {}
    for record in records:
        if record.item not in places:
            raise BadInput(f"the run has an answer to item {record.item!r}, which the suite does not have; score it with the suite that it was made with")
        if record.key in found:
            raise BadInput(f"the run has two answers to item {record.item!r} under arm {record.arm!r}, repetition {record.rep}; run `eval verify` on it")
        found[record.key] = record
    arms = {arm: place for place, arm in enumerate(_ORDER)}
    return sorted(found.values(), key=lambda record: (places[record.item], arms.get(record.arm, len(arms)), record.arm, record.rep))


def write_scores(scores: Iterable[Score], path: Path) -> list[Score]:
    """Write `scores.jsonl`, whole or not at all, and give back what was written."""
    kept: list[Score] = []
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf8") as file:
        for score in scores:
            file.write(json.dumps(line(score), ensure_ascii=False) + "\n")
            kept.append(score)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return kept


def line(score: Score) -> dict[str, Any]:
    """A score as JSON; what says nothing is left out."""
    document: dict[str, Any] = {name: getattr(score, name) for name in ("item", "arm", "rep", "metric", "version", "value")}
    if score.reason:
        document["reason"] = score.reason
    if score.detail:
        document["detail"] = dict(score.detail)
    return document


def read_scores(path: Path) -> Iterator[Score]:
    """The scores that :func:`write_scores` wrote.

    Raises:
        BadInput: there are none, or a line is none.
    """
    try:
        lines = path.read_text("utf8").splitlines()
    except FileNotFoundError:
        raise BadInput(f"{path} is not there; `bankassist eval score` writes it", param="RUN") from None
    for number, text in enumerate(lines, start=1):
        try:
            yield Score(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise BadInput(f"{path}, line {number} is no score: {error}; write it anew by `bankassist eval score`", param="RUN") from error
