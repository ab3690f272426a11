"""Section 6: refusing what must be refused, beside refusing what could have been answered, and how far confidence can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Mark, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import arm_title, metric, reason_title
from eval.run.record import Record
from eval.scoring import refusal
from eval.scoring.answers import correct, is_judged, is_routed, routing
from eval.scoring.confidence import risk_coverage
from eval.suite.item import Item

_ANSWERED, _FAILED = "answered", "call failed"
_PAIR = ("refused_right", "over_refusal", "refusal_reason")
_COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)
#: fewer have no curve worth drawing
_FEWEST = 10


def section(material: Material) -> Section:
    blocks: list[Block] = [
        Prose(
            "Refusing everything would be safe and useless; so the share of rightly refused items always stands beside the share of items that have an "
            "answer and were refused all the same."
        )
    ]
    rows: list[tuple[Cell, ...]] = [
        (arm_title(arm), *(material.cell(arm, name, "share") for name in _PAIR))
        for arm in material.arms
        if any(material.aggregate(arm, name) for name in _PAIR)
    ]
    if rows:
        blocks.append(Table("Refusals per arm, with 95% intervals", ("Arm", *(metric(name).title for name in _PAIR)), tuple(rows)))
    blocks.append(_matrix(material))
    blocks.append(_risk_coverage(material) or Note("Too few answers with a probability or a route of known rightness: risk against coverage cannot be drawn."))
    return Section("refusals", "Refusals: right ones and wrong ones", blocks)


def expectation(item: Item, arm: str) -> str:
    """What must become of an item under an arm, in words."""
    reason = refusal.expected(item, arm)
    return "answer" if reason == "answer" else f"refuse: {reason_title(reason)}"


def outcome(record: Record) -> str:
    """What became of it, in words."""
    found = refusal.outcome(record)
    return {"answered": _ANSWERED, "error": _FAILED}.get(found) or f"refused: {reason_title(found)}"


def _matrix(material: Material) -> Table:
    arm = material.main_arm
    counts = Counter((expectation(material.items[record.item], arm), outcome(record)) for record in material.by_arm[arm])
    expected = sorted({row for row, _ in counts}, key=lambda row: (row != "answer", row))
    outcomes = sorted({column for _, column in counts}, key=lambda column: (column != _ANSWERED, column == _FAILED, column))
    rows: list[tuple[Cell, ...]] = []
    for row in expected:
        cells: list[Cell] = []
        for column in outcomes:
            count = counts[row, column]
            right = column == _ANSWERED if row == "answer" else column not in (_ANSWERED, _FAILED)
            cells.append(Mark(str(count), "good" if right else "bad") if count else "0")
        rows.append((row, *cells))
    return Table(f"What was expected (rows) and what came (columns), in answers of the arm {arm}", ("Expected", *outcomes), tuple(rows))


def _risk_coverage(material: Material) -> Chart | None:
    """Of what has a confidence of its own: loan ratings have the probability of their label, routes that of the router."""
    records = [record for record in material.by_arm[material.main_arm] if record.error is None]
    rated = [
        (max(record.probabilities.values()), bool(correct(item, record).value))
        for record in records
        if record.probabilities and is_judged(item := material.items[record.item], record.arm)
    ]
    routed = [
        (record.route.confidence, bool(routing(item, record).value))
        for record in records
        if record.route and is_routed(item := material.items[record.item], record.arm)
    ]
    curves = {
        name: _curve(judged)
        for name, judged in (("loan ratings, by their probability", rated), ("routes, by the router's confidence", routed))
        if len(judged) >= _FEWEST
    }
    if not curves:
        return None
    at = {name: {share: risk[max(1, round(share * len(risk))) - 1] for share in _COVERAGES} for name, risk in curves.items()}
    words = "; ".join(f"{name}: {', '.join(f'{risk:.0%} wrong among the surest {share:.0%}' for share, risk in found.items())}" for name, found in at.items())
    highest = max(max(risk) for risk in curves.values())
    lines = [
        charts.Line(name, [charts.Dot(number / len(risk), one) for number, one in enumerate(risk, start=1)], marked=False) for name, risk in curves.items()
    ]
    up = charts.Axis("wrong among them", charts.SHARES if highest > 0.5 else (0.0, 0.1, 0.2, 0.3, 0.4, 0.5))
    svg = charts.curve(lines, charts.Axis("share kept, surest first", charts.SHARES), up, words)
    rows: tuple[tuple[Cell, ...], ...] = tuple((f"{share:.0%}", *(Value(found[share]) for found in at.values())) for share in _COVERAGES)
    table = Table("The figures of the chart", ("Surest kept", *at), rows, folded=True)
    return Chart("Wrong ones if only the surest were kept: a curve that falls to the left means that confidence can be trusted", words, svg, table)


def _curve(judged: Sequence[tuple[float, bool]]) -> list[float]:
    return [float(risk) for risk in risk_coverage([right for _, right in judged], [sure for sure, _ in judged])]
