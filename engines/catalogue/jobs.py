"""Ingestion jobs: a queue in the catalogue. A worker claims one, says that it lives, and stores what became of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Insert, Row, Select, Update, and_, func, insert, or_, select, update

from core.errors import Conflict, NotFound
from core.types import FileResult, FileState, Job, JobState
from engines.catalogue.database import Database
from engines.catalogue.locks import now, take_lock
from engines.catalogue.tables import OPEN_JOB, jobs

#: a worker silent for so long, by the database's clock, is taken for dead and its job is given to another
STALE_AFTER = timedelta(seconds=30)
#: workers that may die in the middle of one file before its job is given up
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class JobFile:
    """One uploaded file: its name, where its bytes lie in the file store, and what its owner says of it."""

    name: str
    digest: str
    metadata: Mapping[str, Any]


class Queued(NamedTuple):
    """``before``: the job was made when the same upload came before."""

    job_id: str
    before: bool


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """``readable`` are the groups whose documents the uploader may read; None is all."""

    id: str
    files: tuple[JobFile, ...]
    done: tuple[FileResult, ...]
    readable: frozenset[str] | None


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: str, files: Sequence[JobFile], readable: frozenset[str] | None = None) -> str:
        """Queue a job; returns its id.

        Args:
            readable: the groups whose documents the uploader may read; None is all.
        """
        job_id = f"job-{uuid4().hex}"
        with self._database.write() as connection:
            connection.execute(_new(connection, job_id, principal, files, readable))
        return job_id

    def create_once(self, key: str, principal: str, files: Sequence[JobFile], readable: frozenset[str] | None = None) -> Queued:
        """Queue a job that its uploader has a name of his own for, ``key``: the same files with the same key are the job that they made first, whichever
        process took it and however long ago.

        Raises:
            Conflict: the key came with other files before.
        """
        job_id = f"job-{hashlib.sha256(json.dumps([principal, key]).encode()).hexdigest()[:32]}"  # as JSON: no caller's name ends in another one's key
        with self._database.write() as connection:
            take_lock(connection, job_id)
            before = connection.execute(select(jobs.c.request).where(jobs.c.id == job_id)).first()
            if before is None:
                connection.execute(_new(connection, job_id, principal, files, readable))
            elif before.request != [asdict(file) for file in files]:
                raise Conflict("this key came with another upload before; a new upload needs a new key", code="idempotency_key_reused")
        return Queued(job_id, before is not None)

    def claim(self, worker: str) -> ClaimedJob | None:
        """The oldest job that waits, or whose worker fell silent; None when there is none.

        A job in whose present file ``MAX_ATTEMPTS`` workers fell silent has failed and is passed over. Workers that claim at once
        pass over each other's jobs instead of waiting for each other.
        """
        with self._database.read() as connection:
            if connection.execute(_free(now(connection)).with_only_columns(jobs.c.id)).first() is None:  # an idle worker never takes the write lock
                return None
        with self._database.write() as connection:
            moment = now(connection)
            oldest = _free(moment).with_for_update(skip_locked=True)
            while (row := connection.execute(oldest).first()) is not None:
                this = update(jobs).where(jobs.c.id == row.id)
                if row.attempts >= MAX_ATTEMPTS:
                    connection.execute(this.values(**_given_up(row), worker=None, finished_at=moment))
                    continue
                started, attempts = row.started_at or moment, row.attempts + 1
                connection.execute(this.values(state=JobState.RUNNING, worker=worker, started_at=started, heartbeat_at=moment, attempts=attempts))
                readable = None if row.readable is None else frozenset(row.readable)
                return ClaimedJob(row.id, tuple(JobFile(**file) for file in row.request), _files(row), readable)
        return None

    def release(self, job_id: str, worker: str) -> None:
        """Put a job back into the queue that its worker could not go on with, through no fault of the job."""
        with self._database.write() as connection:
            connection.execute(_owned(job_id, worker).values(state=JobState.QUEUED, worker=None, attempts=jobs.c.attempts - 1))

    def heartbeat(self, job_id: str, worker: str) -> bool:
        """Say that the worker lives; False when the job was given to another one."""
        with self._database.write() as connection:
            return bool(connection.execute(_owned(job_id, worker).values(heartbeat_at=now(connection))).rowcount)

    def store(self, job_id: str, worker: str, results: Sequence[FileResult]) -> bool:
        """Keep the results so far, so that a worker that takes over does not begin anew; False when the job was given to another one."""
        with self._database.write() as connection:
            values = {"files": [asdict(result) for result in results], "heartbeat_at": now(connection), "attempts": 1}
            return bool(connection.execute(_owned(job_id, worker).values(values)).rowcount)

    def finish(self, job_id: str, worker: str, results: Sequence[FileResult], timings: Mapping[str, float], reason: str | None = None) -> JobState | None:
        """Store the outcome: done, partly done when some files were refused, failed when none came through; None when the job was given to another worker."""
        refused = sum(result.state is FileState.REFUSED for result in results)
        state = JobState.FAILED if reason or (refused and refused == len(results)) else JobState.PARTLY_DONE if refused else JobState.DONE
        values = {"state": state, "files": [asdict(result) for result in results], "timings": dict(timings), "reason": reason}
        with self._database.write() as connection:
            return state if connection.execute(_owned(job_id, worker).values(**values, finished_at=now(connection))).rowcount else None

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
            return connection.scalar(select(func.count()).select_from(jobs).where(OPEN_JOB)) or 0


def _new(connection: Connection, job_id: str, principal: str, files: Sequence[JobFile], readable: frozenset[str] | None) -> Insert:
    return insert(jobs).values(
        id=job_id,
        state=JobState.QUEUED,
        principal=principal,
        readable=None if readable is None else sorted(readable),
        request=[asdict(file) for file in files],
        files=[],
        timings={},
        attempts=0,
        created_at=now(connection),
    )


def _free(moment: datetime) -> Select[Any]:
    """The oldest job that waits, or whose worker fell silent."""
    silent = and_(jobs.c.state == JobState.RUNNING, jobs.c.heartbeat_at < moment - STALE_AFTER)
    return select(jobs).where(OPEN_JOB, or_(jobs.c.state == JobState.QUEUED, silent)).order_by(jobs.c.created_at, jobs.c.id).limit(1)


def _owned(job_id: str, worker: str) -> Update:
    """Changes a job as long as it is this worker's."""
    return update(jobs).where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == JobState.RUNNING)


