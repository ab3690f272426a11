"""Ingestion jobs: a queue in the catalogue. A worker claims one, says that it lives, and stores what became of each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, func, insert, or_, select, update

from core.errors import NotFound
from core.types import FileResult, FileState, Job, JobState
from engines.catalogue.database import Database
from engines.catalogue.tables import jobs

#: a worker silent for so long is taken for dead and its job is given to another
STALE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class JobFile:
    """One uploaded file: its name, where its bytes lie in the file store, and what its owner says of it."""

    name: str
    digest: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    id: str
    files: tuple[JobFile, ...]
    done: tuple[FileResult, ...]


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: str, files: Sequence[JobFile]) -> str:
        """Queue a job; returns its id."""
        job_id = f"job-{uuid4().hex}"
        with self._database.write() as connection:
            connection.execute(
                insert(jobs).values(
                    id=job_id,
                    state=JobState.QUEUED,
                    principal=principal,
                    request=[asdict(file) for file in files],
                    files=[],
                    timings={},
                    created_at=datetime.now(UTC),
                )
            )
        return job_id

    def claim(self, worker: str) -> ClaimedJob | None:
        """The oldest job that waits, or whose worker fell silent; None when there is none."""
        now = datetime.now(UTC)
        free = or_(jobs.c.state == JobState.QUEUED, and_(jobs.c.state == JobState.RUNNING, jobs.c.heartbeat_at < now - STALE_AFTER))
        with self._database.write() as connection:
            row = connection.execute(select(jobs).where(free).order_by(jobs.c.created_at, jobs.c.id).limit(1)).first()
            if row is None:
                return None
            started = row.started_at or now
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(state=JobState.RUNNING, worker=worker, started_at=started, heartbeat_at=now))
        return ClaimedJob(row.id, tuple(JobFile(**file) for file in row.request), _files(row))

    def heartbeat(self, job_id: str, worker: str) -> bool:
        """Say that the worker lives; False when the job was given to another one."""
        with self._database.write() as connection:
            return bool(connection.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.worker == worker).values(heartbeat_at=datetime.now(UTC))).rowcount)

    def store(self, job_id: str, results: Sequence[FileResult]) -> None:
        """Keep the results so far, so that a worker that takes over does not begin anew."""
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(files=[asdict(result) for result in results], heartbeat_at=datetime.now(UTC)))

    def finish(self, job_id: str, results: Sequence[FileResult], timings: Mapping[str, float], reason: str | None = None) -> JobState:
        """Store the outcome: done, partly done when some files were refused, failed when none came through."""
        refused = sum(result.state is FileState.REFUSED for result in results)
        state = JobState.FAILED if reason or (refused and refused == len(results)) else JobState.PARTLY_DONE if refused else JobState.DONE
        with self._database.write() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=state, files=[asdict(result) for result in results], timings=dict(timings), reason=reason, finished_at=datetime.now(UTC))
            )
        return state

    def get(self, job_id: str, principal: str | None = None) -> Job:
        """A job.

        Args:
            principal: only if this caller created it; None means any.

        Raises:
            NotFound: no such job for this caller.
        """
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
        if row is None or (principal is not None and row.principal != principal):
            raise NotFound(f"no job {job_id!r}", code="job_not_found")
        return _job(row)

    def recent(self, principal: str | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs first."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query if principal is None else query.where(jobs.c.principal == principal))]

    def waiting(self) -> int:
        """Jobs that are queued or running."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.state.in_([JobState.QUEUED, JobState.RUNNING]))) or 0


def _files(row: Row[Any]) -> tuple[FileResult, ...]:
    return tuple(FileResult(**{**file, "state": FileState(file["state"])}) for file in row.files)


def _job(row: Row[Any]) -> Job:
    files = _files(row)
    return Job(row.id, JobState(row.state), row.created_at, files, counts(files, len(row.request)), row.timings, row.reason)


def counts(files: Sequence[FileResult], total: int) -> dict[str, int]:
    """How many files there are, what became of them, and the chunks of those that were indexed."""
    states = {state.value: sum(file.state is state for file in files) for state in FileState}
    return {"files": total, **states, "chunks": sum(file.chunks for file in files if file.state is FileState.INDEXED)}
