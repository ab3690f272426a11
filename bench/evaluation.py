"""A run of an evaluation: questions of the sample bank under the four arms, several at once against one after another, and what shared beginnings do for it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from assistant.bootstrap import open_application
from bench.frame import Row, Spread
from bench.service import Home
from core.settings import Settings
from eval.run.execute import execute
from eval.run.plan import Job, jobs
from eval.run.record import ARMS, Record
from eval.run.samples import Samples, read_samples
from eval.run.start import patient
from eval.run.target import InProcess
from eval.suite.item import Caller, Item
from examples.samplebank import questions
from examples.samplebank.facts import Facts

_AT_ONCE = 16
#: of each language, and as many more to warm up
_QUESTIONS = 4
_GOAL = 4.0
_GROUPS = {"customer": (), "staff": ("staff",), "risk": ("staff", "risk")}
#: what a run without any of it does: the peer of all others
_PLAIN = (1, False)


class Ran(NamedTuple):
    seconds: float
    records: Sequence[Record]

    @property
    def cached(self) -> float:
        """The share of the prompts' tokens that had been read before."""
        return sum(one.usage["cached_tokens"] for one in self.records) / sum(one.usage["prompt_tokens"] for one in self.records)

    @property
    def texts(self) -> dict[tuple[str, str, int], str]:
        return {one.key: one.draft for one in self.records}


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    warm, asked = _items()
    ways = ((_AT_ONCE, True), (_AT_ONCE, False), _PLAIN)
    found = {(at_once, shares): _ran(home, warm, asked, at_once, shares=shares) for at_once, shares in ways}
    return rows(found)


def rows(found: dict[tuple[int, bool], Ran]) -> list[Row]:
    """
    Args:
        found: by how many at once, and whether a beginning that was read before is used.
    """
    plain = found[_PLAIN]
    named = {
        (_AT_ONCE, True): f"{_AT_ONCE} at once",
        (_AT_ONCE, False): f"{_AT_ONCE} at once, every prompt read anew",
    }
    made = []
    for key, name in named.items():
        ours = found[key]
        same = sum(ours.texts[job] == text for job, text in plain.texts.items())
        notes = [f"{ours.cached:.0%} of the prompts' tokens had been read before", f"{same} of {len(plain.texts)} texts are the peer's"]
        goal = round(plain.seconds / _GOAL, 3) if key == (_AT_ONCE, True) else None
        if goal is not None:
            apart = found[_AT_ONCE, False].seconds / ours.seconds
            notes += [f"sharing beginnings makes {apart:.2f} times of it", f"goal: {_GOAL:g} times the peer"]
        made.append(
            Row(
                f"{len(plain.records)} answers under four arms, {name}", "s", _only(ours.seconds), "one after another, every prompt read anew", _only(plain.seconds),
                goal=goal, note="; ".join([*notes, "one run"]),
            )
        )  # fmt: skip
    return made


def _ran(home: Home, warm: Sequence[Item], asked: Sequence[Item], at_once: int, *, shares: bool) -> Ran:
    """By an application that has read none of it before."""
    settings = patient(Settings(home=home.folder), at_once)
    if not shares:
        settings = settings.model_copy(update={"generation": settings.generation.model_copy(update={"prefix_mib": 0})})
    with open_application(settings) as application:
        target = InProcess(application, application.today(), at_once)
        _answers(list(jobs(warm, ("rag+lora",), 1)), target)
        return _answers(list(jobs(asked, ARMS, 1)), target)


def _answers(planned: Sequence[Job], target: InProcess) -> Ran:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        started = time.perf_counter()
        with Samples(path) as samples:
            execute(planned, target, samples, None, stop=threading.Event())
        return Ran(time.perf_counter() - started, read_samples(path).records)


def _items() -> tuple[list[Item], list[Item]]:
    """Some to warm up with, and those that are asked: the first of both languages that have an answer."""
    warm, asked = [], []
    for language in ("en", "zh"):
        found = [one for one in questions.load(Facts.draw(1)) if one.language == language and one.answer]
        items = [
            Item(
                id=one.id, group_id=one.document or one.id, lang=one.language, task="lookup", question=one.ask, as_of=one.as_of,
                caller=Caller(groups=_GROUPS[one.caller]),
            )
            for one in found[: 2 * _QUESTIONS]
        ]  # fmt: skip
        warm += items[_QUESTIONS:]
        asked += items[:_QUESTIONS]
    return warm, asked


def _only(value: float) -> Spread:
    return Spread(value, value, value)
