"""Section 4: whether retrieval finds the evidence, and whether what is lost is lost by retrieval or by the model."""

from __future__ import annotations

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Charts, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import metric
from eval.scoring.retrieval import applies, recall

_DEPTH = 10
_MEASURES = (
    "recall@5",
    "precision@5",
    "hit@5",
    "rr@10",
    "ndcg@10",
    "ap@5",
    "ranked_precision@5",
    "id_recall",
    "id_precision",
    "evidence_recall",
    "claim_recall",
    "context_precision",
)


def section(material: Material) -> Section:
    blocks: list[Block] = []
    pictures = [chart for chart in (_curve(material), _losses(material)) if chart is not None]
    if pictures:
        blocks.append(
            Prose("How much of the evidence is among the first 1, 2, ... 10 passages; and whether what is not right is lost by retrieval or by the model.")
        )
        blocks.append(Charts(tuple(pictures)))
    if not any("where the lost" in chart.title for chart in pictures):
        blocks.append(Note("What retrieval loses and what the model loses cannot be told apart: that needs the arms oracle and rag+lora."))
    arms = material.retrieving_arms
    rows: list[tuple[Cell, ...]] = []
    for name in _MEASURES:
        cells = tuple(material.cell(arm, name, metric(name).form) for arm in arms)
        if any(cell.value is not None for cell in cells):
            rows.append((Name(metric(name).title, metric(name).meaning), *cells))
    if rows:
        blocks.append(Table("Retrieval, with 95% intervals", ("Measure", *arms), tuple(rows)))
    elif not pictures:
        return Section("retrieval", "Does retrieval find the evidence?", [Note("This run has no arm that retrieves.")])
    return Section("retrieval", "Does retrieval find the evidence?", blocks)


def _curve(material: Material) -> Chart | None:
    lines: dict[str, list[float]] = {}
    for arm in material.retrieving_arms:
        looked = [(item, record) for record in material.by_arm[arm] if record.rep == 0 and applies(item := material.items[record.item], arm)]
        if looked:
            lines[arm] = [sum(recall(item, record, k) for item, record in looked) / len(looked) for k in range(1, _DEPTH + 1)]
    if not lines:
        return None
    groups: dict[tuple[float, ...], list[str]] = {}
    for arm, values in lines.items():  # the adapter chooses no passages: arms mostly coincide, and one line would hide the other
        groups.setdefault(tuple(values), []).append(arm)
    names = {values: " and ".join(found) for values, found in groups.items()}
    drawn = [charts.Line(names[values], [charts.Dot(k, value) for k, value in enumerate(values, start=1)]) for values in groups]
    depth = max(passage.rank for arm in lines for record in material.by_arm[arm] for passage in record.retrieved or ()) if _any_passage(material) else 0
    note = f"; the prompt held {depth} passages at most" if depth < _DEPTH else ""
    words = "; ".join(f"{names[values]}: {values[0]:.0%} in the first, {values[4]:.0%} in the first five" for values in groups)
    svg = charts.curve(
        drawn, charts.Axis("first k passages", [float(k) for k in range(1, _DEPTH + 1)], "count"), charts.Axis("evidence found", charts.SHARES), words
    )
    table = Table(
        "The figures of the chart",
        ("First k passages", *names.values()),
        tuple((str(k), *(Value(values[k - 1]) for values in groups)) for k in range(1, _DEPTH + 1)),
        folded=True,
    )
    return Chart(f"Evidence found among the first k passages{note}", words, svg, table)


def _any_passage(material: Material) -> bool:
    return any(record.retrieved for arm in material.retrieving_arms for record in material.by_arm[arm])


def _losses(material: Material) -> Chart | None:
    by_retrieval, by_model = material.effect("retrieval_loss"), material.effect("generation_loss")
    if by_retrieval is None or by_model is None:
        return None
    right = 1 - by_retrieval.value - by_model.value
    parts = [
        charts.Part("right outcome (rag+lora)", right),
        charts.Part("lost by retrieval", by_retrieval.value),
        charts.Part("lost by the model", by_model.value),
    ]
    words = ", ".join(f"{part.name} {part.share:.1%}" for part in parts)
    rows = (
        ("Right outcome (rag+lora)", Value(right)),
        ("Lost by retrieval (oracle less rag+lora)", Value(by_retrieval.value, "points", by_retrieval.low, by_retrieval.high)),
        ("Lost by the model (all less oracle)", Value(by_model.value, "points", by_model.low, by_model.high)),
    )
    return Chart(
        f"Right, and where the lost ones are lost ({by_model.count} items with evidence)",
        words,
        charts.split(parts, words),
        Table("The figures of the chart", ("Part", "Share of items"), rows, folded=True),
    )
