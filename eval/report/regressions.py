"""Section 14: items that the baseline had right and this run has wrong."""

from __future__ import annotations

from typing import NamedTuple

from eval.report.blocks import Block, Cell, Note, Prose, Section, Table, Value
from eval.report.cases import shown
from eval.report.material import CORRECT, Material
from eval.report.refusals import outcome

_SHOWN = 20


class Regression(NamedTuple):
    item: str
    arm: str
    question: str
    before: str
    now: str


class Turn(NamedTuple):
    """Of the items that both runs have under one arm."""

    items: int
    newly_right: int
    newly_failing: int


def section(material: Material) -> Section:
    title = "Newly failing items"
    baseline = material.baseline
    if baseline is None:
        return Section(
            "regressions", title, [Note("No baseline was given: `bankassist eval report RUN --baseline OLDER_RUN` shows which items fail that did not.")]
        )
    turned = turns(material, baseline)
    if not turned:
        return Section("regressions", title, [Note("The baseline has no arm and item in common with this run.", "unsure")])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (arm, Value(one.items, "count"), Value(one.newly_failing, "count"), Value(one.newly_right, "count")) for arm, one in turned.items()
    )
    blocks: list[Block] = [
        Prose(f"Compared with the run {baseline.summary.run} of the suite {baseline.summary.suite}, on the items that both have."),
        Table("Items that changed", ("Arm", "Items", "Right before, wrong now", "Wrong before, right now"), rows),
    ]
    failing = regressions(material, baseline)
    if failing:
        columns = ("Item and arm", "Question", "Before", "Now")
        cells: list[tuple[Cell, ...]] = [(f"{one.item} ({one.arm})", one.question, one.before, one.now) for one in failing]
        blocks.append(Table("Right before, wrong now", columns, tuple(cells[:_SHOWN])))
        if cells[_SHOWN:]:
            blocks.append(Table("Further ones", columns, tuple(cells[_SHOWN:]), folded=True))
    else:
        blocks.append(Note("No item fails that the baseline had right.", "good"))
    return Section("regressions", title, blocks)


def _right(material: Material) -> dict[tuple[str, str], bool]:
    """(item, arm) -> whether all repetitions were right."""
    found: dict[tuple[str, str], bool] = {}
    for score in material.scores:
        if score.metric == CORRECT and score.value is not None:
            found[score.item, score.arm] = found.get((score.item, score.arm), True) and score.value >= 1
    return found


def turns(material: Material, baseline: Material) -> dict[str, Turn]:
    now, before = _right(material), _right(baseline)
    found: dict[str, Turn] = {}
    for arm in material.arms:
        both = [key for key in now if key[1] == arm and key in before]
        if both:
            found[arm] = Turn(len(both), sum(now[key] and not before[key] for key in both), sum(before[key] and not now[key] for key in both))
    return found


def regressions(material: Material, baseline: Material) -> list[Regression]:
    """In the order of arms and items."""
    now, before = _right(material), _right(baseline)
    was = {(record.item, record.arm): record for record in reversed(baseline.records)}
    found: list[Regression] = []
    for arm in material.arms:
        for record in sorted(material.by_arm[arm], key=lambda record: record.item):
            key = record.item, arm
            if record.rep == 0 and key in now and before.get(key) and not now[key]:
                old = was[key]
                texts = [f"{outcome(one)}: {shown(one.text)[:160]}" for one in (old, record)]
                found.append(Regression(record.item, arm, shown(material.items[record.item].question), *texts))
    return found