def _given_up(row: Row[Any]) -> dict[str, Any]:
    """The outcome of a job whose workers died: the file under way is named, it and those behind it are refused."""
    done, names = list(row.files), [file["name"] for file in row.request]
    reason = f"{MAX_ATTEMPTS} workers ended in the middle of {names[len(done)]}" if len(done) < len(names) else f"{MAX_ATTEMPTS} workers ended before its end"
    rest = [asdict(FileResult(name, FileState.REFUSED, f"not taken in: {reason}", "given_up")) for name in names[len(done) :]]
    return {"state": JobState.FAILED, "files": done + rest, "reason": reason}


def _files(row: Row[Any]) -> tuple[FileResult, ...]:
    return tuple(FileResult(**{**file, "state": FileState(file["state"])}) for file in row.files)


def _job(row: Row[Any]) -> Job:
    files = _files(row)
    return Job(row.id, JobState(row.state), row.created_at, files, counts(files, len(row.request)), row.timings, row.reason)


def counts(files: Sequence[FileResult], total: int) -> dict[str, int]:
    """How many files there are, what became of them, and the chunks of those that were indexed."""
    states = {state.value: sum(file.state is state for file in files) for state in FileState}
    return {"files": total, **states, "chunks": sum(file.chunks for file in files if file.state is FileState.INDEXED)}
