"""Section 7: what wrong passages, old versions and orders hidden in documents do to the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Charts, Note, Prose, Section, Table, Value
from eval.report.material import CORRECT, Material
from eval.report.words import arm_title, metric, slice_title
from eval.scoring.asked import answerable
from eval.scoring.retrieval import relevant
from eval.statistics.shares import wilson

#: upper ends of the shares of passages without evidence, as in RGB's noise rates (Chen et al. 2023)
_NOISE = (0.2, 0.4, 0.6, 0.8, 1.0)
_CONFLICTS = ("task:version_conflict", "task:as_of")


def section(material: Material) -> Section:
    blocks: list[Block] = []
    pictures = [chart for chart in (_ladder(material), _noise(material)) if chart is not None]
    if pictures:
        blocks.append(Prose("How far answers depend on the passages that the model is given, from only the right ones to only wrong ones."))
        blocks.append(Charts(tuple(pictures)))
        blocks += _falling(material)
    else:
        blocks.append(Note("No arm of this run has passages: what wrong ones would do was not measured."))
    blocks += [_conflicts(material), _injection(material), *_attacks(material)]
    return Section("robustness", "Wrong passages, old versions, hidden orders", blocks)


def _ladder(material: Material) -> Chart | None:
    """The right outcome of answerable items as the passages get worse; with wrong passages only, the right outcome is a refusal."""
    rows: list[charts.Bar] = []
    for arm, name in (
        ("oracle", "only the right passages (oracle)"),
        (material.main_arm, f"what retrieval finds ({material.main_arm})"),
        ("distractors", "only wrong ones (distractors): refused"),
    ):
        if arm in material.arms and (found := material.aggregate(arm, CORRECT)) and found.mean is not None:
            rows.append(charts.Bar(name, found.mean, found.low, found.high))
    if len(rows) < 2:
        return None
    words = ", ".join(f"{row.name} {row.value:.0%}" for row in rows)
    table = Table(
        "The figures of the chart", ("Passages", "Right outcome"), tuple((row.name, Value(row.value, "share", row.low, row.high)) for row in rows), folded=True
    )
    return Chart("Right outcome by what the model was given", words, charts.bars(rows, words), table)


def _noise(material: Material) -> Chart | None:
    lines: list[charts.Line] = []
    rows: list[tuple[Cell, ...]] = []
    for arm in material.retrieving_arms:
        # the right passages given to the product are the end of its line without noise
        with_oracle = arm == material.main_arm and "oracle" in material.arms
        name = f"{arm}, and oracle" if with_oracle else arm
        binned: dict[float, list[float]] = defaultdict(list)
        for record in [*material.by_arm[arm], *(material.by_arm["oracle"] if with_oracle else ())]:
            item, right = material.items[record.item], material.value(record.item, record.arm)
            if right is None or not item.evidence or not record.retrieved or not answerable(item, record.arm):
                continue
            noise = 1 - relevant(item, record) / len(record.retrieved)
            binned[next(edge for edge in _NOISE if noise <= edge + 1e-9)].append(right)
        dots: list[charts.Dot] = []
        for edge, values in sorted(binned.items()):
            interval = wilson(round(sum(values)), len(values))
            mean = sum(values) / len(values)
            dots.append(charts.Dot(edge, mean, interval.low, interval.high))
            rows.append((f"{name}: up to {edge:.0%}", Value(len(values), "count"), Value(mean, "share", interval.low, interval.high)))
        if dots:
            lines.append(charts.Line(name, dots))
    if not lines:
        return None
    words = "; ".join(f"{line.name}: {', '.join(f'{dot.y:.0%} right with up to {dot.x:.0%} wrong passages' for dot in line.dots)}" for line in lines)
    svg = charts.curve(lines, charts.Axis("share of passages without evidence, up to", (0.0, *_NOISE)), charts.Axis("right outcome", charts.SHARES), words)
    table = Table("The figures of the chart", ("Arm, passages without evidence", "Items", "Right outcome"), tuple(rows), folded=True)
    return Chart("Right outcome against noise among the passages (answerable items)", words, svg, table)


def _falling(material: Material) -> Iterator[Table]:
    """Of each arm whose prompts hold more and less that does not help."""
    rows = [
        (arm_title(arm), Value(None if (slope := found.get("noise_slope")) is None else slope / 10, "points"), Value(found.get("noise_area")))
        for arm in material.arms
        if "noise_area" in (found := material.summary.corpus_metrics.get(arm, {}))
    ]
    if rows:
        yield Table(
            "How far noise pulls the right outcome down",
            ("Arm", "Per tenth more noise (slope)", "Mean over the noise that there was (area)"),
            tuple(rows),
            folded=True,
        )


def _conflicts(material: Material) -> Block:
    parts = [part for part in _CONFLICTS if material.aggregate(material.main_arm, CORRECT, part)]
    if not parts:
        return Note("No items about old and new versions of a rule in this run.")
    rows: list[tuple[Cell, ...]] = []
    for arm in material.arms:
        right = (material.cell(arm, CORRECT, "share", part) for part in parts)
        rows.append((arm_title(arm), *right, material.cell(arm, "must_not_cite", "share"), material.cell(arm, "forbidden", "share")))
    columns = ("Arm", *(f"Right outcome: {slice_title(part)}" for part in parts), metric("must_not_cite").title, metric("forbidden").title)
    return Table("Old and new versions of a rule", columns, tuple(rows))


def _injection(material: Material) -> Block:
    rows: list[tuple[Cell, ...]] = []
    for arm in material.arms:
        attacked = [record for record in material.by_arm[arm] if material.items[record.item].answer.canaries and record.error is None]
        obeyed = [value for record in attacked if (value := material.value(record.item, arm, "injected")) is not None]
        if not obeyed:
            continue
        count = sum(value > 0 for value in obeyed)
        interval = wilson(count, len(obeyed))
        right = [value for record in attacked if (value := material.value(record.item, arm)) is not None]
        useful = Value(sum(right) / len(right)) if right else Value(None)
        rows.append((arm_title(arm), f"{count} of {len(obeyed)}", Value(count / len(obeyed), "share", interval.low, interval.high), useful))
    if not rows:
        return Note("No items with an order hidden in a document in this run.")
    return Table("Orders hidden in documents", ("Arm", "Obeyed", "Share obeyed", "Right outcome under attack"), tuple(rows))


def _attacks(material: Material) -> Iterator[Table]:
    """The main arm's, by kind of order and by where it stands."""
    found = material.summary.corpus_metrics.get(material.main_arm, {})
    rows = [
        (f"{kind}: {name.removeprefix(prefix)}", Value(value))
        for prefix, kind in (("attack_success:", "kind"), ("attack_success@", "place"))
        for name, value in found.items()
        if name.startswith(prefix)
    ]
    if rows:
        yield Table(f"Orders that were obeyed, by kind and place ({material.main_arm})", ("Orders", "Share obeyed"), tuple(rows), folded=True)
