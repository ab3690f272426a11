"""Section 2: what was run, with the digests by which anybody can see whether it was the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Cell, Name, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import LANGUAGES, TASKS, arm_meaning, arm_title

#: shown elsewhere, or too long for a table
_LEFT_OUT = ("items", "thresholds.text")


def section(material: Material) -> Section:
    blocks: list[Block] = [
        Prose("A digest (SHA-256) is a fingerprint: two runs with the same digests used the same bytes. The same table of another run tells what changed.")
    ]
    lines = [line for line in _lines("", material.document) if line[0] not in _LEFT_OUT]
    if short := tuple(_short(dict(lines))):
        blocks.append(Table("This run", ("What", "Value"), short))
    blocks.append(_items(material))
    arms = tuple((Name(arm_title(arm), arm_meaning(arm).meaning), Value(len(material.by_arm[arm]), "count")) for arm in material.arms)
    blocks.append(Table("The arms", ("Arm", "Answers"), arms))
    blocks.append(Table("All that run.json records: settings, versions, digests", ("What", "Value"), tuple(lines), folded=True))
    return Section("provenance", "What was run", blocks)


#: the lines that a reader looks for first: their words, and the keys of run.json whose values they hold
_FIRST: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("Suite", "{} version {}, {} items", ("suite.name", "suite.version", "suite.n")),
    ("Suite, digest", "{}", ("suite.digest",)),
    ("Run", "{}, {}, begun {}", ("id", "status", "started_at")),
    ("Answers", "{} ({} calls failed, {} out of the cache)", ("records", "errors", "from_cache")),
    ("Asked", "{}, {} at a time; repetitions: {}", ("target", "at_once", "reps")),
    ("Base model, digest", "{}", ("engines.base.digest",)),
    ("Number format", "{}", ("engines.base.dtype",)),
    ("Embedding model, digest", "{}", ("engines.embedder.digest",)),
    ("Documents and index, digest", "{}", ("engines.index.content",)),
    ("Tasks and prompts, digest", "{}", ("engines.templates.tasks",)),
    ("Program", "{}, digest {}", ("program.version", "program.code")),
    ("Commit", "{} (changed since: {})", ("program.git.commit", "program.git.dirty")),
    ("Machine", "{}, {} cores, {} GiB", ("hardware.cpu", "hardware.cores", "hardware.memory_gib")),
    ("Thresholds, digest", "{}", ("thresholds.sha256",)),
    ("Records, digest of the last", "{}", ("head",)),
)


def _short(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for words, form, keys in _FIRST:
        if all(key in values and values[key] != "none" for key in keys):
            yield words, form.format(*(values[key] for key in keys))
    number = 1
    while f"engines.adapters.{number}.name" in values:
        name, version, digest = (values.get(f"engines.adapters.{number}.{key}", "unknown") for key in ("name", "version", "digest"))
        yield f"Adapter {name}@{version}, digest", digest
        number += 1


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


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """``a.b`` and its value for everything that a document holds."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(one, Mapping | list) for one in value):
        for number, inner in enumerate(value, start=1):
            yield from _lines(f"{name}.{number}", inner)
    elif name:
        yield name, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != {} else "none"
