"""The gate's document (`gate.json`), as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eval.report.blocks import Value
from eval.report.words import metric, slice_title


class Check(NamedTuple):
    """``wanted`` is the threshold in words."""

    name: str
    measured: Value
    wanted: str
    passed: bool
    why: str


def checks(gate: Mapping[str, Any]) -> list[Check]:
    return [_check(one) for one in gate["checks"]]


def set_before(gate: Mapping[str, Any]) -> bool:
    return bool(gate.get("thresholds_set_before_run"))


def _check(one: Mapping[str, Any]) -> Check:
    words = metric(one["metric"])
    parts = [words.title, one.get("arm") or ""]
    if (part := one.get("slice", "all")) != "all":
        parts.append(slice_title(part))
    measured = Value(one.get("value"), words.form, one.get("low"), one.get("high"))
    return Check(" · ".join(filter(None, parts)), measured, str(one.get("wanted", "")), bool(one["passed"]), str(one.get("why", "")))
