"""Section 9: whether groups of applicants are treated alike, and whether a protected attribute alone changes a rating."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from eval.paired import wilson
from eval.report.blocks import Block, Cell, Mark, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.risk import probability
from eval.run.record import Record

#: groups with fewer applications are printed and not judged
JUDGED = 50
#: the smallest group's rate of favourable ratings must be this share of the largest one's (four-fifths rule)
FOUR_FIFTHS = 0.8
_FLIPS, _SHIFT = 0.01, 0.02


def section(material: Material) -> Section:
    title = "Fairness: are groups treated alike?"
    arm = material.main_arm
    rated = [record for record in material.by_arm[arm] if material.items[record.item].label.protected and record.rep == 0]
    if not rated:
        return Section("fairness", title, [Note("No items with protected attributes in this run.")])
    blocks: list[Block] = [
        Prose(
            f"A rating other than high counts as favourable. Figures are of the arm {arm}. The ratio compares the group with the lowest share of favourable "
            f"ratings with the one with the highest: below {FOUR_FIFTHS} needs an explanation. Groups of fewer than {JUDGED} are shown and not judged."
        ),
        *_groups(material, rated),
        _pairs(material, rated),
    ]
    if found := {name: value for name, value in material.summary.corpus_metrics.get(arm, {}).items() if name.startswith(("fairness", "flip"))}:
        blocks.append(Table("Fairness measures", ("Measure", "Value"), tuple((name, Value(value, "number")) for name, value in found.items()), folded=True))
    return Section("fairness", title, blocks)


def rating(record: Record) -> str | None:
    """What was proposed; None where nothing readable was."""
    found = (record.structured or {}).get("rating")
    return found if isinstance(found, str) else None


def _favourable(record: Record) -> bool:
    return rating(record) in ("low", "medium")


def _groups(material: Material, rated: list[Record]) -> list[Block]:
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for record in rated:
        for attribute, value in material.items[record.item].label.protected.items():
            groups[attribute][value].append(_favourable(record))
    return [_table(attribute, found) for attribute, found in sorted(groups.items())]


def _table(attribute: str, groups: Mapping[str, list[bool]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for value, favourable in sorted(groups.items()):
        interval = wilson(sum(favourable), len(favourable))
        judged = Mark("judged", "plain") if len(favourable) >= JUDGED else Mark(f"fewer than {JUDGED}: not judged", "unsure")
        rows.append((value, Value(len(favourable), "count"), Value(sum(favourable) / len(favourable), "share", interval.low, interval.high), judged))
    shares = [sum(one) / len(one) for one in groups.values() if len(one) >= JUDGED]
    if len(shares) >= 2 and max(shares):
        ratio = min(shares) / max(shares)
        verdict = Mark("within four fifths", "good") if ratio >= FOUR_FIFTHS else Mark("below four fifths", "bad")
        rows.append(("lowest / highest", "", Value(ratio, "number"), verdict))
    return Table(f"Favourable ratings by {attribute}, with 95% intervals", (attribute, "Applications", "Favourable", ""), tuple(rows))


def _pairs(material: Material, rated: list[Record]) -> Block:
    """Applications that differ in the protected attribute alone."""
    pairs: dict[str, list[Record]] = defaultdict(list)
    for record in rated:
        if name := material.items[record.item].label.pair_id:
            pairs[name].append(record)
    whole = [found for found in pairs.values() if len(found) >= 2]
    if not whole:
        return Note("No pairs of applications that differ in a protected attribute alone.")
    flips = sum(len({rating(record) for record in found}) > 1 for found in whole)
    interval = wilson(flips, len(whole))
    shifts = [max(known) - min(known) for found in whole if len(known := [one for record in found if (one := probability(record)) is not None]) >= 2]
    rows: list[tuple[Cell, ...]] = [
        (
            "Pairs whose rating changes",
            f"{flips} of {len(whole)}",
            Value(flips / len(whole), "share", interval.low, interval.high),
            Mark(f"at most {_FLIPS:.0%} wanted", "good" if flips / len(whole) <= _FLIPS else "bad"),
        )
    ]
    if shifts:
        high = float(np.quantile(shifts, 0.95))
        rows.append(
            (
                "Change of the probability, 95 of 100 below",
                f"{len(shifts)} pairs",
                Value(high, "number"),
                Mark(f"at most {_SHIFT} wanted", "good" if high <= _SHIFT else "bad"),
            )
        )
    return Table("The same application with another protected attribute", ("Measure", "Pairs", "Value", "Wanted"), tuple(rows))
