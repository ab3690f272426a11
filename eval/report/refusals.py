"""Section 6: refusing what must be refused, beside refusing what could have been answered, and how far confidence can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Mark, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import arm_title, metric, reason_title
from eval.run.record import Record
from eval.suite.item import Item

_ANSWERED, _HANDED_OFF, _FAILED = "answered", "handed to a colleague", "call failed"
_PAIR = ("refused_right", "over_refusal", "refusal_reason")


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
    if material.by_arm[material.main_arm]:
        blocks.append(_matrix(material))
    curve = _risk_coverage(material)
    blocks.append(curve or Note("No confidence in the records of this run: risk against coverage cannot be drawn."))
    return Section("refusals", "Refusals: right ones and wrong ones", blocks)


def expectation(item: Item) -> str:
    """What must become of an item, in words."""
    return f"refuse: {reason_title(item.expect.reason or '')}" if item.expect.refuse else "answer"


def outcome(record: Record) -> str:
    """What became of it, in words."""
    if record.error is not None or record.kind is None:
        return _FAILED
    if record.kind == "answered":
        return _ANSWERED
    return _HANDED_OFF if record.kind == "handed_off" else f"refused: {reason_title(record.reason)}"


def _matrix(material: Material) -> Table:
    counts = Counter((expectation(material.items[record.item]), outcome(record)) for record in material.by_arm[material.main_arm])
    expected = sorted({row for row, _ in counts}, key=lambda row: (row != "answer", row))
    outcomes = sorted({column for _, column in counts}, key=lambda column: (column != _ANSWERED, column in (_HANDED_OFF, _FAILED), column))
    rows: list[tuple[Cell, ...]] = []
    for row in expected:
        cells: list[Cell] = []
        for column in outcomes:
            count = counts[row, column]
            refused = column.startswith("refused") or column == _HANDED_OFF
            right = column == _ANSWERED if row == "answer" else refused
            cells.append(Mark(str(count), "good" if right else "bad") if count else "0")
        rows.append((row, *cells))
    return Table(f"What was expected (rows) and what came (columns), in answers of the arm {material.main_arm}", ("Expected", *outcomes), tuple(rows))


def confidence(record: Record) -> float | None:
    """How sure the product was: of the rating where there is one, else of the route."""
    if record.probabilities:
        return max(record.probabilities.values()) / (sum(record.probabilities.values()) or 1.0)
    return record.route.confidence if record.route else None


def _risk_coverage(material: Material) -> Chart | None:
    """Wrong among the items kept when only the surest are (El-Yaniv and Wiener 2010); ties are kept together."""
    judged: list[tuple[float, float]] = []
    for record in material.by_arm[material.main_arm]:
        sure, right = confidence(record), material.value(record.item, record.arm)
        if sure is not None and right is not None and record.rep == 0:
            judged.append((sure, right))
    if len({sure for sure, _ in judged}) < 3:
        return None
    points = risk_coverage(judged)
    at = {share: _nearest(points, share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)}
    highest = max(risk for _, risk in points)
    ticks = charts.SHARES if highest > 0.5 else (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    words = ", ".join(f"{risk:.0%} wrong among the surest {share:.0%}" for share, risk in at.items())
    svg = charts.curve(
        [charts.Line(material.main_arm, [charts.Dot(share, risk) for share, risk in points], marked=False)],
        charts.Axis("share of items kept, surest first", charts.SHARES),
        charts.Axis("wrong among them", ticks),
        words,
    )
    table = Table(
        "The figures of the chart", ("Surest items kept", "Wrong among them"), tuple((f"{share:.0%}", Value(risk)) for share, risk in at.items()), folded=True
    )
    return Chart("If only the surest answers were kept: a curve that falls to the left means that confidence can be trusted", words, svg, table)


def risk_coverage(judged: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(confidence, 1 when right) of each item -> (share kept, share of wrong ones among them), one point per confidence from the surest on."""
    points: list[tuple[float, float]] = []
    wrong = 0.0
    ordered = sorted(judged, key=lambda one: -one[0])
    for number, (sure, right) in enumerate(ordered, start=1):
        wrong += 1 - right
        if number == len(ordered) or ordered[number][0] < sure:
            points.append((number / len(ordered), wrong / number))
    return points


def _nearest(points: Sequence[tuple[float, float]], share: float) -> float:
    return min(points, key=lambda point: abs(point[0] - share))[1]
