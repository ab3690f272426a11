"""What a report is made from: the files of a run folder, read once and joined by item and arm."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.errors import BadInput
from eval.report.blocks import Form, Value
from eval.report.gate import checks
from eval.run.folder import open_run
from eval.run.record import ARMS, Record
from eval.scoring.score import Score
from eval.scoring.scorer import read_scores
from eval.suite.item import Item
from eval.summary import ALL, Aggregate, Effect, Pair, Summary

SCORES, SUMMARY, GATE = "scores.jsonl", "summary.json", "gate.json"
#: the metric that is one yes or no of every item
CORRECT = "correct"


@dataclass(frozen=True)
class Material:
    """``document`` is run.json, ``gate`` gate.json where a gate was run, ``sample_bank`` the seed where the documents are invented, ``baseline`` the run that this one is compared with."""

    document: Mapping[str, Any]
    items: Mapping[str, Item]
    records: Sequence[Record]
    scores: Sequence[Score]
    summary: Summary
    gate: Mapping[str, Any] | None = None
    sample_bank: int | None = None
    baseline: Material | None = field(default=None, repr=False)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Those that were run: the four of the table first, in their order."""
        found = list(dict.fromkeys(record.arm for record in self.records))
        return tuple([arm for arm in ARMS if arm in found] + [arm for arm in found if arm not in ARMS])

    @cached_property
    def main_arm(self) -> str:
        """The arm that stands for the product: both ingredients, or the most that was run."""
        return next((arm for arm in ("rag+lora", "rag", "lora", "base") if arm in self.arms), self.arms[0])

    @cached_property
    def retrieving_arms(self) -> tuple[str, ...]:
        """Arms whose passages were found by retrieval."""
        return tuple(arm for arm in ("rag", "rag+lora") if arm in self.arms)

    @cached_property
    def by_arm(self) -> Mapping[str, Sequence[Record]]:
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            found[record.arm].append(record)
        return found

    @cached_property
    def _aggregates(self) -> Mapping[tuple[str, str, str], Aggregate]:
        return {(one.arm, one.metric, one.slice): one for one in self.summary.aggregates}

    @cached_property
    def _values(self) -> Mapping[tuple[str, str, str], float]:
        """(item, arm, metric) -> the mean over repetitions."""
        found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for score in self.scores:
            if score.value is not None:
                found[score.item, score.arm, score.metric].append(score.value)
        return {key: sum(values) / len(values) for key, values in found.items()}

    def aggregate(self, arm: str, metric: str, part: str = ALL) -> Aggregate | None:
        return self._aggregates.get((arm, metric, part))

    def value(self, item: str, arm: str, metric: str = CORRECT) -> float | None:
        return self._values.get((item, arm, metric))

    def cell(self, arm: str, metric: str, form: Form, part: str = ALL) -> Value:
        """The mean with its interval, to be printed; an empty one where nothing was scored."""
        found = self.aggregate(arm, metric, part)
        return Value(None, form) if found is None else Value(found.mean, form, found.low, found.high)

    def effect(self, name: str, metric: str = CORRECT) -> Effect | None:
        return next((one for one in self.summary.effects if (one.name, one.metric) == (name, metric)), None)

    def pairs(self, metric: str = CORRECT, part: str = ALL) -> list[Pair]:
        return [one for one in self.summary.pairs if (one.metric, one.slice) == (metric, part)]


def read(path: Path, baseline: Path | None = None) -> Material:
    """A run that was scored, and the run that it is compared with.

    Raises:
        BadInput: a folder is no run, or it was not scored; its gate was run by another version; or the two are of different suites.
    """
    return replace(_read(path, _read(baseline) if baseline else None), gate=read_gate(path / GATE))


def _read(path: Path, older: Material | None = None) -> Material:
    run = open_run(path)
    suite = run.document.suite
    if older is not None and older.document["suite"]["digest"] != suite.digest:
        before = older.document["suite"]
        raise BadInput(
            f"the baseline is of the suite {before['name']} {before['version']} ({before['digest'][:12]}), the run of {suite.name} {suite.version} "
            f"({suite.digest[:12]}); only runs of the same items can be compared",
            param="--baseline",
        )
    return Material(
        run.document.model_dump(mode="json"),
        {item.id: item for item in run.items},
        run.records,
        tuple(read_scores(path / SCORES)),
        read_summary(path / SUMMARY),
        sample_bank=run.suite.manifest.corpus.sample_bank,
        baseline=older,
    )


def read_gate(path: Path) -> Mapping[str, Any] | None:
    """A `gate.json`; None where no gate was run.

    Raises:
        BadInput: it is of another shape.
    """
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf8"))
        checks(found)
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is no gate of this version; `bankassist eval gate` writes it anew", param="RUN") from None
    return found


def read_summary(path: Path) -> Summary:
    """A `summary.json`.

    Raises:
        BadInput: it is not there, or of another shape.
    """
    try:
        return Summary.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{path} is not there; `bankassist eval score` writes it", param="RUN") from None
    except ValidationError as error:
        raise BadInput(f"{path} is no summary of this version ({error.error_count()} faults); `bankassist eval score` writes it anew", param="RUN") from None
