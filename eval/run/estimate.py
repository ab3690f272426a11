"""What a run will cost before it starts: tokens by the model's tokenizer, time from the last run of the kind or from a probe."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.run.cache import Cache
from eval.run.document import Engines, Hardware
from eval.run.execute import Came
from eval.run.plan import Estimate, Job
from eval.run.target import Target
from eval.together import together

#: calls of each arm whose prompts are counted; and calls that a probe makes at least
_COUNTED, _PROBED = 12, 4


def estimate(jobs: Sequence[Job], target: Target, engines: Engines, cache: Cache | None, at_once: int, *, probe: bool = False) -> Estimate:
    """
    Args:
        jobs: what is still to be answered.
        probe: ask some of them where no earlier run tells how long one takes. Their answers are kept in the cache, so that they are not asked again.
    """
    by_arm = {arm: [job for job in jobs if job.arm == arm] for arm in dict.fromkeys(job.arm for job in jobs)}
    known = {arm: rate for arm in by_arm if cache and (rate := cache.rate(rate_key(target, engines, at_once, arm))) is not None}
    unknown = [job for arm, found in by_arm.items() if arm not in known for job in found]
    seconds: float | None = sum(known[arm] * len(by_arm[arm]) for arm in known) / target.callers
    source = "the last run"
    if unknown:
        source = "a probe" if probe else "nothing yet"
        seconds = seconds + _probe(unknown, target, cache) * len(unknown) if probe and seconds is not None else None
    return Estimate(
        answers=dict(Counter(job.arm for job in jobs)),
        prompt_tokens=_prompt_tokens(by_arm, target),
        most_completion_tokens=target.most_tokens * len(jobs),
        seconds=seconds,
        source=source,
    )


def keep_rates(cache: Cache, target: Target, engines: Engines, at_once: int, came: Came) -> None:
    """For the next estimate: the mean seconds of an answer under each arm, while others were written beside it."""
    for arm, seconds in came.seconds.items():
        cache.set_rate(rate_key(target, engines, at_once, arm), statistics.fmean(seconds), len(seconds))


def rate_key(target: Target, engines: Engines, at_once: int, arm: str) -> Mapping[str, Any]:
    """What decides how long an answer takes, roughly."""
    cpu = Hardware.here().cpu
    return {"target": target.name, "base": engines.base.get("digest"), "dtype": engines.base.get("dtype"), "cpu": cpu, "at_once": at_once, "arm": arm}


def _prompt_tokens(by_arm: Mapping[str, Sequence[Job]], target: Target) -> int | None:
    total = 0.0
    for found in by_arm.values():
        counted = [target.prompt_tokens(job) for job in _spread(found, _COUNTED)]
        if None in counted:
            return None
        total += statistics.fmean(tokens or 0 for tokens in counted) * len(found)
    return round(total)


def _probe(jobs: Sequence[Job], target: Target, cache: Cache | None) -> float:
    """Seconds by the clock that an answer takes among others."""

    def ask(job: Job) -> None:
        record = target.ask(job, threading.Event())
        if cache is not None and (key := target.key(job)) is not None:
            cache.put(key, record)

    probed = _spread(jobs, max(2 * target.callers, _PROBED))
    started = time.perf_counter()
    list(together(ask, probed, target.callers))
    return (time.perf_counter() - started) / len(probed)


def _spread(jobs: Sequence[Job], count: int) -> list[Job]:
    """So many of them, evenly spread."""
    return [jobs[number * len(jobs) // count] for number in range(count)] if len(jobs) > count else list(jobs)
