"""Work that waits for the model: in threads of its own, watched so that it ends when the client hangs up, and sent event by event where that is wanted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from assistant.answer import Event, Generated
from assistant.answer import Request as Question
from assistant.api import problems
from assistant.api.state import ServiceState
from assistant.api.tracing import trace_id
from core.errors import CallerLeft
from core.ports import Token
from core.types import Answer

#: after so long without an event a comment is sent, which clients do not see: proxies cut connections off on which nothing moves
KEEP_ALIVE_SECONDS = 10.0
_STILL_AT_WORK = b": still at work\n\n"

_T = TypeVar("_T")
Sent = Event | Token | Generated
#: what a question comes to, step by step
Work = Callable[[Question, threading.Event], Iterator[Sent]]
#: an event as bytes of the stream, none where the caller is not to see it
Encode = Callable[[Sent], bytes]


async def answer(service: ServiceState, question: Question, request: Request) -> Answer:
    """The whole answer, counted."""
    cancelled = threading.Event()
    found = await watched(request, service, cancelled, lambda: service.application.assistant.answer(question, cancelled))
    service.metrics.count(found)
    return found


async def generated(service: ServiceState, question: Question, request: Request) -> Generated:
    """The whole text without checks."""
    cancelled = threading.Event()
    return await watched(request, service, cancelled, lambda: service.application.assistant.generate(question, cancelled))


async def watched(request: Request, service: ServiceState, cancelled: threading.Event, work: Callable[[], _T]) -> _T:
    """Do the work in a thread; when the client hangs up meanwhile, tell the work to stop."""
    outcome: list[_T] = []
    failure: Exception | None = None

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        cancelled.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            outcome.append(await to_thread.run_sync(work, limiter=service.threads))
        except Exception as error:  # raised inside, the group would wrap it
            failure = error
        except anyio.get_cancelled_exc_class():  # the service is stopping and waits no longer
            cancelled.set()
            raise
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return outcome[0]


async def stream(service: ServiceState, work: Work, question: Question, request: Request, encode: Encode, held: tuple[type, ...] = ()) -> Response:
    """Server-sent events. What fails before the first event is an ordinary error response; ``held`` are kinds of events that do not count as first ones, and
    wait for one that does."""
    cancelled = threading.Event()
    events = work(question, cancelled)
    first = await watched(request, service, cancelled, lambda: _first(events, held))
    if cancelled.is_set():
        events.close()  # type: ignore[attr-defined]
        raise CallerLeft("the caller left")
    return _Stream(service, request, encode, cancelled, first, events)


class _Stream(StreamingResponse):
    """The events of one answer. However the response ends, the work ends with it; after an error the body breaks off, since one that ends counts as whole."""

    def __init__(self, service: ServiceState, request: Request, encode: Encode, cancelled: threading.Event, first: list[Sent], events: Iterator[Sent]) -> None:
        self._service = service
        self._request = request
        self._encode = encode
        self._cancelled = cancelled
        self._first = iter(first)
        self._events = events
        self._failed = False
        super().__init__(self._body(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_end(message: Message) -> None:
            if not (self._failed and message.get("more_body") is False):
                await send(message)

        try:
            await super().__call__(scope, receive, without_end)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._end)

    async def _body(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if (event := next(self._first, None)) is None:
                    waiting = asyncio.ensure_future(self._next())
                    try:
                        while not (await asyncio.wait({waiting}, timeout=KEEP_ALIVE_SECONDS))[0]:
                            yield _STILL_AT_WORK
                    finally:
                        waiting.cancel()
                    event = waiting.result()
                if event is None:
                    return
                if isinstance(event, Answer):
                    self._service.metrics.count(event)
                if encoded := self._encode(event):
                    yield encoded
        except Exception as error:
            self._failed = True
            yield sse("error", problems.problem_of(error, self._request.url.path, trace_id(self._request.scope)))

    async def _next(self) -> Sent | None:
        return await to_thread.run_sync(next, self._events, None, limiter=self._service.threads, abandon_on_cancel=True)

    def _end(self) -> None:
        self._cancelled.set()
        with suppress(ValueError):  # a thread is at work in it, sees `cancelled` and leaves
            self._events.close()  # type: ignore[attr-defined]


def _first(events: Iterator[Sent], held: tuple[type, ...]) -> list[Sent]:
    found = [next(events)]
    while isinstance(found[-1], held):
        found.append(next(events))
    return found


def sse(name: str | None, document: dict[str, Any]) -> bytes:
    """One server-sent event."""
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()
