"""Clients that hang up, and bodies that are not read: the application as a server drives it, message by message."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI

from assistant.answer import Assistant, Event
from assistant.answer import Request as Question
from assistant.api.app import create_app
from assistant.route import Router
from core.types import Route
from tests.assistant.test_answer import ASK, Running, kinds
from tests.fakes import ScriptedGenerator

PATIENCE = 60.0


class UntilLeft(threading.Event):
    """A gate before each word: it opens when the generator's caller has left."""

    def __init__(self, generator: ScriptedGenerator) -> None:
        super().__init__()
        self._generator = generator

    def wait(self, timeout: float | None = None) -> bool:
        assert self._generator.cancelled is not None
        return self._generator.cancelled.wait(PATIENCE)


@dataclass
class Exchange:
    """One request. ``leaves`` looks at what was sent so far and says when the client hangs up."""

    app: FastAPI
    path: str
    body: bytes | None
    key: str = ""
    leaves: Callable[[list[Any]], bool] = lambda _: False
    sent: list[Any] = field(default_factory=list)

    def run(self) -> list[Any]:
        headers = [(b"content-type", b"application/json"), *([(b"authorization", f"Bearer {self.key}".encode())] if self.key else [])]
        asgi = {"version": "3.0", "spec_version": "2.3"}  # as uvicorn says
        scope = {"type": "http", "asgi": asgi, "http_version": "1.1", "method": "POST", "scheme": "http", "path": self.path, "raw_path": self.path.encode()}
        asyncio.run(
            self.app({**scope, "query_string": b"", "root_path": "", "headers": headers, "client": ("c", 1), "server": ("s", 80)}, self._receive(), self._send)
        )
        return self.sent

    def _receive(self) -> Any:
        messages = iter([self.body])

        async def receive() -> Any:
            for body in messages:
                assert body is not None, "the body was read"
                return {"type": "http.request", "body": body, "more_body": False}
            while not self.leaves(self.sent):
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        return receive

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def events(self) -> list[str]:
        return [message["body"].split(b"\n")[0].decode().removeprefix("event: ") for message in self.sent[1:] if message["body"]]


@pytest.fixture
def app(running: Running) -> FastAPI:
    return create_app(running[0])


@pytest.fixture
def key(running: Running) -> str:
    return running[0].parts.catalogue.keys.create("staff", ["staff"], ["ask", "generate"])


def question(**more: Any) -> bytes:
    return json.dumps({"question": ASK, "adapter": "customer-service", **more}).encode()


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/answers", question()), ("/v1/generate", b'{"input": "x", "adapter_id": "base"}')], ids=["an answer", "a plain generation"]
)
def test_a_client_that_hangs_up_stops_the_work_and_is_no_error_of_the_service(running: Running, app: FastAPI, key: str, path: str, body: bytes) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " word" * 50
    generator.gate = UntilLeft(generator)
    exchange = Exchange(app, path, body, key, leaves=lambda _: bool(generator.prompts))
    exchange.run()
    assert exchange.status == 499
    assert json.loads(exchange.sent[1]["body"])["title"] == "Client Closed Request"
    assert generator.closed_early == 1
    assert kinds(application) == ["answer.started", "answer.broken_off"]
    counted = app.state.service.metrics.registry
    assert counted.get_sample_value("bankassist_requests_total", {"route": path, "method": "POST", "status": "499"}) == 1


