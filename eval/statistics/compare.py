"""Two runs of one suite, or two arms of a run, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from eval.statistics.estimates import Difference, differences
from eval.statistics.judged import Judged
from eval.statistics.shares import Numbers
from eval.statistics.summarise import bounded, pair_of, with_holm
from eval.statistics.values import slices
from eval.summary import ALL, Pair


@dataclass(frozen=True, slots=True)
class Side:
    """An arm of a run."""

    judged: Judged
    arm: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Items that one metric calls right on one side alone, in the suite's order; ``gone`` counts those with a value on one side alone."""

    metric: str
    arm: str
    newly_failing: tuple[str, ...]
    newly_right: tuple[str, ...]
    gone: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``pairs`` are second less first; where runs are compared both names are of the arm."""

    pairs: tuple[Pair, ...]
    changed: tuple[Changed, ...]


def same_suite(first: Judged, second: Judged) -> None:
    """Refuse what cannot be compared.

    Raises:
        BadInput: the runs are of different suites.
    """
    one, other = first.run.document, second.run.document
    if one.suite.digest != other.suite.digest:
        raise BadInput(
            f"run {one.id} is of suite {one.suite.name} ({one.suite.digest[:12]}), run {other.id} of {other.suite.name} ({other.suite.digest[:12]}): "
            "only the same items can be compared",
            param="B",
        )


def compare(sides: Sequence[tuple[Side, Side]], metrics: Sequence[str], primary: Sequence[str]) -> Comparison:
    """Each pair of sides on each metric that both were scored by; what changed is listed for metrics of yes and no."""
    pairs: list[Pair] = []
    changed: list[Changed] = []
    for first, second in sides:
        found = []
        for metric in metrics:
            apart = side_by_side(first.judged, second.judged, metric, first.arm, second.arm, ALL)
            if apart is not None:
                found.append(pair_of(metric, first.arm, second.arm, ALL, apart))
            if first.judged.metrics[metric].binary and apart is not None:
                changed.append(_changed(first, second, metric))
        pairs += with_holm(found, primary)
    return Comparison(tuple(pairs), tuple(changed))


def side_by_side(first: Judged, second: Judged, metric: str, first_arm: str, second_arm: str, part: str) -> Difference | None:
    """The paired difference on a slice; None where fewer than two clusters were scored on both sides."""
    ids, before, after = _aligned(Side(first, first_arm), Side(second, second_arm), metric)
    items = {item.id: item for item in second.values.items}
    inside = slices(second.values.items).get(part)
    if inside is None:
        return None
    wanted = {item.id for item, there in zip(second.values.items, inside, strict=True) if there}
    rows = [place for place, name in enumerate(ids) if name in wanted]
    if not rows:
        return None
    groups = [items[ids[row]].group_id for row in rows]
    found = second.metrics[metric]
    return differences(before[rows][:, None], after[rows][:, None], groups, np.array([found.binary]), np.array([bounded(found)]))[0]


def _aligned(first: Side, second: Side, metric: str) -> tuple[list[str], Numbers, Numbers]:
    """Items that both runs asked, and their values on both sides."""
    places = {item.id: place for place, item in enumerate(first.judged.values.items)}
    both = [(places[item.id], place) for place, item in enumerate(second.judged.values.items) if item.id in places]
    before, after = first.judged.values.of(first.arm, metric), second.judged.values.of(second.arm, metric)
    one, other = [one for one, _ in both], [other for _, other in both]
    return [second.judged.values.items[place].id for place in other], before[one], after[other]


def _changed(first: Side, second: Side, metric: str) -> Changed:
    ids, before, after = _aligned(first, second, metric)
    better = 1 if second.judged.metrics[metric].higher_is_better else -1
    with np.errstate(invalid="ignore"):
        gained, lost = better * (after - before) > 0, better * (after - before) < 0
    return Changed(
        metric,
        second.arm,
        tuple(name for name, there in zip(ids, lost, strict=True) if there),
        tuple(name for name, there in zip(ids, gained, strict=True) if there),
        int((np.isnan(before) != np.isnan(after)).sum()),
    )
