"""The gate's document (`gate.json`), as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.verdict import Check
from eval.report.blocks import Form, Mark, Value
from eval.report.words import metric, slice_title
from eval.summary import ALL


def checks(gate: Mapping[str, Any]) -> list[Check]:
    """In the order of the thresholds."""
    return [Check.model_validate(one) for one in gate["checks"]]


def title(check: Check) -> str:
    """What was looked at, in words."""
    return " · ".join(filter(None, (metric(check.metric).title, check.arm, "" if check.slice == ALL else slice_title(check.slice))))


def measured(check: Check) -> Value:
    """A mean in the metric's own form, a difference of shares in points."""
    form: Form = metric(check.metric).form
    if check.kind == "figure" or (check.kind == "difference" and form != "share"):
        form = "number"
    elif check.kind == "difference":
        form = "points"
    return Value(check.value, form, check.low, check.high)


def result(check: Check) -> Mark:
    if not check.decided:
        return Mark("suite too small", "unsure")
    return Mark("passed", "good") if check.passed else Mark("not passed", "bad")
