"""The report as a JSON document (`bankeval-report/1`): every section, table and figure as numbers, for programs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from eval.report.blocks import Chart, Report

SCHEMA = "bankeval-report/1"


def document(report: Report) -> dict[str, Any]:
    sections = [
        {"number": number, "name": section.name, "title": section.title, "blocks": [_plain(block) for block in section.blocks]}
        for number, section in enumerate(report.sections, start=1)
    ]
    return {"schema_version": SCHEMA, "run": report.run, "suite": report.suite, "ended": report.made, "sections": sections}


def _plain(value: Any) -> Any:
    """Records as objects with their kind; drawings are left out, their figures are in their tables."""
    if is_dataclass(value) and not isinstance(value, type):
        left_out = {"svg"} if isinstance(value, Chart) else set()
        kind = {"kind": value.kind} if hasattr(value, "kind") else {}
        return kind | {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name not in left_out}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
