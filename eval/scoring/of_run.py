"""A run scored: `scores.jsonl`, and `summary.json` of it, beside the records that they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput
from core.ports import Embedder
from eval.run.folder import Run, open_run, write_sums
from eval.scoring.corpus import corpus_metrics
from eval.scoring.loan import COSTS, Costs
from eval.scoring.local_models import Entailment, entailment_metrics, similarity_metrics
from eval.scoring.registry import METRICS, with_groups
from eval.scoring.score import Metric, Score
from eval.scoring.scorer import score_records, write_scores
from eval.statistics.summarise import summarise
from eval.summary import Summary

SCORES, SUMMARY = "scores.jsonl", "summary.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to score a run with. ``names`` None are all metrics of the ``tiers``; those of tier 1 are judged by the models that are given. ``baseline`` is an
    earlier run of the same suite, from which probabilities may have moved."""

    names: Sequence[str] | None = None
    tiers: Sequence[int] = (0,)
    costs: Costs = COSTS
    baseline: Path | None = None
    embedder: Embedder | None = None
    entailment: Entailment | None = None

    def metrics(self, run: Run) -> dict[str, Metric]:
        """The metrics by name.

        Raises:
            BadInput: one is not there.
        """
        readers = run.document.readers
        known: Mapping[str, Metric] = METRICS if readers is None else with_groups(readers)
        if self.embedder is not None:
            known = {**known, **similarity_metrics(self.embedder)}
        if self.entailment is not None:
            known = {**known, **entailment_metrics(self.entailment)}
        if unknown := [name for name in self.names or () if name not in known]:
            raise BadInput(f"there is no metric {unknown[0]!r}; there are {', '.join(known)}", param="--metrics")
        return {name: metric for name, metric in known.items() if metric.tier in self.tiers and (self.names is None or name in self.names)}


@dataclass(frozen=True, slots=True)
class Result:
    """``scores`` and ``summary`` as they were written."""

    run: Run
    metrics: Mapping[str, Metric]
    scores: Sequence[Score]
    summary: Summary


def score_run(path: Path, wanted: Wanted) -> Result:
    """Score all records of a run and sum them up; an earlier score is replaced. A run that was stopped is scored as far as it came.

    Raises:
        BadInput: there is no run, one that was changed, another suite's baseline, or no such metric.
    """
    run = open_run(path)
    metrics = wanted.metrics(run)
    before = _baseline(run, wanted.baseline)
    scores = write_scores(score_records(run.items, run.records, metrics), path / SCORES)
    corpus = corpus_metrics(run.items, run.records, wanted.costs, before.records if before else ())
    primary = [name for name in run.document.suite.primary if name in metrics]
    summary = summarise(run.document.id, f"{run.document.suite.name} {run.document.suite.version}", run.items, scores, metrics, primary, corpus)
    temporary = path / f".{SUMMARY}.new"
    temporary.write_text(summary.model_dump_json(indent=2) + "\n", "utf8")
    temporary.replace(path / SUMMARY)
    if run.complete:
        write_sums(path, (SCORES, SUMMARY))
    return Result(run, metrics, scores, summary)


def _baseline(run: Run, path: Path | None) -> Run | None:
    if path is None:
        return None
    before = open_run(path)
    if before.document.suite.digest != run.document.suite.digest:
        raise BadInput(f"{path} was run over other items than this run; a baseline is a run of the same suite", param="--baseline")
    return before
