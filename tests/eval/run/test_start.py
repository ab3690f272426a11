"""Whole runs: begun, stopped, killed, gone on with, and what must be the same for that."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.bootstrap import open_application
from core import cli
from core.errors import BadInput, Conflict, Unavailable
from core.settings import Settings
from core.types import AdapterRef
from engines.adapter_files import read_adapter
from engines.catalogue import Catalogue
from eval.run.folder import open_run, problems_of, write_sums
from eval.run.record import Record
from eval.run.start import Ended, Wanted, Watch, begin, go_on, predicted
from eval.suite.file import Suite
from tests.eval.run.conftest import DOCUMENTS, ITEMS, TODAY, make_suite
from tests.servers.process import ends_with_parent

ROOT = Path(__file__).parents[3]
ARMS = ("base", "rag", "lora", "rag+lora")
PATIENCE = 300.0


def said(record: Record) -> dict[str, Any]:
    """What an answer came to: all but what is another one each time."""
    return record.model_dump(exclude={"timings", "audit_id", "previous", "digest", "cached"})


def run(wanted: Wanted, folder: Path, settings: Settings, stop_after: int | None = None) -> Ended:
    return _watched(lambda watch: begin(wanted, folder, settings, watch), stop_after)


def _watched(work: Callable[[Watch], Ended], stop_after: int | None) -> Ended:
    stop, done = threading.Event(), iter(range(1, 10_000))

    def advance() -> None:
        if next(done) == stop_after:
            stop.set()

    return work(Watch(advance=advance, stop=stop))


def test_every_answer_is_a_record_and_the_folder_says_what_was_run(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    thresholds = tmp_path / "thresholds.toml"
    thresholds.write_text('[[check]]\nmetric = "correct"\narm = "rag"\nmin = 0.9\n')
    ended = run(Wanted(suite.path, (*ARMS, "oracle"), thresholds=thresholds, today=TODAY), tmp_path / "run", bank)
    found = open_run(tmp_path / "run")
    assert found.complete
    assert found.document == ended.document
    assert len(found.records) == found.document.total == 6 * 4 + 4
    assert found.document.left_out == {"oracle": 2}
    assert {record.key for record in found.records} >= {(item.id, arm, 0) for item in ITEMS for arm in ARMS}
    answers = {record.key: record.text for record in found.records}
    assert answers["fee", "rag", 0] == "The annual fee of the Alpha card is USD 45.00."
    assert answers["fee-then", "rag", 0] == "The annual fee of the Alpha card is USD 30.00."
    assert found.document.thresholds is not None
    assert found.document.thresholds.text == thresholds.read_text()
    assert found.document.resources is not None
    assert (found.document.resources.peak_mib or 0) > 50 or sys.platform != "linux"
    assert problems_of(tmp_path / "run") == []
    with pytest.raises(Conflict, match="holds something already"):
        run(Wanted(suite.path, ARMS), tmp_path / "run", bank)


def test_what_was_changed_behind_its_back_shows(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(Wanted(suite.path, ("rag",), today=TODAY), folder, bank)
    (folder / "scores.jsonl").write_text("{}\n")
    write_sums(folder, ["scores.jsonl"])
    assert problems_of(folder) == []
    (folder / "scores.jsonl").write_text("{ }\n")
    samples = folder / "samples.jsonl"
    content = samples.read_bytes()
    samples.chmod(0o644)
    for name, changed in {
        "changed after it was written": content.replace(b"USD 45.00", b"USD 54.00", 1),
        "has 5 records, and the complete run had 6": content[: content[:-1].rindex(b"\n") + 1],
    }.items():
        samples.write_bytes(changed)
        problems = problems_of(folder)
        assert any(name in problem for problem in problems)
        assert "samples.jsonl was changed: its digest is not the one in SHA256SUMS" in problems
        assert "scores.jsonl was changed: its digest is not the one in SHA256SUMS" in problems
    result = CliRunner().invoke(cli.build(), ["eval", "verify", str(folder), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == problems_of(folder)


def test_a_run_killed_at_any_point_comes_to_what_an_unbroken_one_does(bank: Settings, tmp_path: Path) -> None:
    items = tuple(item.model_copy(update={"id": f"{item.id}-{number}"}) for number in range(4) for item in ITEMS)
    suite = make_suite(tmp_path / "suite", items)
    assert run(Wanted(suite.path, ARMS, reps=2, at_once=4, cached=False), tmp_path / "whole", bank).complete
    folder = tmp_path / "broken"
    begun = ["eval", "run", str(suite.path), "--arms", ",".join(ARMS), "--no-cache", "--reps", "2", "--at-once", "4", "--out", str(folder)]
    draw = random.Random(7)
    counts = [0]
    for arguments in (begun, ["eval", "resume", str(folder)]):
        # at most twelve answers are under way, so that some are written before the sixteenth is asked for
        killed = bankassist(bank, *arguments, sent=f"{signal.SIGKILL}@{draw.randint(16, 60)}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        counts.append(len(open_run(folder).records))
    assert counts[0] < counts[1] < counts[2] < 192
    stopped = bankassist(bank, "eval", "resume", str(folder), sent=f"{signal.SIGINT}@{draw.randint(16, 40)}")
    assert stopped.returncode == 3
    assert f"bankassist eval resume {folder}" in " ".join(stopped.stderr.split())
    assert problems_of(folder) == []  # not complete, and nothing wrong with what is there
    assert counts[2] < len(open_run(folder).records) < 192
    assert go_on(folder, bank, Watch()).complete
    whole, broken = open_run(tmp_path / "whole"), open_run(folder)
    assert problems_of(folder) == []
    assert {one.key: said(one) for one in broken.records} == {one.key: said(one) for one in whole.records}
    assert len(broken.records) == len(whole.records) == 192


def bankassist(settings: Settings, *arguments: str, sent: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "BANKASSIST_HOME": str(settings.home),
        "BANKASSIST_MODELS__DTYPE": "bfloat16",
        **({"BANKASSIST_TEST_SIGNAL": sent} if sent else {}),
    }
    command = [sys.executable, "-m", "tests.eval.run.process", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False, preexec_fn=ends_with_parent())


def test_a_changed_world_is_no_place_to_go_on(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not run(Wanted(suite.path, ARMS, at_once=1, cached=False, today=TODAY), folder, bank, stop_after=3).complete

    def refused(settings: Settings) -> str:
        with pytest.raises(Conflict) as caught:
            go_on(folder, settings, Watch())
        return caught.value.message

    other = bank.model_copy(update={"retrieval": bank.retrieval.model_copy(update={"depth": 7})})
    assert "settings.retrieval.depth (50 then, 7 now)" in refused(other)
    manifest = (suite.path / "manifest.json").read_bytes()
    lines = (suite.path / "suite.jsonl").read_bytes()
    make_suite(suite.path, ITEMS[:5])
    assert "was changed since the run began" in refused(bank)
    (suite.path / "manifest.json").write_bytes(manifest)
    (suite.path / "suite.jsonl").write_bytes(lines)
    catalogue = Catalogue.open(bank.home)
    try:
        path = ROOT / "adapters" / "released" / "compliance" / "2"
        files = read_adapter(path)
        catalogue.adapters.register(AdapterRef("compliance", 9, str(path), files.digest), files.manifest)
        assert "adapter compliance@9" in refused(bank)
        catalogue.documents.withdraw("zh-fees")
    finally:
        catalogue.close()
    with pytest.raises(BadInput, match="there is no version 1 of zh-fees"):
        go_on(folder, bank, Watch())


def test_more_documents_are_another_index(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    from tests.assistant.conftest import publish
    from tests.fakes import fake_models

    run(Wanted(suite.path, ("rag",), at_once=1, today=TODAY), tmp_path / "run", bank, stop_after=2)
    with open_application(bank, models=fake_models(lambda *_: "", None)[0]) as application:  # type: ignore[arg-type]
        publish(application, "news", "News", ["The Alpha card is now blue."], ("public",), None)
    with pytest.raises(Conflict, match=r"index.content .* index.sequence \(8 then, 9 now\)"):
        go_on(tmp_path / "run", bank, Watch())


def test_an_answer_that_fails_is_a_record_and_the_run_goes_on(bank: Settings, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.answer import Assistant, Event, Request

    events, tries = Assistant.events, []

    def failing(self: Assistant, request: Request, cancelled: threading.Event | None = None) -> Any:
        if request.query.history:  # of the Chinese question alone
            tries.append(request)
            raise (Unavailable("the server is away") if request.use_rag else ZeroDivisionError("a fault of ours"))
        return events(self, request, cancelled)

    assert Event is not None
    monkeypatch.setattr(Assistant, "events", failing)
    monkeypatch.setattr("eval.run.execute._PAUSES", (0.0, 0.0))
    ended = run(Wanted(suite.path, ("rag", "base"), today=TODAY), tmp_path / "run", bank)
    failed = {record.key: record for record in open_run(tmp_path / "run").records if record.error}
    assert ended.complete
    assert ended.document.errors == len(failed) == 2
    assert failed["zh", "rag", 0].error is not None
    assert (failed["zh", "rag", 0].kind, failed["zh", "rag", 0].error.type, failed["zh", "rag", 0].error.retryable) == (None, "Unavailable", True)
    assert failed["zh", "base", 0].error is not None
    assert (failed["zh", "base", 0].error.message, failed["zh", "base", 0].error.retryable) == ("a fault of ours", False)
    assert len(tries) == 3 + 1  # what may pass is tried again, what will not is not
    monkeypatch.setattr(Assistant, "events", events)
    again = run(Wanted(suite.path, ("rag", "base"), today=TODAY), tmp_path / "again", bank)
    assert (again.document.errors, again.document.from_cache) == (0, 10)  # errors were not kept


def test_the_estimate_counts_answers_and_tokens_and_takes_the_time_of_the_last_run(bank: Settings, suite: Suite, tmp_path: Path) -> None:
    wanted = Wanted(suite.path, ("base", "rag"), at_once=2, today=TODAY)
    first = predicted(wanted, bank, Watch())
    assert (first.answers, first.source) == ({"rag": 6, "base": 6}, "a probe")
    assert first.prompt_tokens is not None
    ended = run(wanted, tmp_path / "run", bank)
    records = open_run(tmp_path / "run").records
    asked = sum(record.usage["prompt_tokens"] for record in records)
    assert first.prompt_tokens == asked  # all items of so small a suite are counted
    assert ended.document.from_cache == 6  # what the probe asked: two answers for each of the three that are under way
    second = predicted(replace(wanted, cached=True), bank, Watch())
    assert second.source == "the last run"
    assert second.seconds is not None


def test_the_first_documents_are_those_of_the_manifest(bank: Settings, tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite")
    needs = suite.manifest.corpus
    other = needs.model_copy(update={"documents": (needs.documents[0].model_copy(update={"digest": "0" * 64}), *needs.documents[1:])})
    make_suite(tmp_path / "other", corpus=other)
    with pytest.raises(BadInput, match="version 1 of card-fees has another text"):
        run(Wanted(tmp_path / "other", ("rag",)), tmp_path / "run", bank)
    assert not (tmp_path / "run").exists()
    assert len(DOCUMENTS) == len(needs.documents)
