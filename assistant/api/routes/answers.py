"""Questions: `/v1/answers`, `/v1/search`, `/v1/generate`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from assistant.answer import LONGEST, Generated
from assistant.answer import Request as Question
from assistant.api.deadline import Deadline
from assistant.api.full import place_of
from assistant.api.security import Asker, GenerateCaller, demand
from assistant.api.state import ServiceState, application, state
from assistant.api.work import Sent, answer, generated, sse, stream
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
from core.ports import GenerationOptions, Token
from core.types import Answer, Found, Principal, Query, Route, Sentence, Turn

router = APIRouter(prefix="/v1", tags=["answers"])

#: lower goes first
PRIORITY: Mapping[Tier, int] = {"default": 0, "flex": 1}


@router.post("/answers", response_model=AnswerOut)
async def answers(body: AnswerRequest, caller: Asker, deadline: Deadline, request: Request) -> Response:
    """Answer a question from the documents that the caller may read. With `stream` the answer comes as server-sent events."""
    service = state(request)
    if not body.use_rag:
        demand(caller, "generate")
    return await service.replies.once(request, caller, deadline, lambda: _answers(body, caller, deadline, request, service))


async def _answers(body: AnswerRequest, caller: Principal, deadline: float, request: Request, service: ServiceState) -> Response:
    limit = service.application.settings.service.max_question
    history = checked_history([Turn(turn.role, turn.content) for turn in body.history], limit)
    query = Query(checked_question(body.question, limit), caller, body.as_of or service.application.today(), history)
    top_k = body.top_k or service.application.settings.retrieval.top_k
    options = replace(LONGEST, priority=PRIORITY[body.service_tier], deadline=deadline)
    question = Question(query, body.adapter, body.use_rag, top_k, options=options, place=place_of(request))
    if body.stream:
        return await stream(service, service.application.assistant.events, question, request, partial(_event, asked=question))
    return JSONResponse(answer_out(await answer(service, question, request)).model_dump(mode="json"))


@router.post("/search")
def search(body: SearchRequest, caller: Asker, request: Request) -> SearchOut:
    """The passages that come nearest to a query, among those that the caller may read."""
    found_in = application(request)
    started = time.perf_counter()
    query = Query(checked_question(body.query, found_in.settings.service.max_question), caller, body.as_of or found_in.today())
    assistant = found_in.assistant
    found = assistant.retriever.search(query, body.top_k or found_in.settings.retrieval.top_k)
    assistant.audit.searched(assistant.audit.new_id(), query, found, assistant.sequence())
    return search_out(query.text, query.as_of, found, time.perf_counter() - started, with_score="eval" in caller.scopes)


@router.post("/generate", response_model=AnswerOut | GenerateOut)
async def generate(body: GenerateRequest, caller: GenerateCaller, deadline: Deadline, request: Request) -> Response:
    """Generate with a named adapter. With passages the prompt and the checks are those of an answer; without, the text is unchecked. With `stream` it comes
    as server-sent events."""
    service = state(request)
    return await service.replies.once(request, caller, deadline, lambda: _generate(body, caller, deadline, request, service))


async def _generate(body: GenerateRequest, caller: Principal, deadline: float, request: Request, service: ServiceState) -> Response:
    assistant = service.application.assistant
    limit = service.application.settings.service.max_question
    query = Query(checked_question(body.input, limit), caller, service.application.today())
    options = GenerationOptions(
        body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        stop=tuple(body.stop),
        priority=PRIORITY[body.service_tier],
        deadline=deadline,
        schema=body.response_format.schema_wanted,
        logprobs=body.top_logprobs if body.logprobs else None,
    )
    if body.passages is not None:
        given = checked_passages([(passage.title, passage.text) for passage in body.passages], limit)
        question = Question(query, body.adapter_id, passages=given, options=options, place=place_of(request))
        if body.stream:
            return await stream(service, assistant.events, question, request, partial(_event, asked=question))
        return JSONResponse(answer_out(await answer(service, question, request)).model_dump(mode="json"))
    plain = Question(query, body.adapter_id, options=options, place=place_of(request))
    if body.stream:
        return await stream(service, assistant.writing, plain, request, partial(_event, asked=plain))
    return JSONResponse(_generated(await generated(service, plain, request), plain).model_dump(mode="json"))


def _generated(done: Generated, asked: Question) -> GenerateOut:
    return generate_out(done.audit_id, done.route, done.draft, None if asked.options.logprobs is None else done.logprobs)


def _event(event: Sent, asked: Question) -> bytes:
    match event:
        case Route():
            return sse("route", route_out(event).model_dump(mode="json"))
        case Found():
            return sse(
                "passages", {"passages": [passage_out(passage, with_score=False).model_dump(mode="json", exclude={"score"}) for passage in event.passages]}
            )
        case Sentence():
            return sse("sentence", sentence_out(event).model_dump(mode="json"))
        case Answer():
            return sse("answer", answer_out(event).model_dump(mode="json"))
        case Token():
            return sse("token", token_out(event, with_logprobs=asked.options.logprobs is not None).model_dump(mode="json"))
        case Generated():
            return sse("answer", _generated(event, asked).model_dump(mode="json"))