def test_who_has_hung_up_before_the_work_begins_is_not_worked_for(running: Running, app: FastAPI, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    application, generator = running
    left = threading.Event()
    left.set()
    monkeypatch.setattr(Router, "route", lambda *_: pytest.fail("was routed"))
    with pytest.raises(Exception, match="the caller left"):
        application.assistant.answer(Question(None), left)  # type: ignore[arg-type]
    assert generator.prompts == []


class Made(NamedTuple):
    events: Any
    cancelled: threading.Event


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """The event iterators of all answers, which are thus not ended by being forgotten."""
    made: list[Made] = []
    events = Assistant.events

    def kept(self: Assistant, request: Question, cancelled: threading.Event | None = None) -> Iterator[Event]:
        assert cancelled is not None
        made.append(Made(events(self, request, cancelled), cancelled))
        return made[-1].events  # type: ignore[no-any-return]

    monkeypatch.setattr(Assistant, "events", kept)
    return made


def test_a_stream_that_is_left_before_its_first_event_never_begins(
    running: Running, app: FastAPI, key: str, made: list[Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    application, generator = running
    routing = threading.Event()
    route = Router.route

    def slow(self: Router, *arguments: Any) -> Route:
        routing.set()
        assert made[0].cancelled.wait(PATIENCE)
        return route(self, *arguments)

    monkeypatch.setattr(Router, "route", slow)
    exchange = Exchange(app, "/v1/answers", question(stream=True), key, leaves=lambda _: routing.is_set())
    exchange.run()
    assert exchange.status == 499
    assert inspect.getgeneratorstate(made[0].events) == inspect.GEN_CLOSED
    assert kinds(application) == []
    assert generator.prompts == []


def test_a_stream_that_is_left_in_the_middle_ends(running: Running, app: FastAPI, key: str, made: list[Made]) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " word" * 50
    generator.gate = UntilLeft(generator)
    exchange = Exchange(app, "/v1/answers", question(stream=True), key, leaves=lambda _: bool(generator.prompts))
    exchange.run()
    assert exchange.events == ["route", "passages"]
    deadline = time.monotonic() + PATIENCE
    while inspect.getgeneratorstate(made[0].events) != inspect.GEN_CLOSED:  # a thread is at work in it until it sees that the client left
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert kinds(application) == ["answer.started", "answer.broken_off"]


def test_a_stream_that_is_left_between_two_events_ends(running: Running, app: FastAPI, key: str, made: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works for it at that moment, so nobody would notice."""
    application, _ = running
    exchange = Exchange(app, "/v1/answers", question(stream=True), key)

    async def broken(message: Any) -> None:
        exchange.sent.append(message)
        if len(exchange.sent) > 2:
            raise OSError("the connection is gone")

    monkeypatch.setattr(exchange, "_send", broken)
    with pytest.raises(OSError, match="gone"):
        exchange.run()
    assert exchange.events == ["route", "passages"]
    assert inspect.getgeneratorstate(made[0].events) == inspect.GEN_CLOSED
    assert kinds(application) == []


def test_a_stream_that_fails_does_not_end_as_a_whole_one_does(running: Running, app: FastAPI, key: str) -> None:
    _, generator = running
    whole = Exchange(app, "/v1/answers", question(stream=True), key)
    assert whole.run()[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    generator.write = lambda prompt, adapter: 1 / 0  # type: ignore[assignment, return-value]
    failed = Exchange(app, "/v1/answers", question(stream=True), key)
    assert failed.run()[-1]["more_body"] is True
    assert (whole.events, failed.events) == (["route", "passages", "answer"], ["route", "passages", "error"])


@pytest.mark.parametrize(("with_key", "status", "code"), [(False, 401, "missing_api_key"), (True, 403, "missing_scope")])
def test_an_upload_that_is_not_allowed_is_refused_before_its_body_is_read(app: FastAPI, key: str, with_key: bool, status: int, code: str) -> None:
    exchange = Exchange(app, "/v1/documents", None, key if with_key else "")
    exchange.run()
    headers = dict(exchange.sent[0]["headers"])
    assert (exchange.status, json.loads(exchange.sent[1]["body"])["error"]["code"]) == (status, code)
    assert (headers[b"content-type"], headers[b"connection"]) == (b"application/problem+json", b"close")
    assert (headers.get(b"www-authenticate") == b"Bearer") is (status == 401)
