"""The queue of ingestion jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound
from core.types import FileResult, FileState, JobState
from engines.catalogue import Catalogue
from engines.catalogue.jobs import ClaimedJob, JobFile

A = JobFile("a.md", "digest a", {"groups": ["staff"], "title": "收费表"})
B = JobFile("b.md", "digest b", {})
INDEXED = FileResult("a.md", FileState.INDEXED, None, None, "a", 1, 3)
UNCHANGED = FileResult("b.md", FileState.UNCHANGED, None, None, "b", 2, 4)
REFUSED = FileResult("b.md", FileState.REFUSED, "the file is empty", "no_text")


def test_a_job_goes_from_queued_over_running_to_done(catalogue: Catalogue) -> None:
    jobs = catalogue.jobs
    job_id = jobs.create("staff (1)", [A, B])
    assert jobs.get(job_id).state is JobState.QUEUED
    assert jobs.get(job_id).counts == {"files": 2, "indexed": 0, "unchanged": 0, "refused": 0, "chunks": 0}
    assert jobs.waiting() == 1
    assert jobs.claim("one") == ClaimedJob(job_id, (A, B), (), None)
    assert jobs.claim("two") is None
    assert jobs.get(job_id).state is JobState.RUNNING
    assert jobs.store(job_id, "one", [INDEXED])
    assert jobs.get(job_id).files == (INDEXED,)
    assert jobs.finish(job_id, "one", [INDEXED, UNCHANGED], {"total": 1.5}) is JobState.DONE
    job = jobs.get(job_id)
    assert (job.state, job.files, job.timings, job.reason) == (JobState.DONE, (INDEXED, UNCHANGED), {"total": 1.5}, None)
    assert job.counts == {"files": 2, "indexed": 1, "unchanged": 1, "refused": 0, "chunks": 3}
    assert jobs.waiting() == 0
    assert jobs.claim("two") is None


@pytest.mark.parametrize(
    ("results", "reason", "state"),
    [
        pytest.param([INDEXED], None, JobState.DONE, id="indexed"),
        pytest.param([UNCHANGED], None, JobState.DONE, id="unchanged"),
        pytest.param([INDEXED, REFUSED], None, JobState.PARTLY_DONE, id="one refused"),
        pytest.param([REFUSED, REFUSED], None, JobState.FAILED, id="all refused"),
        pytest.param([INDEXED], "RuntimeError: broken", JobState.FAILED, id="broken off"),
    ],
)
def test_the_outcome_of_a_job_is_that_of_its_files(catalogue: Catalogue, results: list[FileResult], reason: str | None, state: JobState) -> None:
    job_id = catalogue.jobs.create("staff (1)", [A, B])
    catalogue.jobs.claim("one")
    assert catalogue.jobs.finish(job_id, "one", results, {}, reason) is state
    assert (catalogue.jobs.get(job_id).state, catalogue.jobs.get(job_id).reason) == (state, reason)


def test_the_oldest_job_is_claimed_first_and_each_by_one_worker(catalogue: Catalogue) -> None:
    ids = [catalogue.jobs.create("staff (1)", [A]) for _ in range(5)]
    first = catalogue.jobs.claim("one")
    assert first is not None
    assert first.id == ids[0]
    with ThreadPoolExecutor(10) as pool:
        claimed = [job.id for job in pool.map(lambda number: catalogue.jobs.claim(f"worker {number}"), range(10)) if job]
    assert sorted(claimed) == sorted(ids[1:])


def test_uploads_with_one_key_that_come_at_once_are_one_job(catalogue: Catalogue) -> None:
    with ThreadPoolExecutor(8) as pool:
        queued = list(pool.map(lambda _: catalogue.jobs.create_once("one", "staff (1)", [A, B]), range(8)))
    assert (len({one.job_id for one in queued}), [one.before for one in queued].count(False)) == (1, 1)
    assert [job.id for job in catalogue.jobs.recent()] == [queued[0].job_id]
    with pytest.raises(Conflict, match="came with another upload before") as refused:
        catalogue.jobs.create_once("one", "staff (1)", [A])
    assert refused.value.code == "idempotency_key_reused"
    assert not catalogue.jobs.create_once("one", "other (2)", [A]).before


def test_a_silent_workers_job_is_given_to_another_that_goes_on_behind_the_last_file(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = catalogue.jobs.create("staff (1)", [A, B])
    catalogue.jobs.claim("one")
    assert catalogue.jobs.store(job_id, "one", [INDEXED])
    assert catalogue.jobs.heartbeat(job_id, "one")
    monkeypatch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=-1))
    assert catalogue.jobs.claim("two") == ClaimedJob(job_id, (A, B), (INDEXED,), None)
    monkeypatch.undo()
    assert not catalogue.jobs.heartbeat(job_id, "one")
    assert not catalogue.jobs.store(job_id, "one", [INDEXED, REFUSED])
    assert catalogue.jobs.finish(job_id, "one", [INDEXED, REFUSED], {}) is None
    job = catalogue.jobs.get(job_id)
    assert (job.state, job.files) == (JobState.RUNNING, (INDEXED,))
    assert catalogue.jobs.heartbeat(job_id, "two")
    assert catalogue.jobs.claim("three") is None


def test_a_caller_sees_his_own_jobs_newest_first(catalogue: Catalogue) -> None:
    first, second, other = (catalogue.jobs.create(principal, [A]) for principal in ("anna (1)", "anna (1)", "bo (2)"))
    assert [job.id for job in catalogue.jobs.recent()] == [other, second, first]
    assert [job.id for job in catalogue.jobs.recent("anna (1)")] == [second, first]
    assert [job.id for job in catalogue.jobs.recent("anna (1)", limit=1)] == [second]
    assert catalogue.jobs.get(first, "anna (1)").id == first
    for job_id, principal in [(first, "bo (2)"), ("job-unknown", None)]:
        with pytest.raises(NotFound, match=f"no job '{job_id}'") as missing:
            catalogue.jobs.get(job_id, principal)
        assert missing.value.code == "job_not_found"


def test_a_job_knows_what_its_uploader_may_read(catalogue: Catalogue) -> None:
    for readable in (frozenset({"staff", "public"}), frozenset[str](), None):
        catalogue.jobs.create("staff (1)", [A], readable)
        claimed = catalogue.jobs.claim("one")
        assert claimed is not None
        assert claimed.readable == readable


def test_a_file_in_which_three_workers_died_ends_its_job_and_other_jobs_go_on(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = catalogue.jobs
    job_id, other = jobs.create("staff (1)", [A, B, A]), jobs.create("staff (1)", [A])
    monkeypatch.setattr("engines.catalogue.jobs.STALE_AFTER", timedelta(seconds=-1))
    for _ in range(2):
        claimed = jobs.claim("one")
        assert claimed is not None
        assert claimed.id == job_id
    assert jobs.store(job_id, "one", [INDEXED])  # a file done begins the count anew
    for worker in ("two", "three"):
        claimed = jobs.claim(worker)
        assert claimed is not None
        assert (claimed.id, claimed.done) == (job_id, (INDEXED,))
    claimed = jobs.claim("four")
    assert claimed is not None
    assert claimed.id == other
    job = jobs.get(job_id)
    assert (job.state, job.reason) == (JobState.FAILED, "3 workers ended in the middle of b.md")
    assert job.files[0] == INDEXED
    assert [(file.path, file.state, file.reason) for file in job.files[1:]] == [
        (name, FileState.REFUSED, "not taken in: 3 workers ended in the middle of b.md") for name in ("b.md", "a.md")
    ]
    assert not jobs.store(job_id, "three", [INDEXED, UNCHANGED])  # should it live after all


def test_a_job_that_is_given_back_waits_as_if_it_had_not_been_claimed(catalogue: Catalogue) -> None:
    job_id = catalogue.jobs.create("staff (1)", [A])
    for _ in range(5):
        assert catalogue.jobs.claim("one") is not None
        catalogue.jobs.release(job_id, "two")
        assert catalogue.jobs.get(job_id).state is JobState.RUNNING
        catalogue.jobs.release(job_id, "one")
        assert catalogue.jobs.get(job_id).state is JobState.QUEUED


def test_an_idle_worker_asks_without_the_write_lock(catalogue: Catalogue) -> None:
    with catalogue.database.write():
        assert catalogue.jobs.claim("one") is None
