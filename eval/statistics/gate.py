"""Whether a run keeps to its thresholds: check by check, and as the document `gate.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.errors import BadInput
from core.verdict import Check, Verdict
from eval.scoring.rates import none_of
from eval.statistics.compare import same_suite, side_by_side
from eval.statistics.effective import clustered_bounds
from eval.statistics.estimates import Difference, differences, independent
from eval.statistics.judged import Judged
from eval.statistics.shares import wilson
from eval.statistics.summarise import bounded, smallest
from eval.statistics.thresholds import Above, Figure, NotWorse, Threshold, Thresholds
from eval.statistics.values import slices
from eval.summary import ALL, Aggregate

#: fewer clusters, and an interval of 95% holds the truth less often (docs/decisions/0014)
CLUSTERS = 20
#: fewer items, and that nothing went wrong says nothing
ITEMS = 30
#: the metric of how many calls failed, which is of records and not of scores
ERRORS = "errors"
_LEVEL = 0.05


class GateDocument(BaseModel):
    """``thresholds_set_before_run``: the run was begun with these very thresholds. ``undecided`` counts checks that the suite is too small for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal["bankeval-gate/1"] = "bankeval-gate/1"
    run: str
    suite: str
    suite_digest: str
    thresholds_digest: str
    thresholds_set_before_run: bool
    baseline: str | None
    checks: tuple[Check, ...]
    passed: bool
    failed: int
    undecided: int
    at: datetime


def gate(judged: Judged, thresholds: Thresholds, baseline: Judged | None = None) -> GateDocument:
    """Check a complete run against thresholds.

    Raises:
        BadInput: a threshold of an arm, slice or metric that the run does not have; one against a baseline, and there is none, or it is of another suite.
    """
    if baseline is not None:
        same_suite(judged, baseline)
    checks = tuple(_check(judged, threshold, baseline) for threshold in thresholds.all)
    document = judged.run.document
    return GateDocument(
        run=document.id,
        suite=document.suite.name,
        suite_digest=document.suite.digest,
        thresholds_digest=thresholds.digest,
        thresholds_set_before_run=document.thresholds is not None and document.thresholds.sha256 == thresholds.digest,
        baseline=baseline.run.document.id if baseline else None,
        checks=checks,
        passed=all(check.passed for check in checks),
        failed=sum(check.decided and not check.passed for check in checks),
        undecided=sum(not check.decided for check in checks),
        at=datetime.now(UTC),
    )


def verdict(judged: Judged, found: GateDocument, name: str, version: int) -> Verdict:
    """What the gate says of one adapter version.

    Raises:
        BadInput: the run had no such adapter, none of its answers is by it, or no check is of an arm in which adapters answer.
    """
    document = judged.run.document
    used = next((one for one in document.engines.adapters if (one.name, one.version) == (name, version)), None)
    if used is None:
        raise BadInput(
            f"run {document.id} had no adapter {name}@{version}; it had {', '.join(f'{one.name}@{one.version}' for one in document.engines.adapters)}"
        )
    answers = [record for record in judged.run.records if record.route and (record.route.adapter, record.route.version) == (name, version)]
    if not answers:
        raise BadInput(
            f"no answer of run {document.id} is by {name}@{version}, so it says nothing of it; run the suite where that version answers", param="--adapter"
        )
    if not {check.arm for check in found.checks} & {record.arm for record in answers}:
        raise BadInput(
            f"no threshold is of an arm in which {name}@{version} answered ({', '.join(sorted({one.arm for one in answers}))})", param="--thresholds"
        )
    return Verdict(
        adapter=name,
        version=version,
        digest=used.digest,
        base_digest=str(document.engines.base["digest"]),
        suite=found.suite,
        suite_digest=found.suite_digest,
        run=found.run,
        records_digest=judged.run.records[-1].digest,
        answers=len(answers),
        thresholds_digest=found.thresholds_digest,
        thresholds_set_before_run=found.thresholds_set_before_run,
        baseline=found.baseline,
        checks=found.checks,
        passed=found.passed,
        at=found.at,
    )


