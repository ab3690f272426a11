"""Ask what is still to be asked, several questions at a time, and write down what comes, until all is done or somebody stops it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from core.errors import CallerLeft
from eval.run.answering import failed, is_retryable
from eval.run.cache import Cache
from eval.run.plan import Job
from eval.run.record import Record
from eval.run.samples import Samples
from eval.run.target import Target

#: seconds before a call is made again that may succeed then
_PAUSES = (0.5, 2.0)
#: seconds after which it is looked whether somebody wants it to stop
_POLL = 0.2


@dataclass
class Came:
    """What a run came to so far. ``seconds`` of each arm are those of answers that were made now."""

    done: int = 0
    errors: int = 0
    cached: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.done += 1
        self.errors += record.error is not None
        self.cached += record.cached
        if record.error is None and not record.cached:
            self.seconds.setdefault(record.arm, []).append(record.timings.get("total", 0.0))


def execute(
    jobs: Sequence[Job],
    target: Target,
    samples: Samples,
    cache: Cache | None,
    *,
    stop: threading.Event,
    advance: Callable[[], None] = lambda: None,
) -> Came:
    """Answer the jobs, each into one record. Whatever goes wrong with one is its record; nothing ends the run but ``stop``, and then answers that are not done
    are given up, without a record."""
    came, left, at_once = Came(), iter(jobs), target.callers
    running: set[Future[Record | None]] = set()

    def write(done: set[Future[Record | None]]) -> None:
        for record in sorted((found for one in done if (found := one.result()) is not None), key=lambda found: found.key):
            came.add(samples.append(record))
            advance()

    with ThreadPoolExecutor(at_once, thread_name_prefix="evaluation") as pool:
        while not stop.is_set():
            running |= {pool.submit(_record, job, target, cache, stop) for job in islice(left, 2 * at_once - len(running))}
            if not running:
                return came
            done, running = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            write(done)
            samples.sync(only_if_due=True)
        for one in running:
            one.cancel()
        write({one for one in wait(running).done if not one.cancelled()})
    return came


def _record(job: Job, target: Target, cache: Cache | None, stop: threading.Event) -> Record | None:
    """None where somebody stopped it."""
    for pause in (*_PAUSES, None):
        if stop.is_set():
            return None
        try:
            return _answer(job, target, cache, stop)
        except CallerLeft:
            return None
        except Exception as error:  # one answer that fails shall not cost the others
            if stop.is_set():
                return None
            if pause is None or not is_retryable(error):
                return failed(error, *job.key)
        stop.wait(pause)
    raise AssertionError("the last pause is none")


def _answer(job: Job, target: Target, cache: Cache | None, stop: threading.Event) -> Record:
    key = target.key(job) if cache is not None else None
    if cache is not None and key is not None and (known := cache.get(key)) is not None:
        return known.model_copy(update={"item": job.item.id, "arm": job.arm, "rep": job.rep})
    started = time.perf_counter()
    record = target.ask(job, stop)
    record = record.model_copy(update={"timings": {**record.timings, "wall": round(time.perf_counter() - started, 4)}})
    if cache is not None and key is not None:
        cache.put(key, record)
    return record
