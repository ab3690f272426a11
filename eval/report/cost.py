"""Section 11: how long answers take and how much the model reads and writes for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from eval.report.blocks import Block, Cell, Form, Name, Note, Prose, Section, Table, Value
from eval.report.material import Material
from eval.report.words import arm_title, metric

#: measured scores -> how they are printed
_SPREAD: Sequence[tuple[str, Form]] = (("seconds", "seconds"), ("first_token_seconds", "seconds"))
_TOKENS = ("prompt_tokens", "completion_tokens")
#: requests that waited for an adapter: keys of run.json and their words
_WAITS = (
    (
        "loads",
        "Changes to an adapter that had to be read",
        "requests that waited until their adapter was read from disk and made ready, for them or for another one",
    ),
    (
        "uses",
        "Changes to an adapter in memory",
        "requests whose adapter was ready, and that may have waited while another one was read; what the model itself takes for a change is in docs/benchmarks.md",
    ),
)


def section(material: Material) -> Section:
    blocks: list[Block] = []
    spread: list[tuple[Cell, ...]] = []
    cached = sum(record.cached for record in material.records)
    for name, form in _SPREAD:
        for arm in material.arms:
            values = [one.value for one in material.scores if (one.metric, one.arm) == (name, arm) and one.value is not None]
            if values:
                p50, p95, p99 = (Value(float(np.quantile(values, share)), form) for share in (0.5, 0.95, 0.99))
                spread.append((f"{metric(name).title}: {arm}", p50, p95, p99, Value(len(values), "count")))
    if spread:
        blocks.append(
            Prose(
                "Half of the answers take no longer than the first figure, 95 of 100 no longer than the second. Items were asked several at a time, so a single caller waits less."
            )
        )
        blocks.append(Table("Time per answer", ("Measure and arm", "Half within", "95 of 100 within", "99 of 100 within", "Answers"), tuple(spread)))
    tokens: list[tuple[Cell, ...]] = []
    for arm in material.arms:
        cells = [material.cell(arm, name, "count") for name in _TOKENS]
        reused = [record.usage["cached_tokens"] for record in material.by_arm[arm] if "cached_tokens" in record.usage]
        if any(cell.value is not None for cell in cells):
            means: list[Cell] = [Value(cell.value, "number" if cell.value is not None and cell.value < 10 else "count") for cell in cells]
            tokens.append((arm_title(arm), *means, Value(sum(reused) / len(reused), "count") if reused else Value(None, "count")))
    if tokens:
        blocks.append(Table("Tokens (pieces of words) per answer, on average", ("Arm", "Read", "Written", "Read before, used again"), tuple(tokens)))
    blocks += _resources(material)
    if not blocks:
        return Section("cost", "Time and cost", [Note("No times or token counts were scored in this run.")])
    if cached:
        blocks.append(Note(f"{cached:,} of {len(material.records):,} answers came out of the cache of an earlier run; their times are left out.", "unsure"))
    return Section("cost", "Time and cost", blocks)


def _resources(material: Material) -> Iterator[Block]:
    """What run.json has of the process that held the model; why it has nothing where another one did."""
    found: dict[str, Any] | None = material.document.get("resources")
    if found is None:
        return
    rows: list[tuple[Cell, ...]] = []
    if found["peak_mib"] is not None:
        rows.append((Name("Memory at most", "resident memory of the process that answered, model and index included"), f"{found['peak_mib']:,.0f} MiB"))
    for key, words, meaning in _WAITS:
        if (count := found[f"adapter_{key}"]) is not None:
            each = f", {1000 * found[f'adapter_{key[:-1]}_seconds'] / count:.3g} ms each" if count else ""
            rows.append((Name(words, meaning), f"{count:,} times{each}"))
    if rows:
        yield Table("What the run took", ("What", "Measured"), tuple(rows))
    if found["reason"]:
        yield Note(f"Memory and adapters: {found['reason']}.", "unsure")
