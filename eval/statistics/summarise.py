"""What the scores of a run come to: means with intervals, pairs of arms, what retrieval and LoRA add. See docs/evaluation-statistics.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Literal

import numpy as np

from core.errors import BadInput
from eval.run.record import ARMS
from eval.scoring.rates import rule_of_three
from eval.scoring.score import Metric, Score
from eval.statistics.bootstrap import of_differences
from eval.statistics.clusters import Clusters
from eval.statistics.estimates import Difference, Flags, differences, independent, means
from eval.statistics.flips import exchanged_arms
from eval.statistics.holm import MOST, holm
from eval.statistics.shares import Numbers, cochran_q
from eval.statistics.values import Values, collect, slices
from eval.suite.item import Item
from eval.suite.power import POWER, smallest_difference
from eval.summary import ALL, Aggregate, Detectable, Effect, Omnibus, Pair, Summary

#: arms that are compared with each other, the lesser one first
_COMPARED = (*ARMS, "oracle")
_PAIRS = (*combinations(_COMPARED, 2), ("wrong-adapter", "rag+lora"))
_BASE, _RAG, _LORA, _BOTH = ARMS
_WRONG = "wrong-adapter"
_UNBOUNDED = (-math.inf, math.inf)
_EffectName = Literal["rag", "lora", "interaction", "retrieval_loss", "generation_loss", "wrong_adapter"]


def summarise(
    run: str,
    suite: str,
    items: Sequence[Item],
    scores: Iterable[Score],
    metrics: Mapping[str, Metric],
    primary: Sequence[str],
    corpus: Mapping[str, Mapping[str, float | None]],
) -> Summary:
    """The summary of a run's scores.

    Repetitions of an item are averaged first. Pairs are made of the four arms, of oracle, and of the wrong adapter against the right one: for all items of
    every metric, for slices of the primary ones.

    Args:
        primary: metrics that were declared before the run, at most six; Holm's correction is over them.
        corpus: arm -> name -> value of metrics that need all items at once; passed on.

    Raises:
        BadInput: scores that do not fit items or metrics; more than six primary metrics, or one that there is not.
    """
    if len(primary) > MOST:
        raise BadInput(f"{len(primary)} primary metrics; at most {MOST} can be declared, since with more of them hardly anything can be shown", param="primary")
    if unknown := [name for name in primary if name not in metrics]:
        raise BadInput(f"the primary metric {unknown[0]!r} is none; there are {', '.join(sorted(metrics))}", param="primary")
    values = collect(items, scores, metrics)
    aggregates: list[Aggregate] = []
    pairs: list[Pair] = []
    for name, rows in slices(values.items).items():
        aggregates += _aggregates(values, metrics, name, rows)
        pairs += _pairs(values, metrics, primary, name, rows)
    return Summary(
        run=run,
        suite=suite,
        primary=tuple(primary),
        aggregates=tuple(aggregates),
        pairs=tuple(pairs),
        effects=tuple(_effects(values, metrics)),
        omnibus=tuple(_omnibus(values, metrics)),
        detectable=tuple(_detectable(values, metrics, primary)),
        corpus_metrics={arm: dict(found) for arm, found in corpus.items()},
    )


def bounded(metric: Metric) -> bool:
    """Whether its values lie between 0 and 1: those whose worst value does; seconds and tokens have none."""
    return metric.binary or metric.worst in (0.0, 1.0)


def _aggregates(values: Values, metrics: Mapping[str, Metric], name: str, rows: Flags) -> Iterator[Aggregate]:
    columns = list(values.columns)
    share = np.array([metrics[metric].binary for _, metric in columns], bool)
    within = np.array([bounded(metrics[metric]) for _, metric in columns], bool)
    groups = [item.group_id for item, there in zip(values.items, rows, strict=True) if there]
    part = values.mean[rows]
    found = means(part, groups, share, within)
    asked, scored, failed = values.asked[rows].sum(0), (~np.isnan(part)).sum(0), values.failed[rows].sum(0)
    for place, (arm, metric) in enumerate(columns):
        if asked[place]:
            yield Aggregate(
                arm=arm,
                metric=metric,
                slice=name,
                total=int(asked[place]),
                scored=int(scored[place]),
                errors=int(failed[place]),
                mean=_number(found.mean[place]),
                low=_number(found.bounds.low[place]),
                high=_number(found.bounds.high[place]),
                method=found.method[place],
            )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _pairs(values: Values, metrics: Mapping[str, Metric], primary: Sequence[str], name: str, rows: Flags) -> list[Pair]:
    wanted = [
        (metric, first, second)
        for metric, (first, second) in product(metrics if name == ALL else primary, _PAIRS)
        if (first, metric) in values.columns and (second, metric) in values.columns
    ]
    if not wanted:
        return []
    one = np.column_stack([values.of(first, metric)[rows] for metric, first, _ in wanted])
    other = np.column_stack([values.of(second, metric)[rows] for metric, _, second in wanted])
    groups = [item.group_id for item, there in zip(values.items, rows, strict=True) if there]
    share = np.array([metrics[metric].binary for metric, _, _ in wanted], bool)
    within = np.array([bounded(metrics[metric]) for metric, _, _ in wanted], bool)
    found = [pair_of(*names, name, apart) for names, apart in zip(wanted, differences(one, other, groups, share, within), strict=True) if apart]
    return with_holm(found, primary)


def pair_of(metric: str, first: str, second: str, part: str, apart: Difference) -> Pair:
    """A difference in the summary's words."""
    return Pair(
        metric=metric, first=first, second=second, slice=part, count=apart.count, clusters=apart.clusters, difference=apart.mean, low=apart.low,
        high=apart.high, p=apart.p, only_first=apart.only_first, only_second=apart.only_second, test=apart.test,
    )  # fmt: skip


