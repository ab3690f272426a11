"""The ingest worker: takes uploaded files in, in a process apart from the service. Any number may run."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Sequence
from time import monotonic
from types import FrameType

from core.settings import Settings
from core.types import FileResult, FileState
from engines.catalogue import jobs
from engines.catalogue.database import CatalogueUnavailable
from engines.catalogue.jobs import ClaimedJob
from engines.parts import Parts, open_parts
from ingest.following import follow
from ingest.parsing import ParserProcess
from ingest.pipeline import Pipeline, SourceFile

log = logging.getLogger(__name__)

#: seconds between looks at the queue, and between signs of life
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0


def work(settings: Settings, *, until_idle: bool = False, parent: int | None = None) -> None:
    """Claim jobs and do them until told to stop (SIGTERM, SIGINT, or the parent that started it is gone).

    Args:
        parent: process id of the service that started the worker, which may be gone before the worker can ask; default: whoever is its parent now.
    """
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"  # containers may share the first two
    parent = os.getppid() if parent is None else parent
    with open_parts(settings, log.info) as parts, ParserProcess(settings.ingest) as parser:
        while not stop.is_set() and os.getppid() == parent:
            try:
                asked = monotonic()
                job = parts.catalogue.jobs.claim(name)
                if job is not None:
                    _run(job, name, parts, parser, stop, _Lease(parts.catalogue.jobs, job.id, name, asked))
                elif until_idle:
                    return
                else:
                    stop.wait(POLL_SECONDS)
            except CatalogueUnavailable as error:  # busy, or its server is being started again
                log.warning("%s", error)
                stop.wait(POLL_SECONDS)


class _Lost(Exception):
    """The job was given to another worker."""


class _Lease:
    """A worker's hold on a job, kept by its signs of life. One that was silent for too long may have lost it, and must not store anything for it then.

    Args:
        since: the moment before it was claimed, of ``time.monotonic()``.
    """

    def __init__(self, queue: jobs.Jobs, job_id: str, worker: str, since: float) -> None:
        self._queue = queue
        self._job_id = job_id
        self._worker = worker
        self._since = since
        self.lost = threading.Event()

    def renew(self) -> bool:
        """Say that the worker lives; whether the job is still its own."""
        asked = monotonic()
        return self._said(asked, self._queue.heartbeat(self._job_id, self._worker))

    def store(self, results: Sequence[FileResult]) -> bool:
        """Keep the results so far, which is a sign of life; whether the job is still the worker's."""
        asked = monotonic()
        return self._said(asked, self._queue.store(self._job_id, self._worker, results))

    def hold(self) -> None:
        """Be sure that the job is still the worker's; after a long silence the catalogue is asked.

        Raises:
            _Lost: it is not.
        """
        if not self.lost.is_set() and self._late() >= 0:
            self.renew()
        if self.lost.is_set():
            raise _Lost

    def _late(self) -> float:
        """Seconds for which another worker could have taken the job; below 0 none could."""
        return monotonic() - self._since - jobs.STALE_AFTER.total_seconds()

    def _said(self, asked: float, kept: bool) -> bool:
        late = self._late()
        if kept and late >= 0:
            log.warning("job %s: the sign of life came %.1f s too late; another worker could have taken the job over", self._job_id, late)
        elif not kept and not self.lost.is_set():
            log.warning("job %s was given to another worker: the sign of life came %.1f s too late", self._job_id, max(late, 0))
        if kept:
            self._since = asked
        else:
            self.lost.set()
        return kept


def _run(job: ClaimedJob, name: str, parts: Parts, parser: ParserProcess, stop: threading.Event, lease: _Lease) -> None:
    """Do the files that are not done yet. A job cut short stays claimed; whoever takes it over goes on behind the last file. Of a job that another worker has
    nothing is stored any more.

    Raises:
        CatalogueUnavailable: the job waits again, if that at least could be written; else until its worker is taken for dead.
    """
    started = time.perf_counter()
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(job.id, lease, done), daemon=True)
    beat.start()
    pipeline = Pipeline(
        parts.catalogue,
        parts.files,
        lambda: parts.embedder,
        parser,
        parts.settings.ingest,
        lambda: parts.embedder_digest,
        readable=job.readable,
        hold=lease.hold,
    )
    results = list(job.done)
    try:
        for number, file in enumerate(job.files[len(results) :], start=len(results) + 1):
            if stop.is_set():
                return
            place = f"{file.name} (file {number})"
            results.append(pipeline.ingest(SourceFile(file.name, parts.files.path(file.digest).read_bytes, file.metadata, place, uploaded=True)))
            if not lease.store(results):
                return
        if any(result.state is FileState.INDEXED for result in results):
            follow(parts)
        timings = {**pipeline.stages.timings, "total": round(time.perf_counter() - started, 3)}
        parts.catalogue.jobs.finish(job.id, name, results, timings)
    except _Lost:
        return
    except CatalogueUnavailable:
        parts.catalogue.jobs.release(job.id, name)
        raise
    except Exception as error:
        log.exception("job %s failed", job.id)
        parts.catalogue.jobs.finish(job.id, name, results, {}, reason=f"{type(error).__name__}: {error}")
    finally:
        done.set()
        beat.join()


def _beat(job_id: str, lease: _Lease, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS) and not lease.lost.is_set():
        try:
            lease.renew()
        except Exception as error:  # the next one may come through
            log.warning("no sign of life for job %s: %s", job_id, error)
