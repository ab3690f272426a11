"""Questions: `/v1/answers`, `/v1/search`, `/v1/generate`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from assistant.answer import Event
from assistant.answer import Request as Question
from assistant.api import problems
from assistant.api.security import Asker, GenerateCaller, demand
from assistant.api.state import ServiceState, application, state
from assistant.api.tracing import trace_id
from assistant.guard import checked_history, checked_question
from assistant.wire import (
    AnswerOut,
    AnswerRequest,
    GenerateOut,
    GenerateRequest,
    SearchOut,
    SearchRequest,
    answer_out,
    passage_out,
    route_out,
    search_out,
    sentence_out,
    usage_out,
)
from core.errors import BankassistError
from core.ports import GenerationOptions
from core.prompts import render
from core.text.normalise import normalise, one_line
from core.types import Answer, Draft, Found, Passage, Principal, Query, Route, Sentence, Turn

router = APIRouter(prefix="/v1", tags=["answers"])

_T = TypeVar("_T")


@router.post("/answers", response_model=AnswerOut)
async def answers(body: AnswerRequest, caller: Asker, request: Request) -> Response:
    """Answer a question from the documents that the caller may read. With `stream` the answer comes as server-sent events."""
    service = state(request)
    if not body.use_rag:
        demand(caller, "generate")
    limit = service.application.settings.service.max_question
    history = checked_history([Turn(turn.role, turn.content) for turn in body.history], limit)
    query = Query(checked_question(body.question, limit), caller, body.as_of or service.application.today(), history)
    question = Question(query, body.adapter, body.use_rag, body.top_k)
    if body.stream:
        return await _stream(service, question, request)
    return JSONResponse(answer_out(await _answer(service, question, request)).model_dump(mode="json"))


@router.post("/search")
def search(body: SearchRequest, caller: Asker, request: Request) -> SearchOut:
    """The passages that come nearest to a query, among those that the caller may read."""
    found_in = application(request)
    started = time.perf_counter()
    query = Query(checked_question(body.query, found_in.settings.service.max_question), caller, body.as_of or found_in.today())
    assistant = found_in.assistant
    found = assistant.retriever.search(query, body.top_k)
    assistant.audit.searched(assistant.audit.new_id(), query, found.passages, assistant.sequence())
    return search_out(query.text, query.as_of, found, time.perf_counter() - started, with_score="eval" in caller.scopes)


@router.post("/generate", response_model=AnswerOut | GenerateOut)
async def generate(body: GenerateRequest, caller: GenerateCaller, request: Request) -> Response:
    """Generate with a named adapter. With passages the prompt and the checks are those of an answer; without, the text is unchecked."""
    service = state(request)
    limit = service.application.settings.service.max_question
    query = Query(checked_question(body.input, limit), caller, service.application.today())
    if body.passages is not None:
        given = tuple(_given(number, passage.title, passage.text) for number, passage in enumerate(body.passages, start=1))
        question = Question(query, body.adapter_id, passages=given, max_tokens=body.max_tokens, seed=body.seed)
        return JSONResponse(answer_out(await _answer(service, question, request)).model_dump(mode="json"))
    cancelled = threading.Event()
    done = await _watched(request, service, cancelled, lambda: _plain(service, query, body, caller))
    return JSONResponse(done.model_dump(mode="json"))


def _given(number: int, title: str, text: str) -> Passage:
    clean = normalise(text)
    return Passage(number, f"given-{number}", f"passage-{number}", 1, one_line(title) or f"Passage {number}", (), None, 0, len(clean), clean)


def _plain(service: ServiceState, query: Query, body: GenerateRequest, caller: Principal) -> GenerateOut:
    assistant = service.application.assistant
    route = assistant.router.route(query.text, caller, body.adapter_id)
    audit_id = assistant.audit.new_id()
    options = GenerationOptions(min(body.max_tokens, service.application.settings.generation.max_tokens), seed=body.seed)
    *_, draft = assistant.generator.generate(render(query.text, [], ""), route.adapter, options)
    assert isinstance(draft, Draft)
    usage = usage_out(draft.prompt_tokens, draft.completion_tokens)
    assistant.audit.generated(audit_id, caller.name, {"adapter": str(route.adapter or "base"), "usage": usage.model_dump()})
    version = route.adapter.version if route.adapter else None
    return GenerateOut(
        id=audit_id.replace("aud-", "gen-", 1),
        text=draft.text,
        adapter=route.adapter.name if route.adapter else "base",
        version=version,
        finish_reason=draft.finish_reason,
        usage=usage,
        audit_id=audit_id,
        status="unchecked",
    )


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
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return outcome[0]


async def _stream(service: ServiceState, question: Question, request: Request) -> Response:
    """Server-sent events. What fails before the first event is an ordinary error response."""
    cancelled = threading.Event()
    events = service.application.assistant.events(question, cancelled)
    first = await to_thread.run_sync(next, events, limiter=service.threads)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield _event(first)
            while True:
                event = await to_thread.run_sync(_next, events, limiter=service.threads, abandon_on_cancel=True)
                if event is None:
                    return
                if isinstance(event, Answer):
                    service.metrics.count(event)
                yield _event(event)
        except BankassistError as error:
            yield _sse("error", problems.problem(request.url.path, trace_id(request.scope), problems.status_of(error), error.message, error.code, error.param))
            raise  # a body that ends cleanly would count as complete
        finally:
            cancelled.set()

    return StreamingResponse(body(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _next(events: Iterator[Event]) -> Event | None:
    return next(events, None)


def _event(event: Event) -> bytes:
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


def _sse(name: str, document: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n".encode()