def _check(judged: Judged, threshold: Threshold, baseline: Judged | None) -> Check:
    if isinstance(threshold, Figure):
        return _figure(judged, threshold)
    _known(judged, threshold, threshold.arm)
    if isinstance(threshold, Above):
        _known(judged, threshold, threshold.than)
        return _above(judged, threshold)
    if baseline is None:
        raise BadInput(f"{threshold.place}: {threshold.wanted} needs --baseline, a run of the same suite", param="--baseline")
    return _not_worse(judged, threshold, baseline)


Kind = Literal["mean", "figure", "difference"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found, of a kind, and what its interval rests on. Where it is ``bounded`` it lies between 0 and 1."""

    kind: Kind
    value: float | None
    low: float | None
    high: float | None
    count: int
    bounded: bool
    groups: Sequence[str] = ()  # of the items, where they are not independent


def _figure(judged: Judged, threshold: Figure) -> Check:
    seen = _seen(judged, threshold)
    worse = seen.low if threshold.min is not None else seen.high
    judged_by = seen.value if threshold.on == "mean" else worse
    if small := _too_small(threshold, seen):
        return _result(threshold, seen, None, small)
    assert seen.value is not None
    assert judged_by is not None
    passed = judged_by >= threshold.limit if threshold.min is not None else judged_by <= threshold.limit
    interval = "" if seen.low is None or seen.high is None else f", 95% interval {_short(seen.low)} to {_short(seen.high)}"
    why = f"{_short(seen.value)}{interval}, over {seen.count} items"
    if threshold.max == 0 and seen.value == 0 and threshold.on == "mean":
        why += f" ({none_of(seen.count)})"
    return _result(threshold, seen, passed, why)


def _seen(judged: Judged, threshold: Figure) -> _Seen:
    records = [record for record in judged.run.records if record.arm == threshold.arm]
    if threshold.metric == ERRORS and threshold.slice == ALL and records:
        wrong = sum(record.error is not None for record in records)
        return _Seen("mean", wrong / len(records), *wilson(wrong, len(records)), len(records), True)
    found = next((one for one in judged.summary.aggregates if (one.arm, one.metric, one.slice) == (threshold.arm, threshold.metric, threshold.slice)), None)
    if found is not None:
        metric = judged.metrics.get(found.metric)
        return _Seen("mean", found.mean, found.low, found.high, found.scored, metric is None or bounded(metric), _groups(judged, found))
    of_arm = judged.summary.corpus_metrics.get(threshold.arm, {})
    if threshold.slice == ALL and threshold.metric in of_arm:
        value = of_arm[threshold.metric]
        return _Seen("figure", value, None, None, len({record.item for record in records}) if value is not None else 0, False)
    _known(judged, threshold, threshold.arm)
    return _Seen("mean", None, None, None, 0, True)


def _groups(judged: Judged, found: Aggregate) -> Sequence[str]:
    there = slices(judged.values.items)[found.slice] & ~np.isnan(judged.values.of(found.arm, found.metric))
    groups = [item.group_id for item, one in zip(judged.values.items, there, strict=True) if one]
    return () if independent(groups) else groups


def _too_small(threshold: Figure, seen: _Seen) -> str:
    """Why so little cannot decide; empty where it can."""
    if seen.value is None or not seen.count:
        return "nothing was scored"
    best = 1.0 if threshold.min is not None else 0.0
    away = abs(best - threshold.limit)
    if threshold.on == "mean":
        if not seen.bounded:
            return ""
        wanted = ITEMS if away == 0 else int(np.ceil(1 / away - 1e-9))
        return (
            f"{seen.count} items are too few: one alone moves the mean by more than the threshold allows, at least {wanted} are needed"
            if seen.count < wanted
            else ""
        )
    if seen.low is None or seen.high is None:
        return "there is no interval"
    if seen.groups and (clusters := len(set(seen.groups))) < CLUSTERS:
        return f"{clusters} clusters are too few for an interval, at least {CLUSTERS} are needed"
    if seen.bounded:
        faultless = clustered_bounds(np.full((seen.count, 1), best), seen.groups) if seen.groups else wilson(int(best) * seen.count, seen.count)
        reached = float(np.max(faultless.low if threshold.min is not None else faultless.high))
        if (reached < threshold.limit) if threshold.min is not None else (reached > threshold.limit):
            return f"{seen.count} items are too few: without a single fault the interval would end at {_short(reached)}"
    return ""


def _above(judged: Judged, threshold: Above) -> Check:
    rows = _rows(judged, threshold.slice)
    first, second = (judged.values.of(arm, threshold.metric)[rows][:, None] for arm in (threshold.than, threshold.arm))
    groups = [judged.values.items[int(row)].group_id for row in rows]
    metric = judged.metrics[threshold.metric]
    found = _better(judged, threshold, differences(first, second, groups, np.array([metric.binary]), np.array([bounded(metric)]))[0])
    seen = _of_pair(found)
    if found is None or found.clusters < CLUSTERS:
        return _result(threshold, seen, None, f"{found.clusters if found else 0} clusters are too few, at least {CLUSTERS} are needed")
    passed = found.low > threshold.by and (threshold.by > 0 or found.p <= _LEVEL)
    return _result(threshold, seen, passed, f"the difference is {_interval(found)} over {found.count} items, p {found.p:.2g}")


def _not_worse(judged: Judged, threshold: NotWorse, baseline: Judged) -> Check:
    _known(baseline, threshold, threshold.arm)
    pair = side_by_side(baseline, judged, threshold.metric, threshold.arm, threshold.arm, threshold.slice)
    found = _better(judged, threshold, pair)
    seen = _of_pair(found)
    if found is None or found.clusters < CLUSTERS:
        return _result(threshold, seen, None, f"{found.clusters if found else 0} clusters are too few, at least {CLUSTERS} are needed")
    least = smallest(found, found.spread)
    text = f"the difference is {_interval(found)} over {found.count} items"
    if found.low > -threshold.margin:
        return _result(threshold, seen, True, text)
    if found.high < -threshold.margin or least <= threshold.margin:
        return _result(threshold, seen, False, text)
    return _result(threshold, seen, None, f"{text}, and differences below {_short(least)} cannot be told from none: the suite is too small for this margin")


def _better(judged: Judged, threshold: Above | NotWorse, found: Difference | None) -> Difference | None:
    """The difference with better things above 0."""
    if found is None or judged.metrics[threshold.metric].higher_is_better:
        return found
    return Difference(
        found.count, found.clusters, -found.mean, -found.high, -found.low, found.p, found.test, found.only_second, found.only_first, found.spread, found.error
    )


def _of_pair(found: Difference | None) -> _Seen:
    if found is None:
        return _Seen("difference", None, None, None, 0, False)
    return _Seen("difference", found.mean, found.low, found.high, found.count, False)


def _known(judged: Judged, threshold: Threshold, arm: str) -> None:
    """Refuse what no run of this suite under these arms can have: a slip in the file must not look like a suite without such items."""
    if threshold.metric not in judged.metrics:
        raise BadInput(
            f"{threshold.place}: there is no metric {threshold.metric!r}; there are {', '.join(sorted(judged.metrics))}, {ERRORS}", param="--thresholds"
        )
    if arm not in judged.run.document.arms:
        raise BadInput(
            f"{threshold.place}: run {judged.run.document.id} has no arm {arm!r}; it has {', '.join(judged.run.document.arms)}", param="--thresholds"
        )
    if threshold.slice not in (parts := slices(judged.values.items)):
        raise BadInput(f"{threshold.place}: there is no slice {threshold.slice!r}; there are {', '.join(parts)}", param="--thresholds")


def _rows(judged: Judged, part: str) -> Sequence[int]:
    rows: Sequence[int] = np.flatnonzero(slices(judged.values.items)[part]).tolist()
    return rows


def _result(threshold: Threshold, seen: _Seen, passed: bool | None, why: str) -> Check:
    return Check(
        name=f"{threshold.place}: {threshold.wanted}",
        kind=seen.kind,
        metric=threshold.metric,
        arm=threshold.arm,
        slice=threshold.slice,
        wanted=threshold.wanted,
        threshold=threshold.limit,
        value=seen.value,
        low=seen.low,
        high=seen.high,
        count=seen.count,
        passed=passed is True,
        decided=passed is not None,
        why=why,
    )


def _short(value: float) -> str:
    return f"{value:.4g}"


def _interval(found: Difference) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
