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
    ended = str(material.document.get("completed_at") or "")[:16].replace("T", " ")
    suite = material.document.get("suite") or {}
    name = f"{suite['name']} version {suite['version']}" if suite else material.summary.suite
    return Report(material.summary.run, name, ended, tuple(make(material) for make in _SECTIONS))
