"""Section 12: calls that failed, and metrics that had nothing to say, by reason: nothing vanishes from a denominator unseen."""

from __future__ import annotations

from collections import Counter

from eval.report.blocks import Block, Cell, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import metric, reason_title

_SHOWN = 12


def section(material: Material) -> Section:
    blocks: list[Block] = [
        Prose(
            "A call that failed counts as the worst value of every measure that the item has. A value that cannot be had is left out of the mean and counted here."
        )
    ]
    failed = Counter((record.error.type, record.arm) for record in material.records if record.error)
    if failed:
        rows: list[tuple[Cell, ...]] = []
        for (kind, arm), count in sorted(failed.items(), key=lambda one: (-one[1], one[0])):
            rows.append((kind, arm, Value(count, "count"), Value(count / len(material.by_arm[arm]))))
        blocks.append(Table("Calls that failed", ("Error", "Arm", "Answers", "Share of the arm"), tuple(rows)))
    else:
        blocks.append(Note(f"None of the {len(material.records):,} calls failed.", "good"))
    nulls = Counter((score.metric, score.reason) for score in material.scores if score.value is None)
    if nulls:
        ordered = sorted(nulls.items(), key=lambda one: (-one[1], one[0]))
        found: list[tuple[Cell, ...]] = [(metric(name).title, reason_title(reason), Value(count, "count")) for (name, reason), count in ordered]
        columns = ("Measure", "Why there is no value", "Answers")
        blocks.append(Table("Values that cannot be had, by reason", columns, tuple(found[:_SHOWN])))
        if found[_SHOWN:]:
            blocks.append(Table("Further ones", columns, tuple(found[_SHOWN:]), folded=True))
    return Section("failures", "Failed calls and missing values", blocks)
