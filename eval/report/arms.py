"""Section 3: what documents add, what adapters add, and whether both are more than the sum."""

from __future__ import annotations

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Form, Mark, Name, Note, Prose, Section, Table, Value
from eval.report.material import CORRECT, Material
from eval.report.words import EFFECTS, arm_meaning, arm_title, metric
from eval.run.record import ARMS
from eval.scoring.registry import with_groups
from eval.summary import Effect, Pair

_INGREDIENTS = ("rag", "lora", "interaction", "wrong_adapter")


def section(material: Material) -> Section:
    primary = tuple(dict.fromkeys((CORRECT, *material.summary.primary)))
    blocks: list[Block] = []
    if set(ARMS) <= set(material.arms):
        blocks += [
            Prose(
                "Every item was asked four times: with and without the bank's documents, with and without adapters. The four answers to one item are "
                "compared with each other, so that an easy or a hard suite moves no difference."
            ),
            _square(material),
        ]
    else:
        missing = ", ".join(arm for arm in ARMS if arm not in material.arms)
        blocks.append(Note(f"The table of four needs the arms {', '.join(ARMS)}; this run has no {missing}.", "unsure"))
    if effects := [one for name in primary for kind in _INGREDIENTS if (one := material.effect(kind, name))]:
        blocks.append(_effects(effects))
    blocks += _forest(material)
    if pairs := [one for name in primary for one in material.pairs(name)]:
        blocks.append(_pairs(pairs, material.summary.primary))
    if material.summary.omnibus:
        rows = tuple((metric(one.metric).title, Value(one.count, "count"), Value(one.q, "number"), Value(one.p, "chance")) for one in material.summary.omnibus)
        blocks.append(Table("Do the four arms differ at all? (Cochran's Q)", ("Measure", "Items", "Q", "Chance if all were equal"), rows, folded=True))
    blocks.append(_all_arms(material, primary))
    return Section("arms", "What documents add, what adapters add", blocks)


def _square(material: Material) -> Table:
    rows = tuple((name, material.cell(without, CORRECT, "share"), material.cell(with_it, CORRECT, "share")) for name, without, with_it in _SQUARE)
    return Table("Right outcome in the four arms, with 95% intervals", ("", "Without documents", "With documents"), rows)


_SQUARE = (("Without adapters", "base", "rag"), ("With adapters", "lora", "rag+lora"))


def judged(metric_name: str, low: float, high: float) -> Mark:
    """Whether a difference is more than chance, and for better or worse: of wrong refusals fewer are better."""
    if low <= 0 <= high:
        return Mark("not shown", "unsure")
    known = with_groups({}).get(metric_name)  # those of tier 1, which are not among them, are better when higher
    return Mark("better", "good") if (low > 0) is (known is None or known.higher_is_better) else Mark("worse", "bad")


def _effects(effects: list[Effect]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in effects:
        words = EFFECTS[one.name]
        form: Form = "points" if metric(one.metric).form == "share" else "number"
        value = Value(one.value, form, one.low, one.high)
        name = words.title if one.metric == CORRECT else f"{words.title}: {metric(one.metric).title}"
        rows.append((Name(name, words.meaning), value, judged(one.metric, one.low, one.high)))
    return Table("Effects over all items, with 95% intervals", ("Effect", "Difference", "Verdict"), tuple(rows))


def _forest(material: Material) -> list[Block]:
    pairs = [one for one in material.pairs() if one.first in ARMS and one.second in ARMS] or material.pairs()
    if not pairs:
        return [Note("No two arms were compared on the same items.")]
    rows = [charts.Difference(f"{one.first} → {one.second}", one.difference, one.low, one.high, _declared(one, material.summary.primary)) for one in pairs]
    words = [f"{row.name} {row.value * 100:+.1f} points ({row.low * 100:+.1f} to {row.high * 100:+.1f})" for row in rows]
    figures = tuple((row.name, Value(row.value, "points", row.low, row.high)) for row in rows)
    alternative = f"Differences of the right outcome: {'; '.join(words)}"
    return [
        Chart(
            "Differences between arms on the same items: an interval that does not touch zero is no chance finding",
            alternative,
            charts.forest(rows, "second is worse", "second is better", alternative),
            Table("The figures of the chart", ("Arms", "Difference"), figures, folded=True),
        )
    ]


def _declared(pair: Pair, primary: tuple[str, ...]) -> bool:
    return pair.metric in primary


def _pairs(pairs: list[Pair], primary: tuple[str, ...]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in pairs:
        form: Form = "points" if metric(one.metric).form == "share" else "number"
        split = "–" if one.only_first is None or one.only_second is None else f"{one.only_first} / {one.only_second}"
        chance = one.p if one.p_holm is None else one.p_holm
        name = f"{one.first} → {one.second}" if one.metric == CORRECT else f"{metric(one.metric).title}: {one.first} → {one.second}"
        note = "" if _declared(one, primary) else " (exploratory)"
        rows.append(
            (name + note, Value(one.difference, form, one.low, one.high), split, Value(chance, "chance"), _TESTS[one.test], f"{one.count} / {one.clusters}")
        )
    columns = ("First → second", "Difference", "Right in first only / second only", "Chance if equal", "Test", "Items / groups")
    return Table("Every comparison; chances of measures declared before the run are corrected for their number (Holm)", columns, tuple(rows), folded=True)


_TESTS = {"mcnemar": "McNemar, exact", "sign-flip": "sign flips", "cluster-sign-flip": "sign flips of groups"}


def _all_arms(material: Material, primary: tuple[str, ...]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for arm in material.arms:
        found = material.aggregate(arm, CORRECT)
        counts = f"{found.scored} of {found.total}" if found else "–"
        rows.append((Name(arm_title(arm), arm_meaning(arm).meaning), *(material.cell(arm, name, metric(name).form) for name in primary), counts))
    return Table("All arms of this run", ("Arm", *(metric(name).title for name in primary), "Items scored"), tuple(rows))