def with_holm(pairs: Sequence[Pair], primary: Sequence[str]) -> list[Pair]:
    """The pairs, those of primary metrics with the chance that stands beside the other primary metrics of the same two arms and slice."""
    families: dict[tuple[str, str, str], list[int]] = {}
    for place, pair in enumerate(pairs):
        if pair.metric in primary:
            families.setdefault((pair.first, pair.second, pair.slice), []).append(place)
    found = list(pairs)
    for places in families.values():
        for place, chance in zip(places, holm([pairs[place].p for place in places]), strict=True):
            found[place] = pairs[place].model_copy(update={"p_holm": chance})
    return found


def _four(values: Values, metric: str) -> Numbers | None:
    """Items x the four arms, NaN in all of a row where one is missing; None where the run has not all four, or no item in all."""
    if not all((arm, metric) in values.columns for arm in ARMS):
        return None
    table = np.column_stack([values.of(arm, metric) for arm in ARMS])
    table = np.where(np.isnan(table).any(1, keepdims=True), np.nan, table)
    return None if np.isnan(table).all() else table


def _effects(values: Values, metrics: Mapping[str, Metric]) -> list[Effect]:
    names: list[tuple[str, _EffectName]] = []
    columns: list[Numbers] = []
    ends: list[tuple[float, float]] = []  # between which each one's values lie
    for name, metric in metrics.items():
        if (table := _four(values, name)) is not None:
            base, rag, lora, both = table.T
            columns += [((rag - base) + (both - lora)) / 2, ((lora - base) + (both - rag)) / 2, (both - lora) - (rag - base)]
            names += [(name, "rag"), (name, "lora"), (name, "interaction")]
            ends += [(-1, 1), (-1, 1), (-2, 2)] if bounded(metric) else [_UNBOUNDED] * 3
        if (_WRONG, name) in values.columns and (_BOTH, name) in values.columns:
            columns.append(values.of(_BOTH, name) - values.of(_WRONG, name))
            names.append((name, "wrong_adapter"))
            ends.append((-1, 1) if bounded(metric) else _UNBOUNDED)
        if metric.higher_is_better and bounded(metric):  # what is missing to the best value, 1
            if ("oracle", name) in values.columns and (_BOTH, name) in values.columns:
                columns.append(values.of("oracle", name) - values.of(_BOTH, name))
                names.append((name, "retrieval_loss"))
                ends.append((-1, 1))
            if ("oracle", name) in values.columns:
                columns.append(1 - values.of("oracle", name))
                names.append((name, "generation_loss"))
                ends.append((0, 1))
    if not columns:
        return []
    part = Clusters.of(np.column_stack(columns), values.groups)
    least, most = np.array(ends, float).T
    low, high = (np.clip(bound, least, most) for bound in of_differences(part))
    return [
        Effect(metric=metric, name=name, count=int(part.totals[place]), value=float(part.means[place]), low=float(low[place]), high=float(high[place]))
        for place, (metric, name) in enumerate(names)
        if part.filled[place] >= 2
    ]


def _omnibus(values: Values, metrics: Mapping[str, Metric]) -> Iterator[Omnibus]:
    for name, metric in metrics.items():
        table = _four(values, name) if metric.binary else None
        if table is None:
            continue
        there = ~np.isnan(table[:, 0])
        right, groups = table[there], [item.group_id for item, one in zip(values.items, there, strict=True) if one]
        if not np.isin(right, (0.0, 1.0)).all():  # repetitions that disagree
            continue
        found = cochran_q(right)
        chance = found.chance if independent(groups) or not found.q else exchanged_arms(Clusters.of(right, groups))
        yield Omnibus(metric=name, count=len(right), q=found.q, p=chance)


def _detectable(values: Values, metrics: Mapping[str, Metric], primary: Sequence[str]) -> Iterator[Detectable]:
    """Of each primary yes or no, from what was seen between rag and rag+lora, which are what a release changes; or the first pair there is."""
    for name in primary:
        arms = [pair for pair in ((_RAG, _BOTH), *_PAIRS) if all((arm, name) in values.columns for arm in pair)]
        if not metrics[name].binary or not arms:
            continue
        first, second = (values.of(arm, name)[:, None] for arm in arms[0])
        found = differences(first, second, values.groups, np.array([True]))[0]
        if found:
            share = (found.only_first + found.only_second) / found.count if found.only_first is not None and found.only_second is not None else found.spread
            yield Detectable(metric=name, count=found.count, discordant=share, difference=smallest(found, share))


def smallest(found: Difference, share: float) -> float:
    """The smallest difference that such a pair shows: that of independent items with at least three of them discordant, or that of its clusters if larger."""
    return min(1.0, max(smallest_difference(found.count, max(share, rule_of_three(found.count))), POWER * found.error))
