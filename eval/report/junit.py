"""The report as JUnit XML: every check of the gate, whether all calls were answered, and each item that the baseline had right."""

from __future__ import annotations

from core.verdict import Check
from eval.report.gate import checks
from eval.report.material import CORRECT, Material
from eval.report.regressions import regressions, turns
from eval.statistics.junit import junit as checks_xml
from eval.summary import ALL


def junit(material: Material) -> str:
    """Newly failing items are failures of their own, named by arm and item."""
    found = checks(material.gate) if material.gate is not None else []
    return checks_xml([*found, *_calls(material), *_items(material)], material.summary.suite)


def _calls(material: Material) -> list[Check]:
    made: list[Check] = []
    for arm in material.arms:
        count = len(material.by_arm[arm])
        failed = sum(record.error is not None for record in material.by_arm[arm])
        why = f"{failed} of {count} calls failed"
        made.append(_check("every call is answered", "errors", arm, failed / count, count, failed == 0, why))
    return made


def _items(material: Material) -> list[Check]:
    if material.baseline is None:
        return []
    made = [
        _check(
            "no item fails that the baseline had right",
            CORRECT,
            arm,
            float(one.newly_failing),
            one.items,
            one.newly_failing == 0,
            f"{one.newly_failing} of {one.items} items",
        )
        for arm, one in turns(material, material.baseline).items()
    ]
    for one in regressions(material, material.baseline):
        made.append(_check(f"{one.item} is still right", CORRECT, one.arm, 0.0, 1, False, f"{one.question} Before: {one.before} Now: {one.now}"))
    return made


def _check(name: str, metric: str, arm: str, value: float, count: int, passed: bool, why: str) -> Check:
    return Check(
        name=name,
        kind="figure",
        metric=metric,
        arm=arm,
        slice=ALL,
        wanted="none",
        threshold=0.0,
        value=value,
        low=None,
        high=None,
        count=count,
        passed=passed,
        why=why,
    )
