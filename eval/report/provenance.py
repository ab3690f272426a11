"""Section 2: what was run, with the digests by which anybody can see whether it was the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Cell, Name, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import LANGUAGES, TASKS, arm_meaning, arm_title

#: of run.json, what a reader looks for first, and its words
_FIRST = {
    "dataset": "Suite",
    "suite": "Suite",
    "corpus": "Documents",
    "base_model": "Base model",
    "adapters": "Adapters",
    "index": "Search index",
    "embedder": "Embedding model",
    "templates": "Prompts",
    "generation": "Generation",
    "retrieval": "Retrieval",
    "grounding": "Checks",
    "thresholds": "Thresholds",
    "seeds": "Seeds",
    "git": "Code",
    "python": "Python",
    "lock": "Libraries",
    "hardware": "Machine",
}
_LONGEST_LIST = 12


def section(material: Material) -> Section:
    blocks: list[Block] = [
        Prose("A digest (SHA-256) is a fingerprint: two runs with the same digests used the same bytes. The same table of another run tells what changed.")
    ]
    rows = list(_lines(material.document))
    short = tuple((name, text) for name, text in rows if _top(name) in ("status", "suite", "dataset", "arms", "seeds", "times", "target"))
    if short:
        blocks.append(Table("This run", ("What", "Value"), short))
    blocks.append(_items(material))
    blocks.append(
        Table(
            "The arms",
            ("Arm", "Answers"),
            tuple((Name(arm_title(arm), arm_meaning(arm).meaning), Value(len(material.by_arm[arm]), "count")) for arm in material.arms),
        )
    )
    blocks.append(Table("All that run.json records: settings, versions, digests", ("What", "Value"), tuple(rows), folded=True))
    return Section("provenance", "What was run", blocks)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _items(material: Material) -> Table:
    groups: dict[str, list[str]] = {}
    for item in material.items.values():
        groups.setdefault(item.task, []).append(item.lang)
    languages = [name for name in LANGUAGES if any(name in found for found in groups.values())]
    rows: list[tuple[Cell, ...]] = [
        (TASKS.get(task, task), *(Value(found.count(name), "count") for name in languages), Value(len(found), "count"))
        for task, found in sorted(groups.items())
    ]
    everything: list[str] = [item.lang for item in material.items.values()]
    rows.append(("all", *(Value(everything.count(name), "count") for name in languages), Value(len(everything), "count")))
    return Table("The items of the suite", ("Kind", *(LANGUAGES[name] for name in languages), "All"), tuple(rows))


def _lines(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """``a.b`` and its value for everything that the document holds; what readers look for first comes first."""
    order = {name: number for number, name in enumerate(_FIRST)}
    for name in sorted(document, key=lambda name: (order.get(name, len(order)), name)):
        yield from _flat(name, document[name])


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(one, Mapping | list) for one in value):
        for number, inner in enumerate(value[:_LONGEST_LIST], start=1):
            yield from _flat(f"{name}.{number}", inner)
        if len(value) > _LONGEST_LIST:
            yield name, f"and {len(value) - _LONGEST_LIST} more in run.json"
    else:
        yield name, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != {} else "none"
