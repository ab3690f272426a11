"""Questions: `/v1/answers`, `/v1/search`, `/v1/generate`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from assistant.answer import LONGEST, Event, Generated
from assistant.answer import Request as Question
from assistant.api import problems
from assistant.api.deadline import Deadline
from assistant.api.full import place_of
from assistant.api.security import Asker, GenerateCaller, demand
from assistant.api.state import ServiceState, application, state
from assistant.api.tracing import trace_id
from assistant.guard import checked_history, checked_passages, checked_question
from assistant.wire import (
    AnswerOut,
    AnswerRequest,
    GenerateOut,
    GenerateRequest,
    SearchOut,
    SearchRequest,
    Tier,
    answer_out,
    generate_out,
    passage_out,
    route_out,
    search_out,
    sentence_out,
    token_out,
)
from core.errors import CallerLeft
from core.ports import GenerationOptions, Token
from core.types import Answer, Found, Query, Route, Sentence, Turn

router = APIRouter(prefix="/v1", tags=["answers"])

_T = TypeVar("_T")
_Sent = Event | Token | Generated

#: lower goes first
_PRIORITY: Mapping[Tier, int] = {"default": 0, "flex": 1}


@router.post("/answers", response_model=AnswerOut)
async def answers(body: AnswerRequest, caller: Asker, deadline: Deadline, request: Request) -> Response:
    """Answer a question from the documents that the caller may read. With `stream` the answer comes as server-sent events."""
    service = state(request)
    if not body.use_rag:
        demand(caller, "generate")
    limit = service.application.settings.service.max_question
    history = checked_history([Turn(turn.role, turn.content) for turn in body.history], limit)
    query = Query(checked_question(body.question, limit), caller, body.as_of or service.application.today(), history)
    top_k = body.top_k or service.application.settings.retrieval.top_k
    options = replace(LONGEST, priority=_PRIORITY[body.service_tier], deadline=deadline)
    question = Question(query, body.adapter, body.use_rag, top_k, options=options, place=place_of(request))
    if body.stream:
        return await _stream(service, service.application.assistant.events, question, request)
    return JSONResponse(answer_out(await _answer(service, question, request)).model_dump(mode="json"))


@router.post("/search")
def search(body: SearchRequest, caller: Asker, request: Request) -> SearchOut:
    """The passages that come nearest to a query, among those that the caller may read."""
    found_in = application(request)
    started = time.perf_counter()
    query = Query(checked_question(body.query, found_in.settings.service.max_question), caller, body.as_of or found_in.today())
    assistant = found_in.assistant
    found = assistant.retriever.search(query, body.top_k or found_in.settings.retrieval.top_k)
    assistant.audit.searched(assistant.audit.new_id(), query, found.passages, assistant.sequence())
    return search_out(query.text, query.as_of, found, time.perf_counter() - started, with_score="eval" in caller.scopes)


@router.post("/generate", response_model=AnswerOut | GenerateOut)
async def generate(body: GenerateRequest, caller: GenerateCaller, deadline: Deadline, request: Request) -> Response:
    """Generate with a named adapter. With passages the prompt and the checks are those of an answer; without, the text is unchecked. With `stream` it comes
    as server-sent events."""
    service = state(request)
    assistant = service.application.assistant
    limit = service.application.settings.service.max_question
    query = Query(checked_question(body.input, limit), caller, service.application.today())
    options = GenerationOptions(
        body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        stop=tuple(body.stop),
        priority=_PRIORITY[body.service_tier],
        deadline=deadline,
        schema=body.response_format.schema_wanted,
        logprobs=body.top_logprobs if body.logprobs else None,
    )
    if body.passages is not None:
        given = checked_passages([(passage.title, passage.text) for passage in body.passages], limit)
        question = Question(query, body.adapter_id, passages=given, options=options, place=place_of(request))
        if body.stream:
            return await _stream(service, assistant.events, question, request)
        return JSONResponse(answer_out(await _answer(service, question, request)).model_dump(mode="json"))
    plain = Question(query, body.adapter_id, options=options, place=place_of(request))
    if body.stream:
        return await _stream(service, assistant.writing, plain, request)
    cancelled = threading.Event()
    done = await _watched(request, service, cancelled, lambda: assistant.generate(plain, cancelled))
    return JSONResponse(_generated(done, plain).model_dump(mode="json"))


def _generated(done: Generated, asked: Question) -> GenerateOut:
    return generate_out(done.audit_id, done.route, done.draft, None if asked.options.logprobs is None else done.logprobs)


async def _answer(service: ServiceState, question: Question, request: Request) -> Answer:
    cancelled = threading.Event()
    answer = await _watched(request, service, cancelled, lambda: service.application.assistant.answer(question, cancelled))
    service.metrics.count(answer)
    return answer


async def _watched(request: Request, service: ServiceState, cancelled: threading.Event, work: Callable[[], _T]) -> _T:
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


async def _stream(service: ServiceState, work: Callable[[Question, threading.Event], Iterator[_Sent]], question: Question, request: Request) -> Response:
    """Server-sent events. What fails before the first event is an ordinary error response."""
    cancelled = threading.Event()
    events = work(question, cancelled)
    first = await _watched(request, service, cancelled, lambda: next(events))
    if cancelled.is_set():
        events.close()  # type: ignore[attr-defined]
        raise CallerLeft("the caller left")
    return _Stream(service, request, question, cancelled, first, events)


class _Stream(StreamingResponse):
    """The events of one answer. However the response ends, the work ends with it; after an error the body breaks off, since one that ends counts as whole."""

    def __init__(self, service: ServiceState, request: Request, question: Question, cancelled: threading.Event, first: _Sent, events: Iterator[_Sent]) -> None:
        self._service = service
        self._request = request
        self._question = question
        self._cancelled = cancelled
        self._first = first
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
        event: _Sent | None = self._first
        try:
            while event is not None:
                if isinstance(event, Answer):
                    self._service.metrics.count(event)
                yield _event(event, self._question)
                event = await to_thread.run_sync(_next, self._events, limiter=self._service.threads, abandon_on_cancel=True)
        except Exception as error:
            self._failed = True
            yield _sse("error", problems.problem_of(error, self._request.url.path, trace_id(self._request.scope)))

    def _end(self) -> None:
        self._cancelled.set()
        with suppress(ValueError):  # a thread is at work in it, sees `cancelled` and leaves
            self._events.close()  # type: ignore[attr-defined]


def _next(events: Iterator[_Sent]) -> _Sent | None:
    return next(events, None)


def _event(event: _Sent, asked: Question) -> bytes:
    match event:
        case Route():
            return _sse("route", route_out(event).model_dump(mode="json"))
        case Found():
            return _sse(
                "passages", {"passages": [passage_out(passage, with_score=False).model_dump(mode="json", exclude={"score"}) for passage in event.passages]}
            )
        case Sentence():
            return _sse("sentence", sentence_out(event).model_dump(mode="json"))
        case Answer():
            return _sse("answer", answer_out(event).model_dump(mode="json"))
        case Token():
            return _sse("token", token_out(event, with_logprobs=asked.options.logprobs is not None).model_dump(mode="json"))
        case Generated():
            return _sse("answer", _generated(event, asked).model_dump(mode="json"))


def _sse(name: str, document: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n".encode()
