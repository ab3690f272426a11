"""Section 1: the verdict in one screen: passed or not, the few figures to remember, and every check of the gate."""

from __future__ import annotations

from eval.report.blocks import Banner, Block, Cell, Mark, Name, Note, Section, Table, Tile, Tiles, Value
from eval.report.gate import Check, checks, set_before
from eval.report.material import CORRECT, Material
from eval.report.words import EFFECTS, arm_meaning, metric


def section(material: Material) -> Section:
    blocks: list[Block] = [_banner(material), _tiles(material)]
    if material.gate is not None:
        found = sorted(checks(material.gate), key=lambda check: check.passed)
        rows: list[tuple[Cell, ...]] = [
            (Name(check.name, check.why), check.measured, check.wanted, Mark("passed", "good") if check.passed else Mark("not passed", "bad"))
            for check in found
        ]
        blocks.append(Table("The checks of the gate", ("Check", "Measured", "Wanted", "Result"), tuple(rows)))
        blocks.append(
            Note("The thresholds are those that were set before the run.", "good")
            if set_before(material.gate)
            else Note("The thresholds were not set before the run: they may have been chosen with the figures in sight.", "unsure")
        )
    return Section("verdict", "Verdict", blocks)


def _banner(material: Material) -> Banner:
    errors = sum(record.error is not None for record in material.records)
    incomplete = "" if material.document.get("status", "complete") == "complete" else " The run is not complete."
    failed = f" {errors} of {len(material.records):,} calls failed and count as wrong." if errors else ""
    if material.gate is None:
        text = "This report states what was measured. Whether that is good enough is for thresholds to say: `bankassist eval gate RUN --thresholds FILE`."
        return Banner("No verdict: no gate was run", text + failed + incomplete, "unsure")
    found = checks(material.gate)
    missed = [check for check in found if not check.passed]
    if not missed:
        return Banner("Passed", f"All {len(found)} checks passed.{failed}{incomplete}", "good")
    names = _listed(missed)
    return Banner("Not passed", f"{len(missed)} of {len(found)} checks failed: {names}.{failed}{incomplete}", "bad")


def _listed(missed: list[Check]) -> str:
    names = [check.name for check in missed]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _tiles(material: Material) -> Tiles:
    arm = material.main_arm
    tiles = [Tile(f"{metric(CORRECT).title}: {arm}", material.cell(arm, CORRECT, "share"), arm_meaning(arm).meaning)]
    for name in ("rag", "lora"):
        if effect := material.effect(name):
            tiles.append(Tile(EFFECTS[name].title, Value(effect.value, "points", effect.low, effect.high), "more right outcomes of 100"))
    for name in ("refused_right", "over_refusal", "number_grounding", "fabricated"):
        found = material.cell(arm, name, "share")
        if found.value is not None:
            tiles.append(Tile(metric(name).title, found, metric(name).meaning))
    return Tiles(tuple(tiles))
