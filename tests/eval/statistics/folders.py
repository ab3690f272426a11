"""Folders of complete runs whose scores are given by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

from eval.run.document import AdapterUsed, Engines, Hardware, Program, RunDocument, Seeds, SuiteRef, Thresholds
from eval.run.folder import finish, make_folder, write_document
from eval.run.record import Failure, Record, Routed
from eval.run.samples import NAME, Samples
from eval.scoring.of_run import SCORES, SUMMARY
from eval.scoring.registry import METRICS
from eval.scoring.scorer import write_scores
from eval.statistics.summarise import summarise
from eval.suite.file import Suite, write_suite
from eval.suite.item import Item
from eval.suite.manifest import CorpusNeeds
from tests.eval.statistics.run_of import item, scores

BASE, ADAPTER = "b" * 64, "a" * 64
Values = Mapping[str, Mapping[str, Sequence[float | None]]]  # metric -> arm -> a value for each item


def make_suite(path: Path, count: int = 60, size: int = 1, name: str = "bank") -> Suite:
    """Items in clusters of a size, every other one Chinese."""
    items = [
        item(f"i{place}", f"g{place // size}", lang="zh" if place % 2 else "en", question="年费是多少？" if place % 2 else "What is the fee?")
        for place in range(count)
    ]
    return write_suite(path, items, name=name, version=1, licence="MIT", primary=("correct",), corpus=CorpusNeeds(), general=False)


def write_run(
    path: Path,
    suite: Suite,
    values: Values,
    *,
    thresholds: str | None = None,
    status: Literal["running", "complete"] = "complete",
    errors: int = 0,
    corpus: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Path:
    """A run of all items under the arms of ``values``; adapter ``compliance@2`` wrote what lora arms answered. The first ``errors`` calls failed."""
    arms = tuple(dict.fromkeys(chain.from_iterable(values.values())))
    document = _document(path.name, suite, arms, thresholds)
    make_folder(path, document, suite)
    with Samples(path / NAME) as samples:
        for place, (one, arm) in enumerate((one, arm) for one in suite.items for arm in arms):
            last = samples.append(_record(one, arm, failed=place < errors))
    found = [score for metric, columns in values.items() for score in scores(suite.items, columns, metric)]
    write_scores(found, path / SCORES)
    summary = summarise(document.id, suite.manifest.name, suite.items, found, METRICS, ("correct",), corpus or {})
    (path / SUMMARY).write_text(summary.model_dump_json(), "utf8")
    if status == "complete":
        finish(path, document.model_copy(update={"status": "complete", "head": last.digest}))
    else:
        write_document(path, document)
    return path


def _record(one: Item, arm: str, *, failed: bool) -> Record:
    if failed:
        return Record(item=one.id, arm=arm, kind=None, error=Failure(type="TooLate", message="not done in time"))
    route = Routed(task="compliance", adapter="compliance", version=2, confidence=0.9, reason="examples") if "lora" in arm else None
    return Record(item=one.id, arm=arm, kind="answered", text="3%", route=route)


def _document(name: str, suite: Suite, arms: tuple[str, ...], thresholds: str | None) -> RunDocument:
    manifest = suite.manifest
    adapters = tuple(AdapterUsed(name=one, version=2, state="candidate", digest=ADAPTER, base_digest=BASE) for one in ("compliance", "loan-risk"))
    return RunDocument(
        id=name,
        status="running",
        suite=SuiteRef(
            name=manifest.name, version=1, sha256=manifest.sha256, digest=manifest.digest, n=manifest.n, path=str(suite.path), primary=manifest.primary
        ),
        arms=arms,
        items=tuple(one.id for one in suite.items),
        left_out={},
        reps=1,
        total=len(arms) * len(suite.items),
        limit=None,
        seeds=Seeds(sample=0),
        today=date(2026, 11, 26),
        target="in-process",
        at_once=1,
        offline=True,
        cached=False,
        program=Program(version="0.1.0", code="c", packages="p", python="3.11"),
        hardware=Hardware(cpu="", cores=2, memory_gib=8, system=""),
        engines=Engines(base={"digest": BASE}, embedder={}, adapters=adapters, index={}, templates={}, settings={}),
        thresholds=Thresholds(sha256=hashlib.sha256(thresholds.encode()).hexdigest(), text=thresholds) if thresholds else None,
        started_at=datetime(2026, 11, 26, tzinfo=UTC),
    )
