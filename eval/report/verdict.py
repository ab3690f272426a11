"""Section 1: the verdict in one screen: passed or not, the few figures to remember, and every check of the gate."""

from __future__ import annotations

from collections.abc import Sequence

from core.verdict import Check
from eval.report.blocks import Banner, Block, Cell, Name, Note, Section, Table, Tile, Tiles, Value, Verbatim
from eval.report.gate import checks, measured, result, title
from eval.report.material import CORRECT, Material
from eval.report.words import EFFECTS, arm_meaning, metric
from eval.scoring.registry import METRICS


def section(material: Material) -> Section:
    blocks: list[Block] = [_banner(material), _tiles(material)]
    if material.gate is not None:
        found = sorted(checks(material.gate), key=lambda check: (check.passed, not check.decided))
        rows: list[tuple[Cell, ...]] = [(Name(title(one), one.why), measured(one), one.wanted, result(one)) for one in found]
        blocks.append(Table("The checks of the gate", ("Check", "Measured", "Wanted", "Result"), tuple(rows)))
        blocks.append(
            Note("The thresholds are those that were set before the run.", "good")
            if material.gate["thresholds_set_before_run"]
            else Note("The thresholds were not set before the run: they may have been chosen with the figures in sight.", "unsure")
        )
    if thresholds := material.document.get("thresholds"):
        blocks.append(Verbatim("The thresholds as they were set before the run", str(thresholds["text"])))
    return Section("verdict", "Verdict", blocks)


def _banner(material: Material) -> Banner:
    errors = sum(record.error is not None for record in material.records)
    failed = f" {errors} of {len(material.records):,} calls failed and count as wrong." if errors else ""
    unfinished = "" if material.document.get("status", "complete") == "complete" else " The run is not complete: figures are of the answers so far."
    if material.gate is None:
        text = "This report states what was measured. Whether that is good enough is for thresholds to say: `bankassist eval gate RUN --thresholds FILE`."
        return Banner("No verdict: no gate was run", text + failed + unfinished, "unsure")
    found = checks(material.gate)
    missed, undecided = [one for one in found if one.decided and not one.passed], [one for one in found if not one.decided]
    small = f" The suite is too small to decide {len(undecided)} more: {_listed(undecided)}." if undecided else ""
    if missed:
        return Banner("Not passed", f"{len(missed)} of {len(found)} checks failed: {_listed(missed)}.{small}{failed}{unfinished}", "bad")
    if undecided:
        return Banner(
            "Not decided", f"The suite is too small to decide {len(undecided)} of {len(found)} checks: {_listed(undecided)}.{failed}{unfinished}", "unsure"
        )
    return Banner("Passed", f"All {len(found)} checks passed.{failed}{unfinished}", "good")


def _listed(found: Sequence[Check]) -> str:
    names = list(dict.fromkeys(title(one) for one in found))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _tiles(material: Material) -> Tiles:
    arm = material.main_arm
    tiles = [Tile(f"{metric(CORRECT).title}: {arm}", material.cell(arm, CORRECT, "share"), arm_meaning(arm).meaning)]
    for name in ("rag", "lora"):
        if effect := material.effect(name):
            tiles.append(Tile(EFFECTS[name].title, Value(effect.value, "points", effect.low, effect.high), "more right outcomes of 100"))
    for name in ("wrong_answer", "refused_right", "over_refusal", "number_grounding", "kept", "fabricated"):
        found = material.cell(arm, name, "share")
        if found.value is not None:
            failed = one.errors if (one := material.aggregate(arm, name)) and not METRICS[name].higher_is_better else 0
            counted = f"; {failed} failed calls count as such" if failed else ""
            tiles.append(Tile(metric(name).title, found, metric(name).meaning + counted))
    return Tiles(tuple(tiles))
