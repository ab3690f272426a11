"""The gate's document (`gate.json`), as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.verdict import Check
from eval.report.blocks import Mark, Value
from eval.report.material import Material
from eval.report.words import metric, slice_title
from eval.summary import ALL


def checks(gate: Mapping[str, Any]) -> list[Check]:
    """In the order of the thresholds."""
    return [Check.model_validate(one) for one in gate["checks"]]


def title(check: Check) -> str:
    """What was looked at, in words."""
    return " · ".join(filter(None, (metric(check.metric).title, check.arm, "" if check.slice == ALL else slice_title(check.slice))))


def measured(material: Material, check: Check) -> Value:
    """A mean in the metric's own form; what is neither a mean of the run nor a figure of an arm is a difference."""
    found = material.aggregate(check.arm, check.metric, check.slice)
    if check.metric == "errors" or (found is not None and check.value == found.mean):
        return Value(check.value, metric(check.metric).form, check.low, check.high)
    of_arm = check.metric in material.summary.corpus_metrics.get(check.arm, {})
    return Value(check.value, "number" if of_arm or metric(check.metric).form != "share" else "points", check.low, check.high)


def result(check: Check) -> Mark:
    if not check.decided:
        return Mark("suite too small", "unsure")
    return Mark("passed", "good") if check.passed else Mark("not passed", "bad")
