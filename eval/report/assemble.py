"""The report of a run: its sections in the order in which a reader asks."""

from __future__ import annotations

from eval.report import (
    arms,
    cases,
    cost,
    failures,
    fairness,
    grounding,
    limits,
    provenance,
    refusals,
    regressions,
    retrieval,
    risk,
    robustness,
    slices,
    verdict,
)
from eval.report.blocks import Report
from eval.report.material import Material

_SECTIONS = (
    verdict.section,
    provenance.section,
    arms.section,
    retrieval.section,
    grounding.section,
    refusals.section,
    robustness.section,
    risk.section,
    fairness.section,
    slices.section,
    cost.section,
    failures.section,
    cases.section,
    regressions.section,
    limits.section,
)


def assemble(material: Material) -> Report:
    """The same run gives the same report, to the byte."""
    times = material.document.get("times") or {}
    ended = str(times.get("ended") or times.get("started") or "") if isinstance(times, dict) else ""
    return Report(material.summary.run, material.summary.suite, ended, tuple(make(material) for make in _SECTIONS))
