"""What a request costs beside the models: searches per second of one process whose question vectors are known, and answers that the model writes at once.

Ours, the same documents from FastAPI with our models of request and response, and from an ASGI application of a few lines, each in a process of its own
(bench/light.py). Callers keep their connections. Where the time goes is told by timers at the seams of the service (bench/seams.py), in a run of their own.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from assistant.answer import Request
from assistant.bootstrap import Application, open_application
from bench.frame import Row, Spread
from bench.light import DOCUMENTS, DRAFTS, SUMS, TEXTS, VECTORS, prompt_key
from bench.seams import DATABASE, FRAMEWORK, INDEX, OURS, TOKENS, WARM_UP, WORDS
from bench.service import Home
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.settings import Settings
from core.types import AdapterRef, Draft, Principal, Query
from examples.samplebank import questions
from examples.samplebank.facts import Facts

_ADAPTER, _ANSWERED = "customer-service", 16
_CALLERS, _SECONDS, _ROUNDS = 8, 2.0, 3
#: requests of one caller in a round, and for the shares
_IN_A_ROUND, _TIMED = 80, 120
_KINDS = {"service": "", "fastapi": "FastAPI with our models of request and response", "bare": "an ASGI application of a few lines"}
_PATHS = ("/v1/search", "/v1/answers")
_PARTS = (
    (INDEX, "vectors, words, fusion's input; looking whether the catalogue has changed is counted to the database"),
    (DATABASE, "SQLite and SQLAlchemy: the key, the head of the changes, passages looked up, audit records on disk"),
    (WORDS, "index tokens of the question and of the passages found: stemming, jieba"),
    (TOKENS, "the prompt and its passages in the model's tokens"),
    (OURS, "checks, prompts, records, documents out"),
    (FRAMEWORK, "Starlette, FastAPI, pydantic, changes of thread"),
)


@dataclass(frozen=True)
class Asked:
    """A request of each path, as it goes over the wire."""

    search: Sequence[bytes]
    answers: Sequence[bytes]

    def of(self, path: str) -> Sequence[bytes]:
        return self.search if path == "/v1/search" else self.answers


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_application(Settings(home=home.folder)) as application:
            texts, answered = _prepared(application, folder)
        asked = Asked(
            [_request("/v1/search", home.key, {"query": text}) for text in texts],
            [_request("/v1/answers", home.key, {"question": text, "adapter": _ADAPTER}) for text in answered],
        )
        with _serving(home, "service", folder) as url:
            (folder / DOCUMENTS).write_text(json.dumps({path: json.loads(asyncio.run(_documents(url, asked.of(path)[:1]))[0]) for path in _PATHS}), "utf8")
        rates, seconds = _measured(home, folder, asked)
        shares = _shares(home, folder, asked)
    return [*_rows(rates, seconds), *_share_rows(shares)]


def _prepared(application: Application, folder: Path) -> tuple[list[str], list[str]]:
    """The questions, their vectors and what the model writes to some of them."""
    texts = [question.ask for question in questions.load(Facts.draw(1))]
    (folder / TEXTS).write_text(json.dumps(texts), "utf8")
    np.save(folder / VECTORS, application.parts.embedder.embed_queries(texts))
    drafts: dict[str, str] = {}
    generator = _Noting(application.generator, drafts)
    assistant = replace(application.assistant, generator=generator)
    principal = Principal("bench", frozenset({"staff", "risk"}), frozenset({"ask"}))
    answered: list[str] = []
    for text in texts:
        before = len(drafts)
        assistant.answer(Request(Query(text, principal, application.today()), _ADAPTER))
        answered += [text] if len(drafts) > before else []
        if len(answered) == _ANSWERED:
            break
    (folder / DRAFTS).write_text(json.dumps(drafts), "utf8")
    return texts, answered


class _Noting:
    """A generator that notes what it wrote to which prompt."""

    def __init__(self, generator: Any, drafts: dict[str, str]) -> None:
        self._generator = generator
        self._drafts = drafts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(self, prompt: Prompt, adapter: AdapterRef | None, options: GenerationOptions, *more: Any) -> Iterator[Any]:
        for event in self._generator.generate(prompt, adapter, options, *more):
            if isinstance(event, Draft):
                self._drafts[prompt_key(prompt)] = event.text
            yield event


@contextmanager
def _serving(home: Home, kind: str, folder: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.light", kind, str(folder)], env=home.environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if match := re.search(r"serving on (http://\S+)", line):
                yield match[1]
                break
        else:
            raise RuntimeError(f"bench.light {kind} ended with code {process.wait()}: {''.join(said)}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _request(path: str, key: str, body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


class _Caller:
    """One connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, url: str) -> _Caller:
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def ask(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {body[:300].decode()}")
        return body

    def close(self) -> None:
        self._writer.close()


async def _documents(url: str, requests: Sequence[bytes]) -> list[bytes]:
    caller = await _Caller.of(url)
    try:
        return [await caller.ask(request) for request in requests]
    finally:
        caller.close()


async def _one_after_another(url: str, requests: Sequence[bytes]) -> list[float]:
    """Milliseconds of each."""
    caller = await _Caller.of(url)
    took = []
    for request in requests:
        started = time.perf_counter()
        await caller.ask(request)
        took.append(1000 * (time.perf_counter() - started))
    caller.close()
    return took


def _so_many(requests: Sequence[bytes], count: int) -> list[bytes]:
    return [requests[number % len(requests)] for number in range(count)]


async def _rate(url: str, requests: Sequence[bytes], seconds: float) -> float:
    """Answers per second to some callers who ask without a pause."""
    end = time.perf_counter() + seconds
    numbers = iter(range(1_000_000_000))
    done = 0

    async def ask() -> None:
        nonlocal done
        caller = await _Caller.of(url)
        while time.perf_counter() < end:
            await caller.ask(requests[next(numbers) % len(requests)])
            done += 1
        caller.close()

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(_CALLERS)))
    return done / (time.perf_counter() - started)


