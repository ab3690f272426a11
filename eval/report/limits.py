"""Section 15: what this evaluation cannot say."""

from __future__ import annotations

from collections import Counter

from eval.report.blocks import Block, Cell, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.risk import applications
from eval.report.words import metric
from eval.scoring.calibration import is_reliable


def section(material: Material) -> Section:
    items = list(material.items.values())
    groups = len({item.group_id for item in items})
    sources = Counter[str](item.meta.source for item in items)
    blocks: list[Block] = [
        Prose("What follows limits every figure above; none of it is a fault of the run."),
        *map(Note, _sentences(material, len(items), groups, sources)),
    ]
    rows: list[tuple[Cell, ...]] = [
        (metric(one.metric).title, Value(one.count, "count"), Value(one.discordant), f"{one.difference * 100:.1f} points")
        for one in material.summary.detectable
    ]
    if rows:
        columns = ("Measure", "Items", "Items on which two arms differ", "Smallest difference that shows")
        blocks.append(Table("What this suite is large enough to see (80% power at 5%)", columns, tuple(rows)))
    return Section("limits", "Limits of this evaluation", blocks)


def _sentences(material: Material, count: int, groups: int, sources: Counter[str]) -> list[str]:
    found = [
        f"{count} items in {groups} groups. Items of one group (a document, wordings of one question) succeed and fail together; the intervals count groups, not items.",
    ]
    if (whole := (material.document.get("suite") or {}).get("n", count)) > count:
        found.append(f"Only {count} of the suite's {whole} items were asked, drawn by chance (seed {material.document['seeds']['sample']}).")
    if invented := sources["synthetic"]:
        found.append(f"{invented} of {count} items were written by a program over an invented bank, not asked by customers. Real questions are more varied.")
    if material.sample_bank is not None:
        found.append(f"The documents are those of the sample bank {material.sample_bank}: shorter, cleaner and fewer than a bank's own.")
    exploratory = sorted({one.metric for one in material.summary.aggregates} - set(material.summary.primary))
    names = ", ".join(metric(name).title for name in material.summary.primary) or "none"
    found.append(
        f"Declared before the run: {names}. The other {len(exploratory)} measures are exploratory: among so many some differ by chance, and a claim may not rest on them."
    )
    known = [len(applications(material, arm).bad) for arm in material.arms]
    if any(known) and not is_reliable(max(known)):
        found.append(f"Calibration rests on at most {max(known)} loan applications per arm, fewer than 300: not reliable.")
    repeated = max((record.rep for record in material.records), default=0) + 1
    found.append(
        "Every item was asked once; generation takes the likeliest word, so a second time would give the same text in exact mode."
        if repeated == 1
        else f"Every item was asked {repeated} times; figures are means over them."
    )
    found.append(
        "No model judged the answers: what counts as right are facts, numbers, ratings and refusals that the suite states. Style and tone were not measured, and a "
        "right answer in words that the suite does not know counts as wrong."
    )
    return found
