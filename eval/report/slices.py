"""Section 10: where answers fail, the worst part of the suite first."""

from __future__ import annotations

from eval.report.blocks import Block, Cell, Mark, Note, Prose, Section, Table, Value
from eval.report.material import CORRECT, Material
from eval.report.words import metric, slice_title
from eval.summary import ALL, Aggregate

_SHOWN = 15
#: a share of fewer items says little
_FEW = 20


def section(material: Material) -> Section:
    arm, title = material.main_arm, "Where answers fail"
    found = [one for one in material.summary.aggregates if (one.arm, one.metric) == (arm, CORRECT) and one.slice != ALL and one.mean is not None]
    if not found:
        return Section("slices", title, [Note("The summary has no parts of the suite.")])
    sizes = {one.slice: one.total for one in found}
    # the Chinese ones of a kind that is all Chinese are no part of their own
    found = [one for one in found if "&" not in one.slice or one.total not in [sizes.get(part) for part in one.slice.split("&")]]
    found.sort(key=lambda one: (one.total < _FEW, one.mean, -one.total, one.slice))
    blocks: list[Block] = [
        Prose(
            f"{metric(CORRECT).title} of the arm {arm} by language, kind of item and topic, the worst first; parts of fewer than {_FEW} items come last, "
            "for their figures are mostly chance."
        ),
        _table("The worst parts of the suite", found[:_SHOWN], material, folded=False),
    ]
    if found[_SHOWN:]:
        blocks.append(_table("The other parts", found[_SHOWN:], material, folded=True))
    return Section("slices", title, blocks)


def _table(caption: str, found: list[Aggregate], material: Material, *, folded: bool) -> Table:
    whole = material.aggregate(material.main_arm, CORRECT)
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        note: Cell = Mark("few items", "unsure") if one.total < _FEW else ""
        if whole and whole.mean is not None and one.total >= _FEW and one.high is not None and one.high < whole.mean:
            note = Mark("below all items", "bad")
        rows.append((slice_title(one.slice), Value(one.mean, "share", one.low, one.high), Value(one.total, "count"), note))
    return Table(caption, ("Part", "Right outcome", "Items", ""), tuple(rows), folded=folded)
