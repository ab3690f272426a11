"""The ingest worker: takes uploaded files in, in a process apart from the service. Any number may run."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from types import FrameType

from core.settings import Settings
from core.types import FileState
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
                job = parts.catalogue.jobs.claim(name)
                if job is not None:
                    _run(job, name, parts, parser, stop)
                elif until_idle:
                    return
                else:
                    stop.wait(POLL_SECONDS)
            except CatalogueUnavailable as error:  # busy, or its server is being started again
                log.warning("%s", error)
                stop.wait(POLL_SECONDS)


def _run(job: ClaimedJob, name: str, parts: Parts, parser: ParserProcess, stop: threading.Event) -> None:
    """Do the files that are not done yet. A job cut short stays claimed; whoever takes it over goes on behind the last file.

    Raises:
        CatalogueUnavailable: the job waits again, if that at least could be written; else until its worker is taken for dead.
    """
    started = time.perf_counter()
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(job.id, name, parts, done), daemon=True)
    beat.start()
    pipeline = Pipeline(
        parts.catalogue, parts.files, lambda: parts.embedder, parser, parts.settings.ingest, lambda: parts.embedder_digest, readable=job.readable
    )
    results = list(job.done)
    try:
        for number, file in enumerate(job.files[len(results) :], start=len(results) + 1):
            if stop.is_set():
                return
            place = f"{file.name} (file {number})"
            results.append(pipeline.ingest(SourceFile(file.name, parts.files.path(file.digest).read_bytes, file.metadata, place, uploaded=True)))
            if not parts.catalogue.jobs.store(job.id, name, results):
                log.warning("job %s was given to another worker", job.id)
                return
        if any(result.state is FileState.INDEXED for result in results):
            follow(parts)
        timings = {**pipeline.stages.timings, "total": round(time.perf_counter() - started, 3)}
        parts.catalogue.jobs.finish(job.id, name, results, timings)
    except CatalogueUnavailable:
        parts.catalogue.jobs.release(job.id, name)
        raise
    except Exception as error:
        log.exception("job %s failed", job.id)
        parts.catalogue.jobs.finish(job.id, name, results, {}, reason=f"{type(error).__name__}: {error}")
    finally:
        done.set()
        beat.join()


def _beat(job_id: str, name: str, parts: Parts, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        try:
            parts.catalogue.jobs.heartbeat(job_id, name)
        except Exception as error:  # the next one may come through
            log.warning("no sign of life for job %s: %s", job_id, error)
