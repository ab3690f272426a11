"""The ingest worker: takes uploaded files in, in a process apart from the service. Any number may run."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from types import FrameType

from core.settings import Settings
from core.types import FileResult, FileState
from engines.catalogue.jobs import ClaimedJob, JobFile
from engines.parts import Parts, open_parts
from ingest.parsing import ParserProcess
from ingest.pipeline import Pipeline, SourceFile

log = logging.getLogger(__name__)

#: seconds between looks at the queue, and between signs of life
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0


def work(settings: Settings, *, until_idle: bool = False) -> None:
    """Claim jobs and do them until told to stop (SIGTERM, SIGINT, or the parent that started it is gone)."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    name = f"{socket.gethostname()}:{os.getpid()}"
    parent = os.getppid()
    with open_parts(settings, log.info) as parts, ParserProcess(settings.ingest) as parser:
        while not stop.is_set() and os.getppid() == parent:
            job = parts.catalogue.jobs.claim(name)
            if job is not None:
                _run(job, name, parts, parser, stop)
            elif until_idle:
                return
            else:
                stop.wait(POLL_SECONDS)


def _run(job: ClaimedJob, name: str, parts: Parts, parser: ParserProcess, stop: threading.Event) -> None:
    """Do the files that are not done yet. A job cut short stays claimed; whoever takes it over goes on behind the last file."""
    started = time.perf_counter()
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(job.id, name, parts, done), daemon=True)
    beat.start()
    pipeline = Pipeline(parts.catalogue, parts.files, lambda: parts.embedder, parser, parts.settings.ingest)
    results = list(job.done)
    try:
        for file in job.files[len(results) :]:
            if stop.is_set():
                return
            results.append(_ingest(file, pipeline, parts))
            if not parts.catalogue.jobs.heartbeat(job.id, name):
                log.warning("job %s was given to another worker", job.id)
                return
            parts.catalogue.jobs.store(job.id, results)
        if any(result.state is FileState.INDEXED for result in results):
            parts.index.snapshot()
        timings = {**pipeline.stages.timings, "total": round(time.perf_counter() - started, 3)}
        parts.catalogue.jobs.finish(job.id, results, timings)
    except Exception as error:
        log.exception("job %s failed", job.id)
        parts.catalogue.jobs.finish(job.id, results, {}, reason=f"{type(error).__name__}: {error}")
    finally:
        done.set()
        beat.join()


def _ingest(file: JobFile, pipeline: Pipeline, parts: Parts) -> FileResult:
    return pipeline.ingest(SourceFile(file.name, parts.files.path(file.digest).read_bytes, file.metadata))


def _beat(job_id: str, name: str, parts: Parts, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        parts.catalogue.jobs.heartbeat(job_id, name)
