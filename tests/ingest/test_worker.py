"""The ingest worker: jobs are done once, whatever happens to the worker."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.ports import Vectors
from core.settings import Settings, load_settings
from core.types import FileResult, FileState, Job, JobState
from engines.catalogue import Catalogue
from engines.catalogue.database import CatalogueBusy
from engines.catalogue.jobs import ClaimedJob, JobFile, Jobs
from engines.files import FileStore
from engines.parts import open_parts
from ingest.worker import work
from tests.embedder import HashedEmbedder
from tests.ingest.here import ParserHere

IDS = {"fees.md": "fees", "年费.txt": "fees-zh", "loans.txt": "loans"}
FILES = {"fees.md": b"# Fees\n\nA card costs CHF 45.00 a year.", "年费.txt": "年费为每年120元。".encode(), "loans.txt": b"A loan costs 3.5% a year."}


class _Embedder(HashedEmbedder):
    """Does something before it embeds."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.before = before

    def embed_passages(self, texts: Sequence[str], progress: Any = None) -> Vectors:
        self.before()
        return self.embed_queries(texts)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The worker parses here, and gives back the signals that it takes over."""
    monkeypatch.setattr("ingest.worker.ParserProcess", ParserHere)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """With the catalogue on a server, if a test says so."""
    catalogue = {"url": request.getfixturevalue("postgres_url")} if getattr(request, "param", None) == "PostgreSQL" else {}
    return load_settings(home=tmp_path / "home", catalogue=catalogue)


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Catalogue]:
    opened = Catalogue.open(settings.home, settings.catalogue)
    yield opened
    opened.close()


def queue(settings: Settings, catalogue: Catalogue, files: dict[str, bytes]) -> str:
    store = FileStore(settings.home / "files")
    return catalogue.jobs.create(
        "staff (1)", [JobFile(name, store.put(content), {"groups": ["staff"], "document_id": IDS.get(name)}) for name, content in files.items()]
    )


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object] = lambda: None) -> None:
    monkeypatch.setattr("ingest.worker.open_parts", functools.partial(open_parts, embedder=_Embedder(before)))  # type: ignore[arg-type]
    work(settings, until_idle=True)


def outcome(job: Job) -> list[tuple[str, str, int | None]]:
    return [(file.path, file.state.value, file.version) for file in job.files]


def assert_indexed_once(settings: Settings, catalogue: Catalogue) -> None:
    """Every file is one version, and the snapshot's index holds exactly the catalogue's chunks."""
    assert [(info.file_name, info.number) for info in catalogue.documents.newest()] == [("fees.md", 1), ("年费.txt", 1), ("loans.txt", 1)]
    with open_parts(settings, embedder=HashedEmbedder()) as parts:  # type: ignore[arg-type]
        assert parts.index.sequence == catalogue.documents.head() == 3
        assert parts.index.chunk_ids() == [entry.chunk_id for entry in catalogue.documents.index_entries(HashedEmbedder.digest)]


def test_a_queued_job_is_done_and_its_documents_are_in_the_index(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    first = queue(settings, catalogue, FILES)
    second = queue(settings, catalogue, {"fees.md": FILES["fees.md"], "scan.pdf": b"no pdf"})
    third = queue(settings, catalogue, {"scan.pdf": b"no pdf"})
    run(settings, monkeypatch)

    job = catalogue.jobs.get(first)
    assert job.state is JobState.DONE
    assert outcome(job) == [("fees.md", "indexed", 1), ("年费.txt", "indexed", 1), ("loans.txt", "indexed", 1)]
    assert job.counts == {"files": 3, "indexed": 3, "unchanged": 0, "refused": 0, "chunks": 3}
    assert {"parse", "embed", "store", "total"} <= set(job.timings)
    partly = catalogue.jobs.get(second)
    assert (partly.state, outcome(partly)) == (JobState.PARTLY_DONE, [("fees.md", "unchanged", 1), ("scan.pdf", "refused", None)])
    assert partly.files[1].code == "wrong_type"
    assert catalogue.jobs.get(third).state is JobState.FAILED
    assert catalogue.jobs.waiting() == 0
    assert_indexed_once(settings, catalogue)


def test_without_jobs_an_idle_worker_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run(settings, monkeypatch, before=lambda: pytest.fail("nothing to embed"))


def test_a_worker_whose_service_was_gone_before_it_began_takes_no_job(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue(settings, catalogue, FILES)
    monkeypatch.setattr("ingest.worker.open_parts", functools.partial(open_parts, embedder=_Embedder(lambda: None)))  # type: ignore[arg-type]
    work(settings, parent=os.getpid())  # no child of itself; without the check it would wait for jobs for ever
    assert catalogue.jobs.get(job).state is JobState.QUEUED


@pytest.mark.parametrize(("settings", "where"), [("SQLite", "embed"), ("SQLite", "store"), ("PostgreSQL", "store")], indirect=["settings"])
def test_a_killed_workers_job_is_ended_by_another(where: str, settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queue(settings, catalogue, FILES)
    command = [sys.executable, "-m", "tests.ingest.stuck_worker", str(settings.home), where]
    url = settings.catalogue.url
    environment = {**os.environ, **({"BANKASSIST_CATALOGUE__URL": url.get_secret_value()} if url else {})}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, stdout=subprocess.PIPE, text=True) as stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == "stuck\n"
        stuck.kill()
    job = catalogue.jobs.get(job_id)
    assert (job.state, outcome(job)) == (JobState.RUNNING, [("fees.md", "indexed", 1)])
    run(settings, monkeypatch)
    assert catalogue.jobs.get(job_id).state is JobState.RUNNING  # its worker may still live

    monkeypatch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=-1))
    run(settings, monkeypatch)
    job = catalogue.jobs.get(job_id)
    assert job.state is JobState.DONE
    second = "unchanged" if where == "store" else "indexed"  # stored before the worker could say so
    assert outcome(job) == [("fees.md", "indexed", 1), ("年费.txt", second, 1), ("loans.txt", "indexed", 1)]
    assert_indexed_once(settings, catalogue)


def test_a_worker_taken_for_dead_leaves_the_job_to_the_other(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queue(settings, catalogue, FILES)

    def give_to_another() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=-1))
            claimed = catalogue.jobs.claim("another")
        assert claimed is not None

    run(settings, monkeypatch, before=give_to_another)
    job = catalogue.jobs.get(job_id)
    assert (job.state, job.files) == (JobState.RUNNING, ())
    assert catalogue.jobs.heartbeat(job_id, "another")
    assert catalogue.documents.counts()["versions"] == 1  # the file under way, which the other will find unchanged


@pytest.mark.parametrize("settings", ["SQLite", "PostgreSQL"], indirect=True)
def test_a_worker_that_was_silent_for_too_long_stores_nothing_for_a_job_that_another_has(
    settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a host that hung while the file was embedded, and goes on before its next sign of life."""
    clock = [100.0]
    monkeypatch.setattr("ingest.worker.monotonic", lambda: clock[0])
    monkeypatch.setattr("ingest.worker.HEARTBEAT_SECONDS", 3600)
    job_id = queue(settings, catalogue, FILES)

    def hang() -> None:
        clock[0] += 42.5
        with monkeypatch.context() as patch:
            patch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=-1))
            assert catalogue.jobs.claim("another") is not None

    run(settings, monkeypatch, before=hang)
    assert catalogue.documents.counts()["versions"] == 0
    assert (catalogue.jobs.get(job_id).state, catalogue.jobs.get(job_id).files) == (JobState.RUNNING, ())
    assert catalogue.jobs.heartbeat(job_id, "another")
    assert caplog.text.count(f"job {job_id} was given to another worker: the sign of life came 12.5 s too late") == 1


