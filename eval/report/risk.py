"""Section 8: whether the probabilities of the loan ratings separate bad applications from good ones, and mean what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from eval.paired import wilson
from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Charts, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.run.record import ARMS, Record

#: fewer applications give calibration figures that are not reliable (HELM's rule)
RELIABLE = 300
_BINS = 10
_TITLES = {
    "auroc": ("AUROC", "chance that a bad application gets a higher risk than a good one; 0.5 is guessing"),
    "gini": ("Gini", "2 AUROC - 1"),
    "ks": ("KS", "largest gap between bad ones caught and good ones stopped, over all cut-offs"),
    "pr_auc": ("PR-AUC", "precision over all shares of bad ones caught"),
    "mcc": ("MCC", "agreement of proposed and true label, -1 to 1"),
    "log_loss": ("Log loss", "how surprised the probabilities are by what happened; lower is better"),
    "brier": ("Brier", "mean squared error of the probability, 0 to 1; lower is better"),
    "ece": ("Calibration error", "mean gap between probability and share of bad ones (bins of equal size); lower is better"),
    "calibration_slope": ("Calibration slope", "1 when probabilities are neither too bold nor too shy"),
    "calibration_intercept": ("Calibration intercept", "0 when probabilities are neither too high nor too low"),
    "cost": ("Cost", "at the bank's matrix of costs, per application"),
    "psi": ("PSI", "shift of the probabilities against the baseline: below .10 stable, above .25 act"),
}


class Application(NamedTuple):
    """``risk`` is the probability of a high risk, ``bad`` whether it was one."""

    risk: float
    bad: bool


def section(material: Material) -> Section:
    title = "Loan risk: do the probabilities hold?"
    arms = {arm: found for arm in material.arms if len(found := applications(material, arm)) >= 2 and len({one.bad for one in found}) == 2}
    if not arms:
        return Section("risk", title, [Note("No loan applications with a known outcome and a probability in this run.")])
    blocks: list[Block] = [
        Prose(
            "The probability of a high risk comes from the likelihoods of the label tokens, never from a number that the model writes. Figures are of the "
            "applications whose outcome is known; answers without a rating count as wrong."
        )
    ]
    arm = material.main_arm if material.main_arm in arms else next(iter(arms))
    count = len(arms[arm])
    if count < RELIABLE:
        blocks.append(
            Note(f"Not reliable: {count} applications in the arm {arm}, fewer than {RELIABLE}. Read the calibration figures as a hint only.", "unsure")
        )
    blocks.append(_figures(material, list(arms)))
    blocks.append(Charts((_roc({name: found for name, found in arms.items() if name in ARMS} or arms), _gap(arm, arms[arm]), _reliability(arm, arms[arm]))))
    return Section("risk", title, blocks)


def probability(record: Record) -> float | None:
    """Of a high risk, among the labels."""
    if not record.probabilities or "high" not in record.probabilities:
        return None
    return record.probabilities["high"] / (sum(record.probabilities.values()) or 1.0)


def applications(material: Material, arm: str) -> list[Application]:
    found: list[Application] = []
    for record in material.by_arm[arm]:
        label, risk = material.items[record.item].label.y, probability(record)
        if label is not None and risk is not None and record.rep == 0:
            found.append(Application(risk, bool(label)))
    return found


def _figures(material: Material, arms: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, (title, meaning) in _TITLES.items():
        cells = [Value(_corpus(material, arm).get(name), "number") for arm in arms]
        if any(cell.value is not None for cell in cells):
            rows.append((Name(title, meaning), *cells))
    counts: list[Cell] = [Value(len(applications(material, arm)), "count") for arm in arms]
    rows.append((Name("Applications", "with a known outcome and a probability"), *counts))
    return Table("Loan risk per arm", ("Measure", *arms), tuple(rows))


def _corpus(material: Material, arm: str) -> Mapping[str, float | None]:
    return material.summary.corpus_metrics.get(arm, {})


class RocPoint(NamedTuple):
    """At one cut-off: good applications stopped, bad ones caught."""

    stopped: float
    caught: float
    cutoff: float


def roc(found: Sequence[Application]) -> list[RocPoint]:
    """From the strictest cut-off to the loosest, one point per probability that occurs."""
    bad = sum(one.bad for one in found)
    points = [RocPoint(0.0, 0.0, 1.0)]
    caught = stopped = 0
    ordered = sorted(found, key=lambda one: -one.risk)
    for number, one in enumerate(ordered, start=1):
        caught, stopped = caught + one.bad, stopped + (not one.bad)
        if number == len(ordered) or ordered[number].risk < one.risk:
            points.append(RocPoint(stopped / (len(ordered) - bad), caught / bad, one.risk))
    return points


def _roc(arms: Mapping[str, list[Application]]) -> Chart:
    lines = [charts.Line("guessing", [charts.Dot(0, 0), charts.Dot(1, 1)], guide=True)]
    rows: list[tuple[Cell, ...]] = []
    for arm, found in arms.items():
        points = roc(found)
        lines.append(charts.Line(arm, [charts.Dot(one.stopped, one.caught) for one in points], marked=False))
        area = float(np.trapezoid([one.caught for one in points], [one.stopped for one in points]))
        rows.append((arm, Value(area, "number"), Value(len(found), "count")))
    words = "; ".join(f"{row[0]}: area {row[1].value:.3f}" for row in rows if isinstance(row[1], Value) and row[1].value is not None)
    svg = charts.curve(lines, charts.Axis("good ones stopped", charts.SHARES), charts.Axis("bad ones caught", charts.SHARES), words)
    table = Table("The areas below the curves", ("Arm", "Area (AUROC)", "Applications"), tuple(rows), folded=True)
    return Chart("Bad applications caught against good ones stopped (ROC)", words, svg, table)


def _gap(arm: str, found: Sequence[Application]) -> Chart:
    points = sorted(roc(found), key=lambda one: one.cutoff)
    widest = max(points, key=lambda one: one.caught - one.stopped)
    lines = [
        charts.Line("bad ones caught", [charts.Dot(one.cutoff, one.caught) for one in points], marked=False),
        charts.Line("good ones stopped", [charts.Dot(one.cutoff, one.stopped) for one in points], marked=False),
        charts.Line("widest gap (KS)", [charts.Dot(widest.cutoff, widest.stopped), charts.Dot(widest.cutoff, widest.caught)], guide=True),
    ]
    gap = widest.caught - widest.stopped
    words = f"{arm}: widest gap (KS) {gap:.3f}, at the cut-off {widest.cutoff:.2f}, where {widest.caught:.0%} of the bad ones are caught and {widest.stopped:.0%} of the good ones stopped"
    svg = charts.curve(lines, charts.Axis("cut-off of the probability", charts.SHARES), charts.Axis("share stopped", charts.SHARES), words)
    rows: tuple[tuple[Cell, ...], ...] = ((arm, Value(gap, "number"), Value(widest.cutoff, "number"), Value(widest.caught), Value(widest.stopped)),)
    table = Table("The widest gap", ("Arm", "KS", "Cut-off", "Bad ones caught", "Good ones stopped"), rows, folded=True)
    return Chart(f"What each cut-off stops (KS), {arm}", words, svg, table)


class Bin(NamedTuple):
    size: int
    said: float
    happened: float


def reliability(found: Sequence[Application], bins: int = _BINS) -> list[Bin]:
    """Equally many applications per bin, by probability: the mean of what was said and the share that was bad."""
    ordered = sorted(found)
    parts = [part for part in np.array_split(np.arange(len(ordered)), bins) if len(part)]
    return [Bin(len(part), sum(ordered[at].risk for at in part) / len(part), sum(ordered[at].bad for at in part) / len(part)) for part in parts]


def _reliability(arm: str, found: Sequence[Application]) -> Chart:
    # few applications give bins in which chance is all there is to see
    parts = reliability(found, min(_BINS, max(2, len(found) // 15)))
    dots: list[charts.Dot] = []
    rows: list[tuple[Cell, ...]] = []
    for number, part in enumerate(parts, start=1):
        interval = wilson(round(part.happened * part.size), part.size)
        dots.append(charts.Dot(part.said, part.happened, interval.low, interval.high))
        rows.append((f"group {number}", Value(part.size, "count"), Value(part.said), Value(part.happened, "share", interval.low, interval.high)))
    words = "; ".join(f"said {part.said:.0%}, happened {part.happened:.0%} of {part.size}" for part in parts)
    lines = [charts.Line("as said", [charts.Dot(0, 0), charts.Dot(1, 1)], guide=True), charts.Line(arm, dots)]
    svg = charts.curve(lines, charts.Axis("probability said", charts.SHARES), charts.Axis("share that was bad", charts.SHARES), words)
    table = Table("The figures of the chart", ("By probability", "Applications", "Probability said", "Bad among them"), tuple(rows), folded=True)
    return Chart(f"Do probabilities mean what they say? (reliability), {arm}", words, svg, table)
