"""One search after another: the sample bank's own questions, in process, embedding included."""

from __future__ import annotations

import statistics
import time

from assistant.bootstrap import open_application
from bench.frame import Row, Spread
from bench.service import Home
from core.settings import Settings
from core.types import Principal, Query
from examples.samplebank import questions
from examples.samplebank.facts import Facts


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    principal = Principal("bench", frozenset({"staff", "risk"}), frozenset({"ask"}))
    asked = [question.ask for question in questions.load(Facts.draw(1))]
    rounds: list[list[float]] = []
    with open_application(Settings(home=home.folder)) as application:
        for _ in range(4):
            seconds = []
            for text in asked:
                query = Query(text, principal, application.today())
                started = time.perf_counter()
                application.assistant.retriever.search(query, 5)
                seconds.append(1000 * (time.perf_counter() - started))
            rounds.append(seconds)
    rounds = rounds[1:]  # the first one warms up
    return [
        Row("search, p50", "ms", Spread.of([statistics.median(seconds) for seconds in rounds]), note=f"{len(asked)} questions, three rounds"),
        Row("search, p95", "ms", Spread.of([statistics.quantiles(seconds, n=20)[-1] for seconds in rounds])),
    ]
