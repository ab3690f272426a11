"""Section 8: whether the probabilities of the loan ratings separate bad applications from good ones, and mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sklearn.metrics import roc_auc_score, roc_curve

from eval.report import charts
from eval.report.blocks import Block, Cell, Chart, Charts, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.run.record import ARMS
from eval.scoring.calibration import is_reliable, reliability
from eval.scoring.loan import cases
from eval.statistics.shares import wilson

_BINS = 10
#: so many applications per bin at least: with fewer, chance is all there is to see
_PER_BIN = 15
_TITLES = {
    "auroc": ("AUROC", "chance that a bad application gets a higher risk than a good one; 0.5 is guessing"),
    "gini": ("Gini", "2 AUROC − 1"),
    "ks": ("KS", "largest gap between bad ones caught and good ones stopped, over all cut-offs"),
    "pr_auc": ("PR-AUC", "precision over all shares of bad ones caught"),
    "loan_mcc": ("MCC", "agreement of rating and outcome, −1 to 1"),
    "log_loss": ("Log loss", "how surprised the probabilities are by what happened; lower is better"),
    "brier": ("Brier", "mean squared error of the probability, 0 to 1; lower is better"),
    "ece": ("Calibration error", "mean gap between probability and share of bad ones (bins of equal size); lower is better"),
    "calibration_slope": ("Calibration slope", "1 when probabilities are neither too bold nor too shy"),
    "calibration_intercept": ("Calibration intercept", "0 when probabilities are neither too high nor too low"),
    "loan_cost": ("Cost", "at the matrix of costs, per application; lower is better"),
    "loan_unrated": ("Without a rating", "share of applications; they count as wrong"),
    "reasons_traceable": ("Traceable reasons", "share of high ratings with a reason whose figure stands in the application"),
    "psi_baseline": ("Shift against the baseline (PSI)", "below 0.10 stable, above 0.25 act"),
    "psi_dev_test": ("Shift between the splits (PSI)", "below 0.10 stable, above 0.25 act"),
}


class Applications(NamedTuple):
    """With a known outcome: 1 for a bad one, and the probability that it is. Who got no rating got the worst that could be said."""

    bad: list[int]
    risk: list[float]


def section(material: Material) -> Section:
    title = "Loan risk: do the probabilities hold?"
    arms = {arm: found for arm in material.arms if len(set((found := applications(material, arm)).bad)) == 2}
    if not arms:
        return Section("risk", title, [Note("No loan applications with a known outcome and a probability in this run.")])
    blocks: list[Block] = [
        Prose(
            "The probability of a high risk comes from the likelihoods of the label tokens, never from a number that the model writes. Figures are of the "
            "applications whose outcome is known; answers without a rating count as wrong."
        )
    ]
    arm = material.main_arm if material.main_arm in arms else next(iter(arms))
    count = len(arms[arm].bad)
    if not is_reliable(count):
        blocks.append(Note(f"Not reliable: {count} applications in the arm {arm}, fewer than 300. Read the calibration figures as a hint only.", "unsure"))
    blocks.append(_figures(material, arms))
    drawn = {name: found for name, found in arms.items() if name in ARMS} or arms
    blocks.append(Charts((_roc(drawn), _gap(arm, arms[arm]), _reliability(arm, arms[arm]))))
    return Section("risk", title, blocks)


def applications(material: Material, arm: str) -> Applications:
    """None where the arm told no probability at all."""
    found = cases(material.items, material.by_arm[arm])
    if all(case.probability is None for case in found):
        return Applications([], [])
    return Applications([case.y for case in found], [1.0 - case.y if case.probability is None else case.probability for case in found])


def _figures(material: Material, arms: Mapping[str, Applications]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, (title, meaning) in _TITLES.items():
        cells = [Value(material.summary.corpus_metrics.get(arm, {}).get(name), "number") for arm in arms]
        if any(cell.value is not None for cell in cells):
            rows.append((Name(title, meaning), *cells))
    counts: list[Cell] = [Value(len(found.bad), "count") for found in arms.values()]
    rows.append((Name("Applications", "whose outcome is known"), *counts))
    return Table("Loan risk per arm", ("Measure", *arms), tuple(rows))


class Cutoff(NamedTuple):
    """Who has this probability or more is stopped: so many of the good ones, and of the bad ones."""

    at: float
    good: float
    bad: float


def cutoffs(found: Applications) -> list[Cutoff]:
    """From the strictest, which stops nobody, to the one that stops all."""
    good, bad, at = roc_curve(found.bad, found.risk, drop_intermediate=False)
    return [Cutoff(min(float(one), 1.0), float(x), float(y)) for one, x, y in zip(at, good, bad, strict=True)]


def _roc(arms: Mapping[str, Applications]) -> Chart:
    lines = [charts.Line("guessing", [charts.Dot(0, 0), charts.Dot(1, 1)], guide=True)]
    areas: dict[str, float] = {}
    for arm, found in arms.items():
        lines.append(charts.Line(arm, [charts.Dot(one.good, one.bad) for one in cutoffs(found)], marked=False))
        areas[arm] = float(roc_auc_score(found.bad, found.risk))
    words = "; ".join(f"{arm}: area {area:.3f}" for arm, area in areas.items())
    svg = charts.curve(lines, charts.Axis("good ones stopped", charts.SHARES), charts.Axis("bad ones caught", charts.SHARES), words)
    rows: tuple[tuple[Cell, ...], ...] = tuple((arm, Value(area, "number"), Value(len(arms[arm].bad), "count")) for arm, area in areas.items())
    table = Table("The areas below the curves", ("Arm", "Area (AUROC)", "Applications"), rows, folded=True)
    return Chart("Bad applications caught against good ones stopped (ROC)", words, svg, table)


def _gap(arm: str, found: Applications) -> Chart:
    points = sorted(cutoffs(found), key=lambda one: one.at)
    widest = max(points, key=lambda one: one.bad - one.good)
    lines = [
        charts.Line("bad ones caught", [charts.Dot(one.at, one.bad) for one in points], marked=False),
        charts.Line("good ones stopped", [charts.Dot(one.at, one.good) for one in points], marked=False),
        charts.Line("widest gap (KS)", [charts.Dot(widest.at, widest.good), charts.Dot(widest.at, widest.bad)], guide=True),
    ]
    gap = widest.bad - widest.good
    words = (
        f"{arm}: widest gap (KS) {gap:.3f}, at the cut-off {widest.at:.2f}, where {widest.bad:.0%} of the bad ones are caught and {widest.good:.0%} "
        "of the good ones stopped"
    )
    svg = charts.curve(lines, charts.Axis("cut-off of the probability", charts.SHARES), charts.Axis("share stopped", charts.SHARES), words)
    rows: tuple[tuple[Cell, ...], ...] = ((arm, Value(gap, "number"), Value(widest.at, "number"), Value(widest.bad), Value(widest.good)),)
    table = Table("The widest gap", ("Arm", "KS", "Cut-off", "Bad ones caught", "Good ones stopped"), rows, folded=True)
    return Chart(f"What each cut-off stops (KS), {arm}", words, svg, table)


def _reliability(arm: str, found: Applications) -> Chart:
    total = len(found.bad)
    dots: list[charts.Dot] = []
    rows: list[tuple[Cell, ...]] = []
    words: list[str] = []
    for number, (share, said, happened) in enumerate(reliability(found.bad, found.risk, min(_BINS, max(2, total // _PER_BIN))), start=1):
        count = round(share * total)
        interval = wilson(round(happened * count), count)
        dots.append(charts.Dot(said, happened, interval.low, interval.high))
        rows.append((f"group {number}", Value(count, "count"), Value(said), Value(happened, "share", interval.low, interval.high)))
        words.append(f"said {said:.0%}, happened {happened:.0%} of {count}")
    lines = [charts.Line("as said", [charts.Dot(0, 0), charts.Dot(1, 1)], guide=True), charts.Line(arm, dots)]
    alternative = "; ".join(words)
    svg = charts.curve(lines, charts.Axis("probability said", charts.SHARES), charts.Axis("share that was bad", charts.SHARES), alternative)
    table = Table("The figures of the chart", ("By probability", "Applications", "Probability said", "Bad among them"), tuple(rows), folded=True)
    return Chart(f"Do probabilities mean what they say? (reliability), {arm}", alternative, svg, table)
