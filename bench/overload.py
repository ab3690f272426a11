"""Two hundred callers at a service that lets 64 wait: who is told what and how soon, what is answered meanwhile, and what is left afterwards.

``OVERLOAD_SECONDS`` is how long (120).
"""

from __future__ import annotations

import os
import time

from bench.callers import Load, Target, hang_up, load
from bench.frame import Row, Spread
from bench.service import Home, Running, serving
from examples.samplebank import questions
from examples.samplebank.facts import Facts

_CALLERS, _HELD = 200, 16
_QUEUE = 64
_ADAPTER = "customer-service"
_QUESTIONS = 24
_KEPT_MIB = 64.0
_PATIENCE = 120.0


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    seconds = float(os.environ.get("OVERLOAD_SECONDS", "120"))
    with serving(home, GENERATION__QUEUE=str(_QUEUE)) as service:
        target = Target(service.url, service.key, _questions(service), _ADAPTER)
        alone = load(target, _HELD, seconds)
        before = _memory(service)
        crowd = load(target, _CALLERS, seconds)
        after = _memory(service)
    return [*rows(alone, crowd, len(target.questions)), _memory_row(before, after), _left(home, target)]


def _questions(service: Running) -> list[str]:
    """The first of the sample bank's that the model is asked about; they warm the service up."""
    asked = [question.ask for question in questions.load(Facts.draw(1)) if question.task == _ADAPTER and question.as_of is None]
    found: list[str] = []
    while len(found) < _QUESTIONS:
        question = asked.pop(0)
        if service.ask(question=question, adapter=_ADAPTER)["usage"]["completion_tokens"]:
            found.append(question)
    return found


def rows(alone: Load, crowd: Load, asked: int) -> list[Row]:
    rejected = crowd.rejections
    silent = sum(reply.retry_after is None for reply in rejected)
    name = f"{_CALLERS} callers, {_QUEUE} may wait"
    slowest = 1000 * max((reply.seconds for reply in rejected), default=0.0)
    statuses = ", ".join(f"{count} times {status or 'a broken connection'}" for status, count in crowd.unexpected.items())
    return [
        Row(
            f"{name}: answers that are no 200, 429 or 503", "", _only(sum(crowd.unexpected.values())), goal=0,
            note="; ".join(filter(None, (f"{crowd.seconds:g} s, {len(crowd.replies)} requests, {len(rejected)} rejected", statuses))),
        ),
        Row(f"{name}: rejections without Retry-After", "", _only(silent), goal=0),
        Row(f"{name}: rejection, p99", "ms", _only(1000 * crowd.rejected_within(0.99)), goal=100, note=f"median {1000 * crowd.rejected_within(0.5):.1f} ms, slowest {slowest:.0f} ms"),
        Row(
            f"{name}: answers per second", "1/s", _only(crowd.answers_per_second), f"ours with {_HELD} callers", _only(alone.answers_per_second),
            goal=0.9 * alone.answers_per_second, better="higher",
            note=f"{asked} questions about the sample bank over and over, adapter {_ADAPTER}; a caller asks again when it was answered or when Retry-After says; goal: 0.9 of the peer",
        ),
    ]  # fmt: skip


def _memory(service: Running) -> float:
    """MiB that the service holds once nothing runs."""
    while _busy(service):
        time.sleep(0.1)
    time.sleep(12)  # it gives memory back after ten idle seconds
    return service.memory()["VmRSS"]


def _busy(service: Running) -> float:
    return service.metric("bankassist_generation_running") + service.metric("bankassist_generation_waiting")


def _memory_row(before: float, after: float) -> Row:
    note = f"{before:.0f} MiB after {_HELD} callers, {after:.0f} MiB after {_CALLERS}"
    return Row("memory that the service kept of the overload", "MiB", _only(round(after - before, 1)), goal=_KEPT_MIB, note=note)


def _left(home: Home, target: Target) -> Row:
    """All of them wait or are written to when they hang up, which takes a queue as long."""
    with serving(home, GENERATION__QUEUE=str(_CALLERS), GENERATION__QUEUE_SECONDS="600") as service:
        for question in target.questions[:2]:
            service.ask(question=question, adapter=_ADAPTER)
        found = hang_up(Target(service.url, service.key, target.questions, _ADAPTER), _CALLERS, lambda: _busy(service), _PATIENCE)
    note = f"{found.open} streams were under way; {_CALLERS} may wait here"
    return Row(f"{_CALLERS} callers hang up in the middle of a stream: until none of theirs waits or runs", "s", _only(found.seconds), goal=1.0, note=note)


def _only(value: float) -> Spread:
    return Spread(value, value, value)
