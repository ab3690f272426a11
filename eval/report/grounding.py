"""Section 5: whether what is said has a source, always beside how much was left to say."""

from __future__ import annotations

from eval.report.blocks import Block, Cell, Mark, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import metric
from eval.scoring.rates import rule_of_three

_SHARES = ("number_grounding", "entity_grounding", "quote_grounding", "kept", "citation_precision", "citation_recall", "citation_format")
#: what must not happen at all
_EVENTS = ("fabricated", "acl_leak", "must_not_cite", "forbidden")


def section(material: Material) -> Section:
    arms = [arm for arm in material.arms if any((found := material.aggregate(arm, name)) and found.scored for name in (*_SHARES, *_EVENTS))]
    if not arms:
        return Section(
            "grounding",
            "Sources and citations",
            [Note("No score of sources or citations: the run has no arm with documents, or these metrics were not computed.")],
        )
    blocks: list[Block] = [
        Prose(
            "An assistant that drops every doubtful sentence looks well sourced and says nothing. So the share of sentences that were kept stands beside the "
            "share of numbers with a source. Arms without documents have no sources to cite and show no value."
        )
    ]
    rows: list[tuple[Cell, ...]] = []
    for name in _SHARES:
        cells = tuple(material.cell(arm, name, "share") for arm in arms)
        if any(cell.value is not None for cell in cells):
            rows.append((Name(metric(name).title, metric(name).meaning), *cells))
    if rows:
        blocks.append(Table("Sources and citations, with 95% intervals", ("Measure", *arms), tuple(rows)))
    events = [name for name in _EVENTS if any(material.aggregate(arm, name) for arm in arms)]
    if events:
        counted = tuple((Name(metric(name).title, metric(name).meaning), *(_events(material, arm, name) for arm in arms)) for name in events)
        blocks.append(Table("What must not happen", ("Event", *arms), counted))
    numbers: list[tuple[Cell, ...]] = []
    for arm in material.arms:
        records = material.by_arm[arm]
        checked, unsupported = sum(one.numbers_checked for one in records), sum(one.numbers_unsupported for one in records)
        sentences, dropped = sum(len(one.sentences) for one in records), sum(one.dropped for one in records)
        if checked or sentences:
            numbers.append((arm, *(Value(count, "count") for count in (checked, unsupported, sentences, dropped))))
    if numbers:
        columns = ("Arm", "Numbers checked", "Without a source", "Sentences that left", "Dropped")
        blocks.append(Table("What the checks of the product counted", columns, tuple(numbers), folded=True))
    return Section("grounding", "Sources and citations", blocks)


def _events(material: Material, arm: str, name: str) -> Cell:
    """Such as ``0 of 300 (at most 1.0%)``: with no event in n, no more than 3/n can be ruled out. Failed calls, which the mean counts as events, stand apart."""
    found = material.aggregate(arm, name)
    if found is None or found.mean is None or not found.scored:
        return "–"
    answers = found.scored - found.errors
    count = round(found.mean * found.scored) - found.errors
    failed = f", {found.errors} calls failed" if found.errors else ""
    return Mark(f"{count} of {answers}{failed}", "bad") if count else f"0 of {answers} (at most {rule_of_three(answers):.1%}){failed}"
