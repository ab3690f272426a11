"""`/v1/chat/completions`: an answer of `/v1/answers`, or a text of `/v1/generate`, as OpenAI's clients ask for it and read it."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from assistant import conversation
from assistant.answer import LONGEST, Generated
from assistant.answer import Request as Question
from assistant.api.deadline import Deadline
from assistant.api.full import place_of
from assistant.api.routes.answers import PRIORITY
from assistant.api.security import Asker, demand
from assistant.api.state import ServiceState, state
from assistant.api.tracing import trace_id
from assistant.api.work import Sent, answer, generated, sse, stream
from assistant.chat_completion import Asked, Chunks, completion
from assistant.openai_wire import ChatCompletionOut, ChatRequest
from assistant.wire import ADAPTER
from core.errors import BadInput, BankassistError, Conflict, NotFound
from core.ports import GenerationOptions
from core.types import Answer, Found, Principal, Query, Route

router = APIRouter(prefix="/v1", tags=["openai"])

_DONE = b"data: [DONE]\n\n"


@router.post("/chat/completions", response_model=ChatCompletionOut)
async def chat_completions(body: ChatRequest, caller: Asker, deadline: Deadline, request: Request) -> Response:
    """Answer the last message from the documents that the caller may read, after OpenAI's chat completions. With `use_rag` false, or a JSON schema, what is
    written is not checked, which needs the scope `generate`. With `stream` chunks come as server-sent events."""
    service = state(request)
    if not body.use_rag or body.schema_wanted is not None:
        demand(caller, "generate")
    return await service.replies.once(request, caller, deadline, lambda: _complete(body, caller, deadline, request, service))


async def _complete(body: ChatRequest, caller: Principal, deadline: float, request: Request, service: ServiceState) -> Response:
    settings, assistant = service.application.settings, service.application.assistant
    read = conversation.read([message.message for message in body.messages], settings.service.max_question)
    # a text without checks is written by the caller's own words; what the bank answers is written by the bank's, whatever a caller's system message says
    checked = body.use_rag or assistant.policy.blocks(read.question)
    field = "adapter" if body.adapter else "model"
    if not re.fullmatch(ADAPTER, body.wanted):
        raise _no_model(field)
    query = Query(read.question, caller, body.as_of or service.application.today(), read.history, _repeated(request))
    question = Question(
        query,
        body.wanted,
        use_rag=body.use_rag,
        top_k=body.top_k or settings.retrieval.top_k,
        options=_options(body, deadline),
        system=read.system,
        place=place_of(request),
    )
    asked = Asked(
        id=f"chatcmpl-{uuid4().hex}",
        created=int(time.time()),
        trace_id=trace_id(request.scope),
        as_of=query.as_of,
        fingerprint=f"fp_{service.application.generator.base_digest[:12]}",
        structured=body.schema_wanted is not None,
        logprobs=body.logprobs_wanted is not None,
        usage=body.wants_usage,
        unused_messages=tuple(sorted((*read.unread, *(read.system_messages if checked else ())))),
    )
    try:
        if body.stream:
            chunks = Chunks(asked)
            # whether a schema can be kept is known when the model begins
            held = (Route, Found) if body.schema_wanted is not None else ()
            return await stream(service, assistant.events if checked else assistant.writing, question, request, lambda event: _encoded(event, chunks), held)
        done = await answer(service, question, request) if checked else await generated(service, question, request)
    except (NotFound, Conflict, BadInput) as error:
        raise _in_openai_s_words(error, field) from error
    return JSONResponse(completion(done, asked).model_dump(mode="json"))


def _repeated(request: Request) -> bool:
    """Whether OpenAI's library says so. Some clients repeat without saying so."""
    count = request.headers.get("X-Stainless-Retry-Count", "0")
    return count.isdecimal() and int(count[:9]) > 0


def _options(body: ChatRequest, deadline: float) -> GenerationOptions:
    if body.use_rag and body.logprobs_wanted is not None:
        raise BadInput(
            "log-probabilities can be had with use_rag false only: an answer from documents is not what the model wrote word for word", param="logprobs"
        )
    return GenerationOptions(
        body.most_tokens or LONGEST.max_tokens,
        temperature=body.temperature or 0.0,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed or 0,
        stop=tuple(body.stop or ()),
        priority=PRIORITY[body.tier],
        deadline=deadline,
        schema=body.schema_wanted,
        logprobs=body.logprobs_wanted,
    )


def _no_model(param: str) -> NotFound:
    return NotFound("there is no such model for this key; GET /v1/models lists those that there are", code="model_not_found", param=param)


def _in_openai_s_words(error: BankassistError, field: str) -> BankassistError:
    if error.code == "adapter_not_found":
        return _no_model(field)
    if error.param == "adapter":
        error.param = field
    elif error.code == "context_length_exceeded":
        error.param = "messages"
    return error


def _encoded(event: Sent, chunks: Chunks) -> bytes:
    last = isinstance(event, Answer | Generated)
    return b"".join([*(sse(None, chunk) for chunk in chunks.of(event)), _DONE if last else b""])