Figures = Mapping[tuple[str, str], Sequence[Any]]


def _measured(home: Home, folder: Path, asked: Asked) -> tuple[Figures, Figures]:
    """By kind of service and path: requests per second, and milliseconds of each request of one caller, round by round."""
    rates: dict[tuple[str, str], list[float]] = {}
    took: dict[tuple[str, str], list[list[float]]] = {}
    with _serving(home, "service", folder) as ours, _serving(home, "fastapi", folder) as fastapi, _serving(home, "bare", folder) as bare:
        urls = {"service": ours, "fastapi": fastapi, "bare": bare}
        for round_number in range(1 + _ROUNDS):  # the first one warms up
            for kind, url in urls.items():
                for path in _PATHS:
                    requests = asked.of(path)
                    one = asyncio.run(_one_after_another(url, _so_many(requests, _IN_A_ROUND)))
                    rate = asyncio.run(_rate(url, requests, _SECONDS if round_number else 1.0)) if path == "/v1/search" else 0.0
                    if round_number:
                        rates.setdefault((kind, path), []).append(rate)
                        took.setdefault((kind, path), []).append(one)
    return rates, took


def _shares(home: Home, folder: Path, asked: Asked) -> Mapping[str, Mapping[str, float]]:
    """By path: milliseconds of a request by part, and what its caller waited in all."""
    waited = {}
    with _serving(home, "timed", folder) as url:
        for path in _PATHS:
            asyncio.run(_one_after_another(url, _so_many(asked.of(path), WARM_UP)))
            waited[path] = statistics.mean(asyncio.run(_one_after_another(url, _so_many(asked.of(path), _TIMED))))
    sums = json.loads((folder / SUMS).read_text("utf8"))
    return {
        path: {"waited": waited[path], **{part: 1000 * seconds / sums[path]["requests"] for part, seconds in sums[path].items() if part != "requests"}}
        for path in _PATHS
    }


def _rows(rates: Figures, took: Figures) -> list[Row]:
    def spread(figures: Figures, kind: str, path: str, figure: Callable[[Any], float] = float) -> Spread:
        return Spread.of([figure(one) for one in figures[kind, path]])

    rate = partial(spread, rates, path="/v1/search")
    rows = [
        Row(
            f"/v1/search, one process, {_CALLERS} callers",
            "1/s",
            rate("service"),
            _KINDS["fastapi"],
            rate("fastapi"),
            limit=round(rate("bare").median, 1),
            better="higher",
            note=f"question vectors known before; limit: {_KINDS['bare']} under the same uvicorn, with the same document; {_SECONDS:g} s each in turn, {_ROUNDS} rounds",
        )
    ]
    for path, what in (("/v1/search", "/v1/search, one caller"), ("/v1/answers", "/v1/answers without generation, one caller")):
        for name, figure in (("p50", statistics.median), ("p95", _p95)):
            bare = spread(took, "bare", path, figure)
            rows.append(
                Row(f"{what}, {name}", "ms", spread(took, "service", path, figure), _KINDS["fastapi"], spread(took, "fastapi", path, figure), limit=round(bare.median, 3))
            )  # fmt: skip
    rows[3] = replace(
        rows[3],
        note=f"{_ANSWERED} questions, adapter {_ADAPTER}, over and over, so that their texts were read before; what the model writes, and question vectors, are known too",
    )
    return rows


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _share_rows(shares: Mapping[str, Mapping[str, float]]) -> list[Row]:
    rows = []
    for path, parts in shares.items():
        inside = sum(took for part, took in parts.items() if part != "waited")
        listed = [(part, parts[part], what) for part, what in _PARTS if part in parts]
        listed.append(("server and wire", parts["waited"] - inside, "uvicorn, h11, sockets, and the caller"))
        for number, (part, took, what) in enumerate(listed):
            note = f"{took:.2f} of {parts['waited']:.2f} ms: {what}" + (
                "; by timers at the seams, one caller, each part without what it calls" if number == 0 else ""
            )
            rows.append(Row(f"{path}, share of time: {part}", "%", Spread.of([100 * took / parts["waited"]]), note=note))
    return rows