def test_a_sign_of_life_that_comes_too_late_is_told_and_the_job_goes_on_where_nobody_took_it(
    settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [100.0]
    monkeypatch.setattr("ingest.worker.monotonic", lambda: clock[0])
    monkeypatch.setattr("ingest.worker.HEARTBEAT_SECONDS", 3600)
    job_id = queue(settings, catalogue, {"fees.md": FILES["fees.md"]})
    run(settings, monkeypatch, before=lambda: clock.__setitem__(0, 140.0))
    assert catalogue.jobs.get(job_id).state is JobState.DONE
    assert caplog.text.count(f"job {job_id}: the sign of life came 10.0 s too late") == 1


def test_a_file_is_taken_in_with_the_rights_of_its_uploader(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(settings.home / "files")
    loans = JobFile("loans.txt", store.put(FILES["loans.txt"]), {"groups": ["staff"], "document_id": "fees"})
    queue(settings, catalogue, {"fees.md": FILES["fees.md"]})
    refused, allowed = (catalogue.jobs.create("risk (2)", [loans], frozenset(groups)) for groups in (["risk", "public"], ["staff", "public"]))
    run(settings, monkeypatch)
    assert [file.code for file in catalogue.jobs.get(refused).files] == ["bad_metadata"]
    assert outcome(catalogue.jobs.get(allowed)) == [("loans.txt", "indexed", 2)]


def test_two_files_of_one_name_in_one_job_are_two_documents_or_one_is_refused(
    settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(settings.home / "files")
    job_id = catalogue.jobs.create("staff (1)", [JobFile("fees.txt", store.put(content), {"groups": ["staff"]}) for content in (b"Fees.", b"Others.")])
    run(settings, monkeypatch)
    job = catalogue.jobs.get(job_id)
    assert outcome(job) == [("fees.txt", "indexed", 1), ("fees.txt", "refused", None)]
    assert "fees.txt (file 1) and fees.txt (file 2) have the same name" in (job.files[1].reason or "")


def test_a_busy_catalogue_costs_no_job(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("ingest.worker.POLL_SECONDS", 0.01)
    job_id = queue(settings, catalogue, FILES)
    store, claim = Jobs.store, Jobs.claim
    busy = {"claim": 2, "store": 5}

    def now_and_then(name: str) -> None:
        busy[name] -= 1
        if busy[name] >= 0:
            raise CatalogueBusy("the catalogue is busy")

    def busy_claim(self: Jobs, worker: str) -> ClaimedJob | None:
        now_and_then("claim")
        return claim(self, worker)

    def busy_store(self: Jobs, job_id: str, worker: str, results: Sequence[FileResult]) -> bool:
        now_and_then("store")
        return store(self, job_id, worker, results)

    monkeypatch.setattr(Jobs, "claim", busy_claim)
    monkeypatch.setattr(Jobs, "store", busy_store)
    run(settings, monkeypatch)
    job = catalogue.jobs.get(job_id)
    assert job.state is JobState.DONE
    assert outcome(job) == [("fees.md", "unchanged", 1), ("年费.txt", "indexed", 1), ("loans.txt", "indexed", 1)]
    assert caplog.text.count("the catalogue is busy") == 7


@pytest.mark.parametrize("settings", ["PostgreSQL"], indirect=True)
def test_a_server_that_ends_every_connection_costs_no_job(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a restart: in the middle of a file, and where the outcome is to be stored."""
    monkeypatch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=1))
    monkeypatch.setattr("ingest.worker.POLL_SECONDS", 0.01)
    job_id = queue(settings, catalogue, FILES)
    store, breaks = Jobs.store, iter([True])
    assert settings.catalogue.url is not None
    plain = settings.catalogue.url.get_secret_value().replace("+psycopg", "")

    def end_connections() -> None:
        with psycopg.connect(plain, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")

    def broken_store(self: Jobs, job_id: str, worker: str, results: Sequence[FileResult]) -> bool:
        if next(breaks, False):
            with catalogue.database.write() as connection:
                connection.execute(text("SELECT 1"))
                end_connections()
                connection.execute(text("SELECT 1"))
        return store(self, job_id, worker, results)

    monkeypatch.setattr(Jobs, "store", broken_store)
    run(settings, monkeypatch, before=end_connections)
    job = catalogue.jobs.get(job_id)
    assert job.state is JobState.DONE
    assert outcome(job) == [("fees.md", "unchanged", 1), ("年费.txt", "indexed", 1), ("loans.txt", "indexed", 1)]
    assert_indexed_once(settings, catalogue)


def test_a_sign_of_life_that_is_missed_ends_nothing(
    settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beats = threading.Semaphore(0)

    def lost(self: Jobs, job_id: str, worker: str) -> bool:
        beats.release()
        raise CatalogueBusy("the catalogue is busy")

    monkeypatch.setattr("ingest.worker.HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(Jobs, "heartbeat", lost)
    job_id = queue(settings, catalogue, {"fees.md": FILES["fees.md"]})
    run(settings, monkeypatch, before=lambda: [beats.acquire(timeout=30) for _ in range(3)])
    assert catalogue.jobs.get(job_id).state is JobState.DONE
    assert caplog.text.count(f"no sign of life for job {job_id}: the catalogue is busy") >= 3


def test_a_worker_told_to_stop_ends_behind_the_file_under_way(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queue(settings, catalogue, FILES)
    run(settings, monkeypatch, before=lambda: os.kill(os.getpid(), signal.SIGTERM))
    job = catalogue.jobs.get(job_id)
    assert (job.state, outcome(job)) == (JobState.RUNNING, [("fees.md", "indexed", 1)])


def test_what_is_not_the_files_fault_fails_the_job_with_its_reason(settings: Settings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("the model is broken")

    broken = queue(settings, catalogue, FILES)
    gone = queue(settings, catalogue, {"gone.txt": b"gone"})
    FileStore(settings.home / "files").path(catalogue_digest(catalogue, gone)).unlink()
    run(settings, monkeypatch, before=fail)
    job = catalogue.jobs.get(broken)
    assert (job.state, job.reason, job.files) == (JobState.FAILED, "RuntimeError: the model is broken", ())
    job = catalogue.jobs.get(gone)
    assert job.state is JobState.FAILED
    assert "no stored file" in (job.reason or "")
    assert all(file.state is FileState.INDEXED for file in job.files)


def catalogue_digest(catalogue: Catalogue, job_id: str) -> str:
    from sqlalchemy import select

    from engines.catalogue.tables import jobs

    with catalogue.database.read() as connection:
        (file,) = connection.execute(select(jobs.c.request).where(jobs.c.id == job_id)).scalar_one()
    return str(file["digest"])
