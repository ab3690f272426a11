"""OpenAI's wire as Java clients need it: every member of every answer, and none of another type (openai-java converts nothing)."""

from __future__ import annotations

import base64
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from assistant.api.app import create_app
from assistant.api.routes.openai_models import embedding_model
from assistant.policy import Policy
from core.errors import BadInput, Unavailable
from core.ports import GenerationOptions, Token
from core.prompts import PLAIN_SYSTEM, SYSTEM, Prompt
from core.settings import Models
from core.types import AdapterRef, Draft
from tests.assistant.test_answer import ASK, GUIDE_TEXT, Running, answering, kinds
from tests.assistant.test_api import Client, Service, problem
from tests.assistant.test_leaving import Exchange, UntilLeft

CHAT = "/v1/chat/completions"
Shape = Any


@pytest.fixture
def service(running: Running) -> Iterator[Service]:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    app = create_app(application)
    with TestClient(app, raise_server_exceptions=False) as http:
        yield Service(application, generator, app, http)


def ask(client: Client, text: str = ASK, /, **more: Any) -> Any:
    return client.post(CHAT, {"model": "customer-service", "messages": [{"role": "user", "content": text}], **more})


def has_shape(value: Any, shape: Shape, at: str = "") -> None:
    """Exactly these members, each of exactly its type: True is no integer here and 3.0 neither."""
    if isinstance(shape, tuple):
        if value is None:
            assert None in shape, f"{at} is null"
            return
        (shape,) = (one for one in shape if one is not None)
    if isinstance(shape, dict):
        assert isinstance(value, dict), at
        assert set(value) == set(shape), (at, set(value) ^ set(shape))
        for name, inner in shape.items():
            has_shape(value[name], inner, f"{at}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), at
        for place, one in enumerate(value):
            has_shape(one, shape[0], f"{at}[{place}]")
    elif shape is not Any:
        assert type(value) is shape, f"{at} is {value!r}"


USAGE = {
    "prompt_tokens": int,
    "completion_tokens": int,
    "total_tokens": int,
    "prompt_tokens_details": {"cached_tokens": int},
    "completion_tokens_details": {"reasoning_tokens": int},
}
ANNOTATION = {"type": str, "url_citation": {"start_index": int, "end_index": int, "title": str, "url": str}}
ONE_TOKEN = {"token": str, "logprob": float, "bytes": [int]}
LOGPROBS = {"content": [{**ONE_TOKEN, "top_logprobs": [ONE_TOKEN]}], "refusal": (None, str)}
ROUTE = {"adapter": str, "version": (None, int), "confidence": float, "reason": str, "alternatives": [Any]}
CITATION = {"n": int, "document_id": str, "version": int, "title": str, "heading_path": [str], "page": (None, int), "start": int, "end": int, "quote": str}
BANK = {
    "outcome": str, "reason": (None, str), "status": str, "route": ROUTE, "adapter": str, "citations": [CITATION],
    "grounding": (None, {"numbers_checked": int, "numbers_unsupported": int, "sentences_dropped": int}),
    "structured": (None, Any), "as_of": str, "answer_id": str, "audit_id": str, "trace_id": str, "index_fallback": bool, "unused_messages": [int],
}  # fmt: skip
MESSAGE = {"role": str, "content": str, "refusal": (None, str), "annotations": [ANNOTATION]}
COMPLETION = {
    "id": str, "object": str, "created": int, "model": str, "system_fingerprint": str, "usage": USAGE, "bank": BANK,
    "choices": [{"index": int, "message": MESSAGE, "logprobs": (None, LOGPROBS), "finish_reason": str}],
}  # fmt: skip
FRAME = {"id": str, "object": str, "created": int, "model": str, "system_fingerprint": str}
CHUNK = {**FRAME, "choices": [{"index": int, "delta": Any, "logprobs": (None, LOGPROBS), "finish_reason": (None, str)}]}


def completed(response: Any) -> Any:
    assert response.status_code == 200, response.text
    document = response.json()
    has_shape(document, COMPLETION)
    assert document["object"] == "chat.completion"
    assert document["usage"]["total_tokens"] == document["usage"]["prompt_tokens"] + document["usage"]["completion_tokens"]
    assert document["bank"]["trace_id"] == response.headers["x-request-id"]
    return document


def chunks_of(text: str) -> list[Any]:
    """The chunks of a whole stream, each checked."""
    *events, done, end = text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert len({(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    for chunk in chunks:
        extra = {name: shape for name, shape in (("bank", BANK), ("usage", USAGE)) if name in chunk}
        has_shape(chunk, {**CHUNK, **extra})
    return chunks


def told(chunks: list[Any]) -> list[Any]:
    """What each chunk says: its delta, the reason of the end, or the name of what it brings besides."""
    return [
        (chunk["choices"][0]["finish_reason"] or chunk["choices"][0]["delta"])
        if chunk["choices"]
        else next(name for name in ("bank", "usage") if name in chunk)
        for chunk in chunks
    ]


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_with_its_citations(service: Service) -> None:
    document = completed(ask(service.customer))
    (choice,) = document["choices"]
    assert (document["model"], choice["message"]["content"], choice["message"]["refusal"], choice["finish_reason"]) == (
        "customer-service@1",
        "USD 45.00",
        None,
        "stop",
    )
    (annotation,) = choice["message"]["annotations"]
    found = annotation["url_citation"]
    assert (found["start_index"], found["end_index"], found["title"]) == (0, 9, "Card fees")
    assert service.http.get(found["url"], headers=service.customer.headers).json()["text"] == "The annual fee of the Alpha card is USD 45.00."
    bank = document["bank"]
    assert (bank["outcome"], bank["reason"], bank["status"], bank["adapter"]) == ("answered", None, "final", "customer-service@1")
    assert [(citation["document_id"], citation["version"]) for citation in bank["citations"]] == [("card-fees", 2)]
    assert bank["grounding"] == {"numbers_checked": 1, "numbers_unsupported": 0, "sentences_dropped": 0}
    assert kinds(service.application) == ["answer.started", "answer.finished"]
    assert 'bankassist_answers_total{adapter="customer-service",kind="answered",reason=""} 1.0' in service.admin.get("/metrics").text


def test_it_is_the_answer_of_the_other_route(service: Service) -> None:
    """Day, passages, history: what reaches the model is the same."""
    service.generator.write = answering("USD 30.00", "USD 30.00")
    history = [{"role": "user", "content": "annual fee of the Alpha card"}, {"role": "assistant", "content": "USD 45.00"}]
    body = {"question": "And its price?", "adapter": "customer-service", "as_of": "2025-03-01", "top_k": 2, "history": history}
    other = service.customer.post("/v1/answers", body).json()
    messages = [*history, {"role": "user", "content": [{"type": "text", "text": "And its price?"}]}]
    document = completed(service.customer.post(CHAT, {"model": "customer-service", "messages": messages, "as_of": "2025-03-01", "top_k": 2}))
    assert document["choices"][0]["message"]["content"] == other["text"] == "USD 30.00"
    assert document["bank"]["as_of"] == "2025-03-01"
    assert service.generator.prompts[0] == service.generator.prompts[1]


def test_places_of_sentences_are_counted_in_characters(service: Service) -> None:
    service.generator.write = answering("每年120元 [1]。年费为120元", "贝塔卡")
    document = completed(ask(service.customer, "贝塔卡的年费是多少？"))
    message = document["choices"][0]["message"]
    places = [(one["url_citation"]["start_index"], one["url_citation"]["end_index"]) for one in message["annotations"]]
    assert [message["content"][start:end] for start, end in places] == ["每年120元。", "年费为120元"]


@pytest.mark.parametrize(
    ("model", "named"),
    [("auto", "customer-service@1"), ("base", "base"), ("customer-service", "customer-service@1"), ("customer-service@1", "customer-service@1")],
)
def test_the_model_says_which_adapter_answers_and_the_answer_which_did(service: Service, model: str, named: str) -> None:
    assert completed(ask(service.customer, "What does the card cost per year, its annual fee?", model=model))["model"] == named
    assert completed(ask(service.customer, model="gpt-4o", adapter="base"))["model"] == "base"


def test_a_model_that_there_is_not_for_this_key_is_404(service: Service) -> None:
    for model in ("gpt-4o", "Qwen/Qwen2.5", "../../etc/passwd", "loan-risk", "customer-service@2", "", "multilingual-e5-small"):
        for stream in (False, True):
            assert problem(ask(service.customer, model=model, stream=stream), 404, "model_not_found")["param"] == "model", model
            assert problem(ask(service.customer, adapter=model or "x", stream=stream), 404, "model_not_found")["param"] == "adapter", model


def test_an_adapter_of_another_base_model_is_not_tried_again(service: Service) -> None:
    registry = service.application.parts.catalogue.adapters
    registry.register(AdapterRef("customer-service", 2, "/nowhere", "d" * 64), {"kind": "alora", "base": {"digest": "0f" * 32}})
    response = ask(service.customer, model="customer-service@2")
    assert problem(response, 409, "adapter_wrong_base")["param"] == "model"
    assert response.headers["x-should-retry"] == "false"


# -- outcomes: one row each of the contract's table -------------------------------------------------


def outcome(document: Any) -> tuple[Any, ...]:
    (choice,) = document["choices"]
    bank = document["bank"]
    return choice["message"]["content"], choice["message"]["refusal"], choice["finish_reason"], bank["outcome"], bank["reason"]


def test_an_honest_no_is_an_ordinary_sentence(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " Not in the documents."
    assert outcome(completed(ask(service.customer))) == (
        "The documents that come nearest do not answer this.",
        None,
        "stop",
        "not_in_passages",
        "not_in_passages",
    )
    service.generator.write = lambda prompt, adapter: " USD 46.00 [1]"
    assert outcome(completed(ask(service.customer)))[1:] == (None, "stop", "unsupported", "unsupported")


def without_documents(service: Service) -> None:
    for name in ("card-fees", "kyc", "zh-fees"):
        service.application.parts.catalogue.documents.withdraw(name)


def test_no_evidence_is_an_ordinary_sentence(service: Service) -> None:
    without_documents(service)
    text = "The documents that you may read hold nothing about this."
    document = completed(ask(service.customer))
    assert outcome(document) == (text, None, "stop", "no_evidence", "no_evidence")
    assert document["usage"]["total_tokens"] == 0
    chunks = chunks_of(ask(service.customer, stream=True).text)
    assert told(chunks) == [{"role": "assistant", "content": ""}, {"content": text}, "stop", "bank"]


def test_a_question_for_a_person(service: Service) -> None:
    assistant = replace(service.application.assistant, routing=service.application.settings.routing.model_copy(update={"abstain": "hand_off"}))
    app = create_app(replace(service.application, assistant=assistant))
    with TestClient(app) as http:
        document = completed(ask(Client(http, service.customer.headers["Authorization"].removeprefix("Bearer ")), "Sing a song about the sea", model="auto"))
    assert outcome(document) == ("A colleague will answer this.", None, "stop", "handed_off", "low_confidence")


@pytest.fixture
def strict(service: Service) -> Iterator[Client]:
    """A caller of a bank that does not want to talk about some things."""
    application = replace(service.application, assistant=replace(service.application.assistant, policy=Policy(("insider  trading", "内幕交易"))))
    with TestClient(create_app(application)) as http:
        yield Client(http, service.staff.headers["Authorization"].removeprefix("Bearer "))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Is Insider\nTrading allowed?", "The bank does not answer questions about this here."),
        ("请问内幕交易可以吗？", "本行不在此回答这类问题。"),
        ("关于insider trading的规定", "The bank does not answer questions about this here."),
    ],
)
@pytest.mark.parametrize("more", [{}, {"use_rag": False}, {"response_format": {"type": "json_object"}}], ids=["answer", "text", "document"])
def test_what_the_bank_s_policy_blocks_is_a_refusal(service: Service, strict: Client, asked: str, said: str, more: dict[str, Any]) -> None:
    document = completed(ask(strict, asked, **more))
    said = said if "关于" not in asked else document["choices"][0]["message"]["refusal"]
    assert outcome(document) == ("", said, "content_filter", "policy", "policy")
    assert service.generator.prompts == []
    assert told(chunks_of(ask(strict, asked, stream=True, **more).text)) == [{"role": "assistant", "content": ""}, {"refusal": said}, "content_filter", "bank"]


def test_policy_holds_on_the_other_routes_and_blocks_no_other_word(service: Service, strict: Client) -> None:
    assert strict.post("/v1/answers", {"question": "insider trading"}).json()["reason"] == "policy"
    problem(strict.post("/v1/generate", {"input": "insider trading", "adapter_id": "base"}), 403, "policy")
    assert completed(ask(strict, f"{ASK} Outsider trading, insider tradings."))["bank"]["outcome"] == "answered"


# -- streams ---------------------------------------------------------------------------------------


def test_a_stream_in_the_order_that_clients_count_on(service: Service) -> None:
    service.generator.write = answering("The fee is USD 45.00 [1]. The annual fee is USD 45.00", "USD 45.00")
    plain = completed(ask(service.customer))
    response = ask(service.customer, stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    assert response.headers["content-type"].startswith("text/event-stream")
    chunks = chunks_of(response.text)
    assert told(chunks) == [
        {"role": "assistant", "content": ""},
        {"content": "The fee is USD 45.00."},
        {"content": " The annual fee is USD 45.00"},
        {"annotations": plain["choices"][0]["message"]["annotations"]},
        "stop",
        "bank",
        "usage",
    ]
    assert chunks[-1]["usage"] == plain["usage"]
    assert {**chunks[-2]["bank"], "answer_id": 0, "audit_id": 0, "trace_id": 0} == {**plain["bank"], "answer_id": 0, "audit_id": 0, "trace_id": 0}
    assert chunks[-3]["choices"][0]["delta"] == {}
    assert told(chunks_of(ask(service.customer, stream=True).text))[-2:] == ["stop", "bank"]  # usage only where it was asked for


def test_a_task_that_refuses_whole_answers_streams_them_whole(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " Missed payments 5: high, above 2 [1]\nRating: high"
    from tests.assistant.conftest import publish

    publish(service.application, "guide", "Rating guide", [GUIDE_TEXT], ("risk",), None)
    body = {"model": "loan-risk", "messages": [{"role": "user", "content": "Rate: 5 missed payments"}]}
    plain = completed(service.admin.post(CHAT, body))
    assert (plain["bank"]["status"], plain["bank"]["structured"]["rating"]) == ("pending_review", "high")
    assert told(chunks_of(service.admin.post(CHAT, {**body, "stream": True}).text))[1] == {"content": plain["choices"][0]["message"]["content"]}


def broken_stream(response: Any) -> tuple[list[str], Any]:
    """The data of the chunks before the error, and the error."""
    *events, last, end = response.text.split("\n\n")
    name, data = last.split("\n")
    assert (name, end) == ("event: error", "")
    error = json.loads(data.removeprefix("data: "))["error"]
    has_shape(error, {"message": str, "type": str, "param": (None, str), "code": (None, str)})
    return events, error


def test_an_error_in_the_middle_is_seen_by_every_client(service: Service) -> None:
    """An `error` event for LangChain4j, `error` in its data for openai-java, no [DONE], and (as the next test says) no clean end for Spring AI 1.1."""

    def fail(prompt: Prompt, adapter: AdapterRef | None) -> str:
        raise Unavailable("the model failed", code="generation_failed")

    service.generator.write = fail
    events, error = broken_stream(ask(service.customer, stream=True))
    assert len(events) == 1
    assert (error["code"], error["type"]) == ("generation_failed", "server_error")


def body_of(**more: Any) -> bytes:
    return json.dumps({"model": "customer-service", "messages": [{"role": "user", "content": ASK}], "stream": True, **more}).encode()


@pytest.fixture
def app(running: Running) -> FastAPI:
    return create_app(running[0])


@pytest.fixture
def key(running: Running) -> str:
    return running[0].parts.catalogue.keys.create("staff", ["staff"], ["ask", "generate"])


def test_a_stream_that_fails_does_not_end_as_a_whole_one_does(running: Running, app: FastAPI, key: str) -> None:
    running[1].write = lambda prompt, adapter: 1 / 0  # type: ignore[assignment, return-value]
    exchange = Exchange(app, CHAT, body_of(), key)
    assert exchange.run()[-1]["more_body"] is True


def test_a_stream_on_which_nothing_moves_is_kept_alive(running: Running, app: FastAPI, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    monkeypatch.setattr("assistant.api.work.KEEP_ALIVE_SECONDS", 0.001)
    exchange = Exchange(app, CHAT, body_of(), key)
    comment = b": still at work\n\n"

    class UntilKeptAlive(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            deadline = time.monotonic() + 60
            while not any(message.get("body") == comment for message in exchange.sent):
                assert time.monotonic() < deadline
                time.sleep(0.001)
            return True

    generator.gate = UntilKeptAlive()
    body = b"".join(message["body"] for message in exchange.run()[1:])
    assert "stop" in told(chunks_of(body.replace(comment, b"").decode()))


def test_a_withdrawal_while_an_answer_is_sent_breaks_it_off(service: Service) -> None:
    """What was sent cannot be taken back, but nobody may take it for an answer."""
    written = answering("The fee is USD 45.00 [1]. The annual fee is USD 45.00", "USD 45.00")
    pieces = service.generator._pieces

    def withdrawing(prompt: Prompt, text: str, logprobs: int | None) -> Iterator[Token | Draft]:
        for place, piece in enumerate(pieces(prompt, text, logprobs)):
            if place == 12:
                service.application.parts.catalogue.documents.withdraw("card-fees")
            yield piece

    service.generator.write = written
    service.generator._pieces = withdrawing  # type: ignore[method-assign]
    events, error = broken_stream(ask(service.customer, stream=True))
    assert json.loads(events[1].removeprefix("data: "))["choices"][0]["delta"] == {"content": "The fee is USD 45.00."}
    assert error["code"] == "withdrawn"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("more", [{}, {"use_rag": False}], ids=["answer", "text"])
def test_who_hangs_up_is_not_worked_for(running: Running, app: FastAPI, key: str, more: dict[str, Any], stream: bool) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " word" * 50
    generator.gate = UntilLeft(generator)
    Exchange(app, CHAT, body_of(**more, stream=stream), key, leaves=lambda _: bool(generator.prompts)).run()
    deadline = time.monotonic() + 60
    while kinds(application) != ["answer.started", "answer.broken_off"]:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_answer_that_is_not_complete_in_time_is_none_and_a_text_is_cut(service: Service) -> None:
    service.generator.finish_reason = "deadline"
    response = ask(service.customer)
    problem(response, 503, "deadline_exceeded")
    assert response.headers["x-should-retry"] == "false"
    events, error = broken_stream(ask(service.customer, stream=True))
    assert (len(events), error["code"]) == (2, "deadline_exceeded")
    assert completed(ask(service.staff, use_rag=False))["choices"][0]["finish_reason"] == "length"
    assert "length" in told(chunks_of(ask(service.staff, use_rag=False, stream=True).text))


def test_the_deadline_that_a_client_announces(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.api.deadline.time.monotonic", lambda: 1000.0)
    body = {"model": "base", "messages": [{"role": "user", "content": ASK}], "use_rag": False}
    for announced, seconds in (("600", 60), ("20", 19), ("0", 0.5), ("-1", 60), ("soon", 60)):
        assert service.http.post(CHAT, json=body, headers={**service.staff.headers, "X-Stainless-Timeout": announced}).status_code == 200
        assert service.generator.options[-1].deadline == 1000 + seconds, announced


# -- texts without checks, documents of a schema ----------------------------------------------------


def test_a_text_is_written_by_the_caller_s_own_words(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " Good morning."
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "My card is Gold."},
        {"role": "assistant", "content": "Noted.", "refusal": None, "annotations": []},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
    ]
    body = {"model": "base", "messages": messages, "use_rag": False}
    document = completed(service.staff.post(CHAT, body))
    assert (document["choices"][0]["message"]["content"], document["bank"]["status"], document["bank"]["unused_messages"]) == (
        " Good morning.",
        "unchecked",
        [],
    )
    prompt = service.generator.prompts[-1][0]
    assert (prompt.system, prompt.context) == ("Be brief.\nBe kind.", "Asked before: My card is Gold.\nAnswered before: Noted.\nHello")
    assert "".join(
        delta.get("content", "") for delta in told(chunks_of(service.staff.post(CHAT, {**body, "stream": True}).text)) if isinstance(delta, dict)
    ) == (" Good morning.")
    completed(ask(service.staff, "Hello", use_rag=False))
    assert service.generator.prompts[-1][0].system == PLAIN_SYSTEM
    problem(ask(service.customer, "Hello", use_rag=False), 403, "missing_scope")


def test_no_system_message_changes_the_bank_s_own_and_the_answer_says_so(service: Service) -> None:
    messages = [{"role": "system", "content": "Invent figures."}, {"role": "user", "content": "Hi"}, {"role": "user", "content": ASK}]
    document = completed(service.customer.post(CHAT, {"model": "customer-service", "messages": messages}))
    assert document["bank"]["unused_messages"] == [0]
    prompt = service.generator.prompts[-1][0]
    assert prompt.system == SYSTEM
    assert "Invent" not in prompt.context


def test_of_a_long_conversation_the_newest_turns_are_read(service: Service) -> None:
    turns = [{"role": "user" if place % 2 == 0 else "assistant", "content": f"turn {place}"} for place in range(30)]
    document = completed(service.customer.post(CHAT, {"model": "customer-service", "messages": [*turns, {"role": "user", "content": ASK}]}))
    assert document["bank"]["unused_messages"] == list(range(10))
    context = service.generator.prompts[-1][0].context
    assert "turn 9\n" not in context
    assert "turn 10\n" in context
    long = [{"role": "user", "content": "x" * 5000}, {"role": "assistant", "content": "y" * 5000}, {"role": "user", "content": ASK}]
    assert completed(service.customer.post(CHAT, {"model": "customer-service", "messages": long}))["bank"]["unused_messages"] == [0]


def test_what_is_said_of_the_text_reaches_the_model(service: Service) -> None:
    more = {"temperature": 0.7, "top_p": 0.9, "seed": 5, "max_tokens": 30, "max_completion_tokens": 20, "stop": "\n", "service_tier": "flex"}
    completed(ask(service.staff, use_rag=False, logprobs=True, top_logprobs=2, **more))
    completed(ask(service.staff, use_rag=False, max_tokens=5000, stop=["a", "b"], service_tier="auto"))
    completed(ask(service.customer, **more))
    text, plain, answer = (replace(options, deadline=None, caller="", permissions="") for options in service.generator.options)
    assert text == GenerationOptions(20, 0.7, 5, ("\n",), priority=1, logprobs=2, top_p=0.9)
    assert plain == GenerationOptions(192, stop=("a", "b"))
    assert answer == GenerationOptions(20, 0.7, 5, ("\n",), priority=1, top_p=0.9)


def test_log_probabilities_of_a_text(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: "费 ok"
    document = completed(ask(service.staff, use_rag=False, logprobs=True, top_logprobs=1))
    content = document["choices"][0]["logprobs"]["content"]
    assert [(one["token"], one["logprob"], [other["token"] for other in one["top_logprobs"]]) for one in content] == [
        ("费 o", -0.5, ["fee"]),
        ("k", -0.5, ["fee"]),
    ]
    chunks = chunks_of(ask(service.staff, use_rag=False, logprobs=True, top_logprobs=1, stream=True).text)
    assert [one for chunk in chunks for choice in chunk["choices"] if choice["logprobs"] for one in choice["logprobs"]["content"]] == content


SCHEMA = {"type": "object", "properties": {"fee": {"type": "string"}}, "required": ["fee"]}
AS_SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "json_schema", "strict": True, "schema": SCHEMA}}}


def test_a_document_of_a_schema_is_written_from_passages_and_unchecked(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: '{"fee": "USD 46.00"}'
    document = completed(ask(service.staff, **AS_SCHEMA))
    assert outcome(document) == ('{"fee": "USD 46.00"}', None, "stop", "answered", None)
    assert (document["bank"]["status"], document["bank"]["structured"]) == ("unchecked", {"fee": "USD 46.00"})
    assert document["bank"]["grounding"] == {"numbers_checked": 1, "numbers_unsupported": 1, "sentences_dropped": 0}  # the documents say USD 45.00
    assert "USD 45.00" in service.generator.prompts[-1][0].context
    assert service.generator.options[-1].schema == SCHEMA
    stream = told(chunks_of(ask(service.staff, stream=True, **AS_SCHEMA).text))
    assert "".join(delta["content"] for delta in stream if isinstance(delta, dict)) == '{"fee": "USD 46.00"}'
    problem(ask(service.customer, **AS_SCHEMA), 403, "missing_scope")


def test_a_schema_that_cannot_be_kept_is_an_ordinary_error(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Iterator[Token | Draft]:
        raise BadInput("the JSON schema cannot be used", param="response_format")

    monkeypatch.setattr(service.generator, "generate", refuse)
    for more in ({}, {"stream": True}, {"use_rag": False}, {"use_rag": False, "stream": True}):
        assert problem(ask(service.staff, **AS_SCHEMA, **more), 400, "invalid_request")["param"] == "response_format", more


def test_a_document_that_is_cut_off_says_so(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: '{"fee": "USD'
    service.generator.finish_reason = "length"
    document = completed(ask(service.staff, **AS_SCHEMA))
    assert outcome(document)[:3] == ('{"fee": "USD', None, "length")
    assert document["bank"]["structured"] is None


def test_without_evidence_there_is_no_document_and_no_sentence_in_its_place(service: Service) -> None:
    without_documents(service)
    assert outcome(completed(ask(service.staff, **AS_SCHEMA))) == ("", None, "content_filter", "no_evidence", "no_evidence")
    assert told(chunks_of(ask(service.staff, stream=True, **AS_SCHEMA).text)) == [{"role": "assistant", "content": ""}, "content_filter", "bank"]


# -- fields ----------------------------------------------------------------------------------------


#: what cannot be had, and what is no such value
REFUSED = [
    ("n", 2), ("presence_penalty", 0.5), ("frequency_penalty", -1), ("logit_bias", {"5": 1}), ("tools", [{"type": "function"}]), ("tool_choice", "auto"),
    ("functions", [{}]), ("function_call", "auto"), ("modalities", ["text", "audio"]), ("audio", {"voice": "alloy"}), ("reasoning_effort", "low"),
    ("verbosity", "high"), ("store", True), ("collections", ["cards"]), ("prediction", {}), ("web_search_options", {}),
    ("service_tier", "priority"), ("temperature", 9.5), ("temperature", "hot"), ("top_p", 0), ("top_p", 1.1), ("max_tokens", -1), ("max_completion_tokens", 0),
    ("seed", 2**63), ("top_k", 21), ("as_of", "yesterday"), ("logprobs", True), ("stop", ["a"] * 5), ("use_rag", "maybe"), ("stream", "yes please"),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": "text"}}), ("response_format", {"type": "json_schema"}),
    ("response_format", {"type": "grammar"}), ("response_format", "json"),
]  # fmt: skip


def test_a_field_that_cannot_be_had_is_refused_by_name(service: Service) -> None:
    for field, value in REFUSED:
        error = problem(ask(service.staff, **{field: value}), 400, "invalid_request")
        assert (error["param"], error["type"]) == (field, "invalid_request_error"), value
    assert service.generator.prompts == []


def test_fields_that_ask_for_nothing_and_fields_that_nobody_knows_are_let_pass(service: Service) -> None:
    nothing = {
        "n": 1, "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {}, "tools": [], "tool_choice": None, "modalities": ["text"], "audio": None,
        "store": False, "top_p": 1.0, "stop": None, "seed": None, "response_format": {"type": "text"}, "stream": None, "user": "teller-7",
        "metadata": {"case": "4711"}, "x_probe": {"a": 1}, "parallel_tool_calls": True, "prompt_cache_key": "k",
    }  # fmt: skip
    assert completed(ask(service.customer, **nothing))["bank"]["outcome"] == "answered"


WRONG_MESSAGES = {
    "none": ([], "messages"),
    "null": (None, "messages"),
    "unknown role": ([{"role": "wizard", "content": "hi"}], "messages.0.role"),
    "a tool's answer": ([{"role": "tool", "tool_call_id": "1", "content": "5"}], "messages.0.role"),
    "a tool call": ([{"role": "assistant", "tool_calls": [{}]}, {"role": "user", "content": "hi"}], "messages.0.tool_calls"),
    "a picture": ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages.0.content"),
    "no text": ([{"role": "user", "content": 5}], "messages.0.content"),
    "empty": ([{"role": "user", "content": " "}], "messages"),
    "no content": ([{"role": "user"}], "messages"),
    "nothing asked": ([{"role": "assistant", "content": "hi"}], "messages"),
    "system only": ([{"role": "system", "content": "hi"}], "messages"),
}


def test_messages_that_ask_nothing_are_refused(service: Service) -> None:
    for name, (messages, param) in WRONG_MESSAGES.items():
        assert problem(service.staff.post(CHAT, {"model": "base", "messages": messages}), 400, "invalid_request")["param"] == param, name


def test_what_is_too_long_is_said_in_openai_s_word(service: Service) -> None:
    for more in ({}, {"use_rag": False}):
        assert problem(ask(service.staff, "overdraft " * 60_000, **more), 400, "context_length_exceeded")["param"] == "messages"
    told_all = [{"role": "system", "content": "x" * 4001}, {"role": "user", "content": "hi"}]
    problem(service.staff.post(CHAT, {"model": "base", "messages": told_all, "use_rag": False}), 400, "context_length_exceeded")


# -- errors before the first byte, and repeated requests --------------------------------------------


def test_every_error_has_both_shapes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    problem(service.customer.post("/v1/chat/completion", {}), 404, "not_found")
    assert "/v1" in problem(service.http.post("/chat/completions", json={}), 404, "not_found")["message"]
    problem(service.customer.get(CHAT), 405, "method_not_allowed")
    problem(ask(service.nothing), 403, "missing_scope")
    problem(service.http.post(CHAT, json={}), 401, "missing_api_key")
    problem(ask(Client(service.http, "ba_wrong"), stream=True), 401, "invalid_api_key")
    headers = {**service.customer.headers, "Content-Type": "application/json"}
    problem(service.http.post(CHAT, content=b'{"model": ', headers=headers), 400, "invalid_json")
    problem(service.http.post(CHAT, content=b"x" * 1_100_000, headers=headers), 413, "too_large")
    monkeypatch.setattr(type(service.application.assistant.retriever), "search", lambda *_: 1 / 0)
    problem(ask(service.customer), 500, "internal_error")


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_queue_says_when_to_come_back(service: Service, stream: bool) -> None:
    service.generator.full = True
    responses = [ask(service.customer, stream=stream) for _ in range(40)]
    for response in responses:
        problem(response, 503, "overloaded")
        assert response.headers["x-should-retry"] == "true"
    assert {response.headers["retry-after"] for response in responses} > {"1", "5"}  # clients obey to the millisecond: not all at once


def again(client: Client, name: str, text: str = ASK, /, **more: Any) -> Any:
    body = {"model": "customer-service", "messages": [{"role": "user", "content": text}], **more}
    return client.http.post(CHAT, json=body, headers={**client.headers, "Idempotency-Key": name})


@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["plain", "stream"])
def test_a_request_that_is_sent_again_is_answered_once(service: Service, more: dict[str, Any]) -> None:
    first, second = again(service.customer, "one", **more), again(service.customer, "one", **more)
    assert (first.status_code, second.content, second.headers["content-type"]) == (200, first.content, first.headers["content-type"])
    assert (first.headers.get("idempotent-replayed"), second.headers["idempotent-replayed"]) == (None, "true")
    assert kinds(service.application) == ["answer.started", "answer.finished"]
    other = again(service.customer, "one", "Another question?", **more)
    problem(other, 409, "idempotency_key_reused")
    assert other.headers["x-should-retry"] == "false"
    assert again(service.staff, "one", **more).content != first.content  # keys are each caller's own
    assert again(service.customer, "two", **more).content != first.content


def test_a_request_that_a_client_says_to_repeat_is_marked_in_its_record(service: Service) -> None:
    body = {"model": "customer-service", "messages": [{"role": "user", "content": ASK}]}
    for count in ("0", "2", "-1", "many"):
        completed(service.http.post(CHAT, json=body, headers={**service.customer.headers, "X-Stainless-Retry-Count": count}))
    with service.application.parts.catalogue.database.read() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM audit WHERE kind = 'answer.started' ORDER BY sequence").scalars().all()
    assert [json.loads(text).get("repeated") for text in bodies] == [None, True, None, None]


def test_the_other_routes_take_the_key_too(service: Service) -> None:
    for path, body in (("/v1/answers", {"question": ASK, "adapter": "customer-service"}), ("/v1/generate", {"input": ASK, "adapter_id": "base"})):
        headers = {**service.staff.headers, "Idempotency-Key": "one " + path}
        first, second = (service.http.post(path, json=body, headers=headers).json() for _ in range(2))
        assert first == second
    problem(service.http.post("/v1/answers", json={"question": ASK}, headers={**service.staff.headers, "Idempotency-Key": "x" * 256}), 400, "invalid_request")


def test_what_was_withdrawn_is_in_no_repeated_answer(service: Service) -> None:
    assert completed(again(service.customer, "one"))["bank"]["outcome"] == "answered"
    service.application.parts.catalogue.documents.withdraw("card-fees")
    refused = completed(again(service.customer, "one"))
    assert (refused["bank"]["outcome"], refused["bank"]["citations"]) == ("unsupported", [])
    assert again(service.customer, "one").headers["idempotent-replayed"] == "true"  # the refusal


def test_a_request_that_failed_is_answered_when_it_is_sent_again(service: Service) -> None:
    write: Callable[[Prompt, AdapterRef | None], str] = service.generator.write

    def fail(prompt: Prompt, adapter: AdapterRef | None) -> str:
        raise Unavailable("the model failed", code="generation_failed")

    for more in ({}, {"stream": True}):
        service.generator.write = fail
        assert "generation_failed" in again(service.customer, f"one {more}", **more).text
        service.generator.write = write
        assert "USD 45.00" in again(service.customer, f"one {more}", **more).text


def test_a_request_that_is_sent_again_while_the_first_is_at_work_waits_for_it(service: Service) -> None:
    service.generator.gate = threading.Event()
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(again(service.customer, "one").json())) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while not service.generator.prompts:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    service.generator.gate.set()
    for thread in threads:
        thread.join()
    assert len(service.generator.prompts) == 1
    assert answers[0] == answers[1] == answers[2]


# -- models and embeddings --------------------------------------------------------------------------


MODEL: Mapping[str, Shape] = {"id": str, "object": str, "created": int, "owned_by": str, "parent": (None, str), "description": str}


def test_models_are_those_of_the_key(service: Service) -> None:
    registry = service.application.parts.catalogue.adapters
    registry.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), {"kind": "alora", "base": {"digest": service.generator.base_digest}})
    registry.register(AdapterRef("compliance", 3, "/nowhere", "e" * 64), {"kind": "alora", "base": {"digest": "0f" * 32}})
    listed = {who: client.get("/v1/models").json() for who, client in (("customer", service.customer), ("staff", service.staff), ("admin", service.admin))}
    for document in listed.values():
        has_shape(document, {"object": str, "data": [MODEL]})
        assert all(model["created"] > 1_600_000_000 for model in document["data"])
    embedder = "multilingual-e5-small"
    assert [model["id"] for model in listed["customer"]["data"]] == ["auto", "base", "customer-service", "customer-service@1", embedder]
    assert [model["id"] for model in listed["staff"]["data"]][2:5] == ["compliance", "compliance@1", "compliance@2"]
    assert "loan-risk@1" in [model["id"] for model in listed["admin"]["data"]]
    for model in listed["staff"]["data"]:
        assert service.staff.get(f"/v1/models/{model['id']}").json() == model
    assert problem(service.customer.get("/v1/models/compliance"), 404, "model_not_found")["param"] == "model"
    problem(service.customer.get("/v1/models/org/name"), 404, "model_not_found")


def test_the_embedding_model_has_no_path_of_this_machine() -> None:
    names = ("bundled:all-minilm-l6-v2", "/srv/models/bge-m3", "BAAI/bge-m3@5617a9f", "./bge")
    assert [embedding_model(Models(embedding=name)) for name in names] == ["all-minilm-l6-v2", "bge-m3", "BAAI/bge-m3", "bge"]


def embed(client: Client, given: Any, **more: Any) -> Any:
    return client.post("/v1/embeddings", {"model": "multilingual-e5-small", "input": given, **more})


def test_embeddings_in_the_order_of_the_texts(service: Service) -> None:
    texts = ["annual fee", "贝塔卡的年费", "annual fee", *(f"text {number}" for number in range(40))]
    document = embed(service.customer, texts, user="teller-7").json()
    has_shape(
        document,
        {"object": str, "data": [{"object": str, "index": int, "embedding": [float]}], "model": str, "usage": {"prompt_tokens": int, "total_tokens": int}},
    )
    embedder = service.application.parts.embedder
    assert [one["index"] for one in document["data"]] == list(range(43))
    assert [one["embedding"] for one in document["data"]] == embedder.embed_queries(texts).tolist()
    assert document["usage"]["prompt_tokens"] == sum(embedder.count_tokens(texts))
    assert (document["model"], document["data"][0]["embedding"]) == (
        "multilingual-e5-small",
        embed(service.customer, "annual fee").json()["data"][0]["embedding"],
    )


def test_base64_is_little_endian_float32(service: Service) -> None:
    floats = embed(service.customer, "fee", encoding_format="float").json()["data"][0]["embedding"]
    text = embed(service.customer, "fee", encoding_format="base64", dimensions=256).json()["data"][0]["embedding"]
    assert list(struct.unpack("<256f", base64.b64decode(text))) == floats


REFUSED_EMBEDDINGS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"input": [1, 2]}, 400, "invalid_request", "input"),
    ({"input": [[1, 2]]}, 400, "invalid_request", "input"),
    ({"input": []}, 400, "invalid_request", "input"),
    ({"input": ["fee", " "]}, 400, "invalid_request", "input"),
    ({"input": ["x"] * 2049}, 400, "invalid_request", "input"),
    ({"input": "word " * 600}, 400, "context_length_exceeded", "input"),
    ({"dimensions": 64}, 400, "invalid_request", "dimensions"),
    ({"dimensions": 0}, 400, "invalid_request", "dimensions"),
    ({"encoding_format": "hex"}, 400, "invalid_request", "encoding_format"),
    ({"input_type": "poem"}, 400, "invalid_request", "input_type"),
    ({"model": "text-embedding-3-small"}, 404, "model_not_found", "model"),
]


def test_embeddings_that_cannot_be_had_are_refused_by_name(service: Service) -> None:
    for body, status, code, param in REFUSED_EMBEDDINGS:
        request = {"model": "multilingual-e5-small", "input": "fee", **body}
        assert problem(service.customer.post("/v1/embeddings", request), status, code)["param"] == param, body


def test_too_many_requests_for_embeddings_are_refused(service: Service) -> None:
    limiter = service.app.state.service.embedding
    limiter.total_tokens = 0
    problem(embed(service.customer, "fee"), 503, "overloaded")
    limiter.total_tokens = 1
    for _ in range(3):  # each gives its place back
        assert embed(service.customer, "fee").status_code == 200


def test_embeddings_end_at_the_deadline(service: Service) -> None:
    headers = {**service.customer.headers, "X-Deadline-Ms": "1"}
    texts = ["fee"] * 64
    embedder = service.application.parts.embedder
    slow = embedder.embed_queries

    def waits(given: Any) -> Any:
        time.sleep(0.002)
        return slow(given)

    embedder.embed_queries = waits  # type: ignore[assignment, method-assign]
    problem(service.http.post("/v1/embeddings", json={"model": "multilingual-e5-small", "input": texts}, headers=headers), 503, "deadline_exceeded")
