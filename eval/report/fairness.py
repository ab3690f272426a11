"""Section 9: whether groups of applicants are treated alike, and whether a protected attribute alone changes a rating."""

from __future__ import annotations

from collections.abc import Mapping

from eval.report.blocks import Block, Cell, Mark, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.scoring.fairness import LEAST
from eval.statistics.shares import wilson

#: the smallest group's rate of favourable ratings must be this share of the largest one's
FOUR_FIFTHS = 0.8
#: of pairs that differ in a protected attribute alone: whose rating may change, and by how much the probability
_FLIPS, _SHIFT = 0.01, 0.02
_BETWEEN = {
    "impact_ratio": ("Lowest share over highest", f"below {FOUR_FIFTHS} needs an explanation (four-fifths rule)"),
    "parity_difference": ("Highest share less lowest", "of favourable ratings (demographic parity difference)"),
    "opportunity_difference": ("The same among good applications", "equal opportunity difference"),
    "odds_difference": ("Largest gap among good or among bad ones", "equalised odds difference"),
}
_Values = Mapping[str, float | None]


def section(material: Material) -> Section:
    title, arm = "Fairness: are groups treated alike?", material.main_arm
    values = material.summary.corpus_metrics.get(arm, {})
    attributes = sorted({name.partition(":")[2] for name in values if name.startswith("impact_ratio:")})
    blocks: list[Block] = []
    if attributes:
        blocks.append(
            Prose(
                f"Any rating but high counts as favourable. Figures are of the arm {arm}. Groups of fewer than {LEAST} applications are shown and not judged: "
                "with so few a difference says little."
            )
        )
    for attribute in attributes:
        blocks += [_groups(values, attribute), _between(values, attribute)]
    if values.get("pairs"):
        blocks.append(_pairs(values))
    elif attributes:
        blocks.append(Note("No pairs of applications that differ in a protected attribute alone."))
    return Section("fairness", title, blocks or [Note("No loan applications with protected attributes in this run.")])


def _groups(values: _Values, attribute: str) -> Table:
    names = sorted(name.partition("=")[2] for name in values if name.startswith(f"approval:{attribute}="))
    rows: list[tuple[Cell, ...]] = []
    for group in names:
        own = {
            name: values.get(f"{name}:{attribute}={group}")
            for name in ("group_count", "approval", "approval_low", "approval_high", "group_auroc", "group_calibration")
        }
        count = own["group_count"] or 0.0
        rows.append(
            (
                group,
                Value(count, "count"),
                Value(own["approval"], "share", own["approval_low"], own["approval_high"]),
                Value(own["group_auroc"], "number"),
                Value(own["group_calibration"], "points"),
                Mark("judged", "plain") if count >= LEAST else Mark(f"fewer than {LEAST}", "unsure"),
            )
        )
    columns = (attribute, "Applications", "Favourable", "AUROC within", "Risk said less risk seen", "")
    return Table(f"Favourable ratings by {attribute}, with 95% intervals", columns, tuple(rows))


def _between(values: _Values, attribute: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, (title, meaning) in _BETWEEN.items():
        judged, everybody = values.get(f"{name}:{attribute}"), values.get(f"{name}_all:{attribute}")
        mark: Cell = ""
        if name == "impact_ratio" and judged is not None:
            mark = Mark("within four fifths", "good") if judged >= FOUR_FIFTHS else Mark("below four fifths", "bad")
        ends = values.get(f"{name}_low:{attribute}"), values.get(f"{name}_high:{attribute}")
        rows.append((Name(title, meaning), Value(judged, "number", *ends), Value(everybody, "number"), mark))
    return Table(f"Between the groups by {attribute}, with 95% intervals", ("Measure", f"Groups of at least {LEAST}", "All groups", ""), tuple(rows))


def _pairs(values: _Values) -> Table:
    count, flips, shift = int(values["pairs"] or 0), values.get("flips") or 0.0, values.get("pair_change_p95")
    interval = wilson(round(flips * count), count)
    rows: list[tuple[Cell, ...]] = [
        (
            Name("Pairs whose rating changes", f"at most {_FLIPS:.0%} wanted"),
            f"{round(flips * count)} of {count}",
            Value(flips, "share", interval.low, interval.high),
            Mark("kept", "good") if flips <= _FLIPS else Mark("not kept", "bad"),
        )
    ]
    if shift is not None:
        name = Name("Change of the probability in 95 of 100 pairs", f"at most {_SHIFT} wanted")
        rows.append((name, f"{count} pairs", Value(shift, "number"), Mark("kept", "good") if shift <= _SHIFT else Mark("not kept", "bad")))
    return Table("The same application with another protected attribute", ("Measure", "Pairs", "Value", ""), tuple(rows))
