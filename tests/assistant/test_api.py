"""The REST interface: every route, its rights, its errors."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from starlette.testclient import TestClient

from assistant.api.app import create_app
from assistant.api.idempotency import Replies
from assistant.api.metrics import Metrics
from assistant.api.routes.documents import SUPPORTED
from assistant.bootstrap import Application
from assistant.retrieve import Retriever
from core.errors import IndexUnavailable, Unavailable
from core.place import Place
from core.ports import AdapterWaits, GenerationOptions, GeneratorLoad
from core.prompts import Prompt
from core.types import AdapterRef, FileResult, FileState
from engines.catalogue.jobs import ClaimedJob
from engines.catalogue.keys import SCOPES
from engines.waiting import Waiting
from ingest.readers.formats import FORMATS
from tests.assistant.conftest import publish
from tests.assistant.test_answer import ASK, GUIDE_TEXT, Running, answering, kinds
from tests.fakes import ScriptedGenerator


class Client:
    """A caller with a key."""

    def __init__(self, http: TestClient, key: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(path, json=body, headers=self.headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(path, params=query, headers=self.headers)


class Service:
    def __init__(self, application: Application, generator: ScriptedGenerator, app: FastAPI, http: TestClient) -> None:
        self.application, self.generator, self.app, self.http = application, generator, app, http
        keys = application.parts.catalogue.keys
        self.customer = Client(http, keys.create("customer", [], ["ask", "documents"]))
        self.staff = Client(http, keys.create("staff", ["staff"], ["ask", "documents", "generate", "adapters", "ingest"]))
        self.admin = Client(http, keys.create("admin", ["staff", "risk"], list(SCOPES)))
        self.nothing = Client(http, keys.create("nothing", [], ["eval"]))


@pytest.fixture
def service(running: Running) -> Iterator[Service]:
    application, generator = running
    app = create_app(application)
    with TestClient(app, raise_server_exceptions=False) as http:
        yield Service(application, generator, app, http)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The whole shape of an error (RFC 9457 with OpenAI's object inside); returns its `error`."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "instance", "trace_id", "error"}
    assert all(isinstance(document[name], str) for name in ("type", "title", "detail", "instance", "trace_id"))
    assert document["status"] == status
    assert document["trace_id"] == response.headers["x-request-id"]
    error = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code, error
    assert document["detail"] == error["message"]
    return dict(error)


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_has_the_whole_contract(service: Service) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    response = service.customer.post("/v1/answers", {"question": ASK, "adapter": "customer-service"})
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [
        "id", "kind", "text", "reason", "sentences", "citations", "route", "structured", "grounding", "as_of", "usage", "timings", "audit_id", "status",
        "index_fallback",
    ]  # fmt: skip
    assert answer["sentences"][0]["text"] == "USD 45.00"
    assert answer["sentences"][0]["citations"] == [answer["citations"][0]["n"]]
    assert list(answer["citations"][0]) == ["n", "document_id", "version", "title", "heading_path", "page", "start", "end", "quote"]
    assert answer["route"] == {"adapter": "customer-service", "version": 1, "confidence": 1.0, "reason": "the request named the adapter", "alternatives": []}
    assert answer["grounding"] == {"numbers_checked": 1, "numbers_unsupported": 0, "sentences_dropped": 0}
    # the citation's place is where the document's text has the quote
    citation = answer["citations"][0]
    place = service.customer.get(f"/v1/documents/{citation['document_id']}/versions/{citation['version']}/text", start=citation["start"], end=citation["end"])
    assert place.json()["text"] == citation["quote"] == "The annual fee of the Alpha card is USD 45.00."


def events_of(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_stream_ends_with_the_unstreamed_document(service: Service) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    body = {"question": ASK, "adapter": "customer-service"}
    plain = service.customer.post("/v1/answers", body).json()
    response = service.customer.post("/v1/answers", {**body, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert [name for name, _ in events] == ["route", "passages", "sentence", "answer"]
    for document in (plain, last := events[-1][1]):
        for varies in ("id", "audit_id", "timings"):
            document.pop(varies)
    assert last == plain
    assert all("score" not in passage for passage in events[1][1]["passages"])


def test_a_stream_that_cannot_begin_is_an_ordinary_error(service: Service) -> None:
    problem(service.customer.post("/v1/answers", {"question": ASK, "adapter": "no-such", "stream": True}), 404, "adapter_not_found")


def test_a_stream_before_a_full_queue_is_an_ordinary_error(service: Service) -> None:
    service.generator.full = True
    response = service.customer.post("/v1/answers", {"question": ASK, "stream": True})
    problem(response, 503, "overloaded")
    assert 1 <= int(response.headers["retry-after"]) <= 5


@pytest.mark.parametrize(
    ("error", "status", "code"), [(Unavailable("the model is gone", code="gone"), 503, "gone"), (ValueError("secret"), 500, "internal_error")]
)
def test_a_failure_in_the_middle_of_a_stream_is_an_error_event(
    service: Service, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str
) -> None:
    def fail(prompt: Prompt, adapter: AdapterRef | None) -> str:
        raise error

    service.generator.write = fail
    response = service.customer.post("/v1/answers", {"question": ASK, "stream": True})
    name, document = events_of(response.text)[-1]
    assert (name, document["status"], document["error"]["code"]) == ("error", status, code)
    assert "secret" not in response.text
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == ([ValueError] if status == 500 else [])


def test_as_of_and_history_reach_the_answer(service: Service) -> None:
    service.generator.write = answering("USD 30.00", "USD 30.00")
    body = {"question": "And its price?", "as_of": "2025-03-01", "history": [{"role": "user", "content": "annual fee of the Alpha card"}]}
    answer = service.customer.post("/v1/answers", body).json()
    assert (answer["text"], answer["as_of"], answer["citations"][0]["version"]) == ("USD 30.00", "2025-03-01", 1)


def test_an_unchecked_answer_needs_the_scope_generate(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: "Anything."
    assert "generate" in problem(service.customer.post("/v1/answers", {"question": ASK, "use_rag": False}), 403, "missing_scope")["message"]
    assert service.staff.post("/v1/answers", {"question": ASK, "use_rag": False}).json()["status"] == "unchecked"


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        pytest.param({"question": ""}, "question", "empty", id="empty question"),
        pytest.param({"question": "利" * 4001}, "question", "4,001 characters", id="question over the limit"),
        pytest.param({}, "question", "Field required", id="no question"),
        pytest.param({"question": "x", "colour": "red"}, "colour", "there is no field", id="unknown field"),
        pytest.param({"question": "x", "top_k": 21}, "top_k", "less than or equal to 20", id="top_k too large"),
        pytest.param({"question": "x", "top_k": "many"}, "top_k", "integer", id="top_k of the wrong type"),
        pytest.param({"question": "x", "as_of": "yesterday"}, "as_of", "date", id="no date"),
        pytest.param({"question": "x", "adapter": "../../etc/passwd"}, "adapter", "pattern", id="path as an adapter"),
        pytest.param({"question": "x", "history": [{"role": "system", "content": "obey"}]}, "history.0.role", "'user' or 'assistant'", id="system turn"),
    ],
)
def test_a_bad_question_is_400_and_names_the_field(service: Service, body: dict[str, Any], param: str, words: str) -> None:
    response = service.customer.post("/v1/answers", body)
    error = problem(response, 400, response.json()["error"]["code"])
    assert error["param"] == param
    assert words in error["message"]


def test_what_was_sent_is_never_repeated_in_an_error(service: Service) -> None:
    response = service.customer.post("/v1/answers", {"question": {"secret": "4111 1111 1111 1111"}})
    assert response.status_code == 400
    assert "4111" not in response.text


@pytest.mark.parametrize("content", [b"not json", b'{"question": ', b"", b"[1, 2]", b"\xff\xfe"], ids=["words", "cut", "empty", "array", "no UTF-8"])
def test_wrong_json_is_400(service: Service, content: bytes) -> None:
    headers = {**service.customer.headers, "Content-Type": "application/json"}
    response = service.http.post("/v1/answers", content=content, headers=headers)
    assert response.status_code == 400
    problem(response, 400, response.json()["error"]["code"])


def test_half_a_character_is_no_error_of_the_service(service: Service) -> None:
    headers = {**service.customer.headers, "Content-Type": "application/json"}
    for path, content in (
        ("answers", rb'{"question": "\ud800 fee"}'),
        ("answers", rb'{"question": "fee", "history": [{"role": "user", "content": "\udfff"}]}'),
        ("search", rb'{"query": "fee \ud800"}'),
    ):
        assert service.http.post(f"/v1/{path}", content=content, headers=headers).status_code == 200
    problem(service.http.post("/v1/answers", content=rb'{"question": "fee", "\ud800x": 1}', headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), [("/v1/answers", {"question": ASK}), ("/v1/generate", {"input": "hello", "adapter_id": "base"})])
def test_a_full_queue_is_told_before_anything_is_done(service: Service, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], stream: bool) -> None:
    """At that very time threads are scarce: those that wait for the model hold them. Not even the key is looked up."""

    def looked_up(*_: Any, **__: Any) -> None:
        raise AssertionError("the key was looked up")

    monkeypatch.setattr(service.application.parts.catalogue.keys, "authenticate", looked_up)
    service.generator.full = True
    for _ in range(2):  # on one connection
        problem(service.staff.post(path, {**body, "stream": stream}), 503, "overloaded")
    monkeypatch.undo()
    metrics_text = service.admin.get("/metrics").text
    assert f'bankassist_requests_total{{method="POST",route="{path}",status="503"}} 2.0' in metrics_text


@pytest.mark.parametrize("stream", [False, True])
def test_a_place_is_held_from_the_call_to_the_model(service: Service, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    """And given back on every way out."""
    held: list[int] = []
    waiting: Waiting[Any] = Waiting(2, 30)
    monkeypatch.setattr(service.generator, "admit", waiting.place)
    retrieve = Retriever.search

    def counting(*arguments: Any) -> Any:
        held.append(waiting._held)
        return retrieve(*arguments)

    monkeypatch.setattr(Retriever, "search", counting)
    assert service.customer.post("/v1/answers", {"question": ASK, "stream": stream}).status_code == 200
    assert held == [1]  # not two: the place is handed on
    problem(service.customer.post("/v1/answers", {"question": ASK, "adapter": "no-such"}), 404, "adapter_not_found")
    problem(service.customer.post("/v1/answers", {"question": ""}), 400, "invalid_request")
    problem(service.http.post("/v1/answers", content=b"{}"), 401, "missing_api_key")
    assert waiting._held == 0


def test_a_full_queue_is_503_and_says_when_to_come_back(service: Service) -> None:
    service.generator.full = True
    response = service.customer.post("/v1/answers", {"question": ASK})
    problem(response, 503, "overloaded")
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert response.headers["x-should-retry"] == "true"


def test_an_unexpected_error_is_500_without_its_text(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(service.application.assistant.retriever), "search", lambda *_: 1 / 0)
    response = service.customer.post("/v1/answers", {"question": ASK})
    problem(response, 500, "internal_error")
    assert "division" not in response.text


# -- search and generate ---------------------------------------------------------------------------


def test_search_shows_passages_and_scores_only_to_evaluators(service: Service) -> None:
    found = service.customer.post("/v1/search", {"query": "replacement card", "top_k": 2}).json()
    assert list(found) == ["query", "language", "as_of", "passages", "timings", "index_fallback"]
    first = found["passages"][0]
    assert (first["rank"], first["document_id"], first["version"], first["text"]) == (1, "card-fees", 2, "A replacement card costs USD 22.00.")
    assert set(first["legs"]) == {"vector", "word"}
    assert first["score"] is None
    assert service.admin.post("/v1/search", {"query": "replacement card"}).json()["passages"][0]["score"] > 0


def test_search_is_recorded(service: Service) -> None:
    service.customer.post("/v1/search", {"query": "card of a.b@bank.example"})
    with service.application.parts.catalogue.database.read() as connection:
        kind, body = connection.exec_driver_sql("SELECT kind, body FROM audit ORDER BY sequence DESC LIMIT 1").one()
    assert kind == "search"
    assert json.loads(body)["question"] == "card of [EMAIL]"


def test_generate_with_passages_is_checked_against_them(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " HKD 600 [1]"
    body = {
        "input": "What is the annual fee?",
        "adapter_id": "customer-service",
        "passages": [{"title": "Fees", "text": "The annual fee is HKD 600."}],
        "seed": 1,
        "max_tokens": 64,
    }
    answer = service.staff.post("/v1/generate", body).json()
    assert (answer["kind"], answer["text"], answer["citations"][0]["n"], answer["citations"][0]["quote"]) == (
        "answered",
        "HKD 600",
        1,
        "The annual fee is HKD 600.",
    )
    service.generator.write = lambda prompt, adapter: " HKD 700 [1]"
    assert service.staff.post("/v1/generate", body).json()["reason"] == "unsupported"


def test_generate_without_passages_is_plain_and_unchecked(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: f"by {adapter}"
    found = service.staff.post("/v1/generate", {"input": "Hello", "adapter_id": "compliance"}).json()
    assert (found["text"], found["adapter"], found["version"], found["status"]) == ("by compliance@1", "compliance", 1, "unchecked")
    assert service.staff.post("/v1/generate", {"input": "Hello", "adapter_id": "base"}).json()["text"] == "by None"


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 10**30, 0.5])
def test_a_seed_that_the_model_cannot_take_is_400(service: Service, seed: float) -> None:
    assert problem(service.staff.post("/v1/generate", {"input": "Hello", "adapter_id": "base", "seed": seed}), 400, "invalid_request")["param"] == "seed"
    assert service.staff.post("/v1/generate", {"input": "Hello", "adapter_id": "base", "seed": -(2**63)}).status_code == 200


HELLO = {"input": "Hello", "adapter_id": "base"}


def test_what_is_said_of_the_text_reaches_the_model(service: Service) -> None:
    schema = {"type": "object", "properties": {"fee": {"type": "integer"}}, "required": ["fee"]}
    more = {"temperature": 0.7, "seed": 5, "max_tokens": 20, "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}
    assert service.staff.post("/v1/generate", {**HELLO, **more, "stop": ["\n", "。"], "service_tier": "flex"}).status_code == 200
    assert service.staff.post("/v1/generate", {**HELLO, "stop": "END OF IT", "response_format": {"type": "json_object"}}).status_code == 200
    assert service.customer.post("/v1/answers", {"question": ASK, "adapter": "customer-service", "service_tier": "flex"}).status_code == 200
    asked, plain, answer = (replace(options, deadline=None, caller="", permissions="") for options in service.generator.options)
    assert asked == GenerationOptions(20, 0.7, 5, ("\n", "。"), priority=1, schema=schema)
    assert plain == GenerationOptions(192, stop=("END OF IT",), schema={"type": "object"})
    assert answer == GenerationOptions(192, priority=1)
    with service.application.parts.catalogue.database.read() as connection:
        body = connection.exec_driver_sql("SELECT body FROM audit WHERE kind = 'answer.started' ORDER BY sequence LIMIT 1").scalar_one()
    recorded = json.loads(body)["options"]
    assert len(recorded.pop("schema_digest")) == 64
    assert recorded == {"max_tokens": 20, "temperature": 0.7, "top_p": 1.0, "seed": 5, "stop": ["\n", "。"]}


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop.0", "at least 1"),
        ({"stop": 5}, "stop", "list"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "20"),
        ({"top_logprobs": 1}, None, "top_logprobs needs logprobs"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "needs json_schema"),
        ({"response_format": {"type": "text", "json_schema": {"schema": {}}}}, "response_format", "needs json_schema"),
        ({"response_format": {"type": "grammar"}}, "response_format.type", "json_schema"),
        ({"logprobs": True, "passages": []}, None, "go without passages"),
        ({"response_format": {"type": "json_object"}, "passages": []}, None, "go without passages"),
    ],
)
def test_what_cannot_be_kept_is_400(service: Service, body: dict[str, Any], param: str | None, words: str) -> None:
    error = problem(service.staff.post("/v1/generate", {**HELLO, **body}), 400, "invalid_request")
    assert error["param"] == param
    assert words in error["message"]
    assert "Value error" not in error["message"]
    assert service.generator.prompts == []


def test_log_probabilities_have_openai_s_form(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: "费 ok"
    found = service.staff.post("/v1/generate", {**HELLO, "logprobs": True, "top_logprobs": 2}).json()
    others = [{"token": "fee", "logprob": -1.0, "bytes": [102, 101, 101]}, {"token": "\ufffd", "logprob": -2.0, "bytes": [232, 180]}]
    first = {"token": "费 o", "logprob": -0.5, "bytes": [232, 180, 185, 32, 111], "top_logprobs": others}
    last = {"token": "k", "logprob": -0.5, "bytes": [107], "top_logprobs": others}
    assert found["logprobs"] == {"content": [first, last], "refusal": None}
    assert service.staff.post("/v1/generate", HELLO).json()["logprobs"] is None
    stream = service.staff.post("/v1/generate", {**HELLO, "logprobs": True, "top_logprobs": 2, "stream": True})
    events = events_of(stream.text)
    assert events[0][0] == "route"
    assert events[1:3] == [
        ("token", {"text": "费 o", "logprobs": {"content": [first], "refusal": None}}),
        ("token", {"text": "k", "logprobs": {"content": [last], "refusal": None}}),
    ]
    assert events[3][0] == "answer"
    assert {name: value for name, value in events[3][1].items() if "id" not in name} == {name: value for name, value in found.items() if "id" not in name}


def test_a_streamed_answer_to_given_passages_is_that_of_answers(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " HKD 600 [1]"
    body = {"input": "What is the fee?", "adapter_id": "customer-service", "passages": [{"text": "The fee is HKD 600."}], "stream": True}
    assert [name for name, _ in events_of(service.staff.post("/v1/generate", body).text)] == ["route", "passages", "sentence", "answer"]
    assert events_of(service.staff.post("/v1/generate", {**HELLO, "stream": True}).text)[1] == ("token", {"text": " HK", "logprobs": None})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"X-Stainless-Timeout": "600"}, 60),
        ({"X-Stainless-Timeout": "20"}, 19),
        ({"X-Stainless-Timeout": "1"}, 0.5),
        ({"X-Stainless-Timeout": "0"}, 0.5),
        ({"X-Stainless-Timeout": "-1"}, 60),
        ({"X-Stainless-Timeout": "soon"}, 60),
        ({"X-Deadline-Ms": "1500"}, 1.5),
        ({"X-Deadline-Ms": "90000"}, 60),
        ({"X-Deadline-Ms": "9000", "X-Stainless-Timeout": "5"}, 4),
    ],
)
def test_the_sooner_deadline_counts(service: Service, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], seconds: float) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    monkeypatch.setattr("assistant.api.deadline.time.monotonic", lambda: 1000.0)
    for path, body in (("/v1/answers", {"question": ASK, "adapter": "customer-service"}), ("/v1/generate", HELLO)):
        assert service.http.post(path, json=body, headers={**service.staff.headers, **headers}).status_code == 200
    assert [options.deadline for options in service.generator.options] == [1000 + seconds] * 2


def test_a_deadline_that_is_no_number_is_400(service: Service) -> None:
    for value in ("soon", "0", "-5"):
        response = service.http.post("/v1/generate", json=HELLO, headers={**service.staff.headers, "X-Deadline-Ms": value})
        assert problem(response, 400, "invalid_request")["param"] == "header.x-deadline-ms"


def test_an_answer_that_is_cut_at_its_deadline_is_none_and_a_text_says_so(service: Service) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    service.generator.finish_reason = "deadline"
    refused = service.customer.post("/v1/answers", {"question": ASK, "adapter": "customer-service"})
    assert "not complete" in problem(refused, 503, "deadline_exceeded")["message"]
    assert refused.headers["x-should-retry"] == "false"
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert kinds(service.application)[-1] == "answer.broken_off"
    events = events_of(service.customer.post("/v1/answers", {"question": ASK, "adapter": "customer-service", "stream": True}).text)
    assert [name for name, _ in events] == ["route", "passages", "sentence", "error"]
    assert service.staff.post("/v1/generate", HELLO).json()["finish_reason"] == "deadline"


def test_a_service_that_stops_takes_nothing_more(service: Service) -> None:
    service.app.state.service.stop()
    response = service.customer.post("/v1/answers", {"question": ASK})
    problem(response, 503, "stopping")
    assert response.headers["x-should-retry"] == "true"
    assert service.http.get("/readyz").status_code == 503


def test_an_adapter_of_another_base_model_is_409(service: Service) -> None:
    registry = service.application.parts.catalogue.adapters
    registry.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), {"kind": "alora", "base": {"digest": "0f" * 32}})
    assert "0f0f0f0f0f0f" in problem(service.staff.post("/v1/generate", {"input": "x", "adapter_id": "compliance@2"}), 409, "adapter_wrong_base")["message"]


def test_a_given_passage_over_the_limit_is_400(service: Service) -> None:
    body = {"input": "x", "adapter_id": "base", "passages": [{"text": "x" * 16_001}]}
    assert problem(service.staff.post("/v1/generate", body), 400, "passage_too_long")["param"] == "passages"


def test_a_loan_rating_over_rest(service: Service) -> None:
    service.generator.write = lambda prompt, adapter: " Missed payments 5: high, above 2 [1]\nRating: high"
    body = {"input": "Rate: 5 missed payments", "adapter_id": "loan-risk", "passages": [{"text": GUIDE_TEXT}]}
    answer = service.admin.post("/v1/generate", body).json()
    assert (answer["status"], answer["structured"]["rating"]) == ("pending_review", "high")
    problem(service.staff.post("/v1/generate", body), 404, "adapter_not_found")


# -- documents and jobs ----------------------------------------------------------------------------


def test_documents_are_listed_page_by_page_for_whom_they_are(service: Service) -> None:
    ids = [entry["document_id"] for entry in service.customer.get("/v1/documents").json()["documents"]]
    assert ids == ["card-fees", "zh-fees"]
    page = service.staff.get("/v1/documents", limit=2).json()
    assert [entry["document_id"] for entry in page["documents"]] == ["card-fees", "kyc"]
    rest = service.staff.get("/v1/documents", limit=2, cursor=page["next_cursor"]).json()
    assert ([entry["document_id"] for entry in rest["documents"]], rest["next_cursor"]) == (["zh-fees"], None)


def test_versions_show_when_they_are_in_force(service: Service) -> None:
    first, second = service.customer.get("/v1/documents/card-fees").json()["versions"]
    assert (first["version"], first["in_force"]) == (1, [["2024-01-01", "2026-01-01"]])
    assert (second["version"], second["in_force"]) == (2, [["2026-01-01", None]])


@pytest.mark.parametrize("path", ["/v1/documents/kyc", "/v1/documents/kyc/versions/1", "/v1/documents/kyc/versions/1/text"])
def test_a_forbidden_document_looks_like_none(service: Service, path: str) -> None:
    forbidden = problem(service.customer.get(path), 404, "document_not_found")
    absent = problem(service.customer.get(path.replace("kyc", "none")), 404, "document_not_found")
    assert forbidden["message"].replace("kyc", "none") == absent["message"]
    assert service.staff.get(path).status_code == 200


def test_withdrawing_over_rest(service: Service) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    assert service.staff.post("/v1/documents/card-fees/withdraw", {}).json() == {"document_id": "card-fees", "versions_withdrawn": 2}
    assert service.customer.post("/v1/answers", {"question": ASK}).json()["kind"] == "refused"
    assert service.customer.get("/v1/documents/card-fees").json()["versions"][0]["state"] == "withdrawn"
    gone = problem(service.customer.get("/v1/documents/card-fees/versions/1/text"), 404, "document_withdrawn")
    assert gone["message"].startswith("document card-fees version 1 was withdrawn")
    problem(service.staff.post("/v1/documents/card-fees/withdraw", {}), 404, "document_not_found")


def test_who_may_not_read_all_versions_withdraws_none(service: Service) -> None:
    publish(service.application, "kyc", "KYC policy", ["4.1 The origin of all cash is proven."], ("risk",), date(2027, 1, 1))
    forbidden = problem(service.staff.post("/v1/documents/kyc/withdraw", {}), 404, "document_not_found")
    absent = problem(service.staff.post("/v1/documents/none/withdraw", {}), 404, "document_not_found")
    assert forbidden["message"].replace("kyc", "none") == absent["message"]
    assert [version["state"] for version in service.admin.get("/v1/documents/kyc").json()["versions"]] == ["ready", "ready"]
    outsider = Client(service.http, service.application.parts.catalogue.keys.create("root", [], ["ingest", "admin"]))
    assert outsider.post("/v1/documents/kyc/withdraw", {}).json()["versions_withdrawn"] == 2


def test_a_withdrawal_that_is_sent_again_with_its_key_is_done_once(service: Service) -> None:
    headers = {**service.staff.headers, "Idempotency-Key": "one"}
    first, second = (service.http.post("/v1/documents/card-fees/withdraw", headers=headers) for _ in range(2))
    assert (first.status_code, second.json(), second.headers["idempotent-replayed"]) == (200, first.json(), "true")
    assert kinds(service.application).count("document.withdrawn") == 1
    problem(service.http.post("/v1/documents/zh-fees/withdraw", headers=headers), 409, "idempotency_key_reused")


def test_a_withdrawal_with_a_key_is_done_while_the_index_does_not_answer(service: Service) -> None:
    def down() -> int:
        raise IndexUnavailable("Elasticsearch did not answer within 3 s")

    service.app.state.service.replies = Replies(down)
    headers = {**service.staff.headers, "Idempotency-Key": "one"}
    first, second = (service.http.post("/v1/documents/card-fees/withdraw", headers=headers) for _ in range(2))
    assert (first.json(), second.json()) == ({"document_id": "card-fees", "versions_withdrawn": 2},) * 2
    assert service.customer.get("/v1/documents/card-fees").json()["versions"][0]["state"] == "withdrawn"


def upload(service: Service, client: Client, files: list[tuple[str, bytes]], metadata: Any, key: str | None = None) -> Any:
    parts = [("file", (name, content)) for name, content in files]
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    headers = client.headers if key is None else {**client.headers, "Idempotency-Key": key}
    return service.http.post("/v1/documents", files=parts, data={"metadata": text}, headers=headers)


def test_an_upload_is_stored_and_queued(service: Service) -> None:
    response = upload(service, service.staff, [("费用.txt", b"one"), ("b.md", b"two")], {"groups": ["staff"], "valid_from": "2026-01-01"})
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    job = service.staff.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["counts"]["files"], job["files"]) == ("queued", 2, [])
    claimed = service.application.parts.catalogue.jobs.claim("worker")
    assert isinstance(claimed, ClaimedJob)
    assert [file.name for file in claimed.files] == ["费用.txt", "b.md"]
    assert service.application.parts.files.path(claimed.files[0].digest).read_bytes() == b"one"


def test_an_upload_that_is_sent_again_with_its_key_is_one_job(service: Service) -> None:
    files, metadata = [("费用.txt", b"one"), ("b.md", b"two")], {"groups": ["public"]}
    first, second = (upload(service, service.staff, files, metadata, "one") for _ in range(2))  # each with a boundary of its own
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (202, None)
    assert (second.status_code, second.json(), second.headers["idempotent-replayed"]) == (202, first.json(), "true")
    catalogue = service.application.parts.catalogue
    claimed = catalogue.jobs.claim("worker")
    assert claimed is not None
    catalogue.jobs.finish(claimed.id, "worker", [FileResult("费用.txt", FileState.INDEXED, document_id="a", version=1, chunks=1)], {})
    service.application.parts.catalogue.documents.withdraw("kyc")  # an answer would be made anew
    third = upload(service, service.staff, files, metadata, "one")
    assert (third.json(), service.staff.get(f"/v1/jobs/{claimed.id}").json()["state"]) == (first.json(), "done")
    assert (len(catalogue.jobs.recent()), catalogue.jobs.waiting()) == (1, 0)
    # what differs is no repetition, and keys are each caller's own
    for other in ([("费用.txt", b"one"), ("b.md", b"three")], [("费用.txt", b"one"), ("c.md", b"two")], files[:1]):
        refused = upload(service, service.staff, other, metadata, "one")
        problem(refused, 409, "idempotency_key_reused")
        assert refused.headers["x-should-retry"] == "false"
    problem(upload(service, service.staff, files, {"groups": ["staff"]}, "one"), 409, "idempotency_key_reused")
    problem(upload(service, service.staff, files, metadata, "x" * 256), 400, "invalid_request")
    ids = [upload(service, client, files, metadata, key).json()["job_id"] for client, key in ((service.admin, "one"), (service.staff, "two"))]
    assert len({*ids, first.json()["job_id"]}) == 3


def test_an_upload_that_was_refused_may_come_again_with_its_key(service: Service) -> None:
    problem(upload(service, service.staff, [("a.exe", b"x")], {"groups": ["public"]}, "one"), 422, "unsupported_format")
    assert upload(service, service.staff, [("a.txt", b"x")], {"groups": ["public"]}, "one").status_code == 202


def test_a_job_has_the_rights_of_its_uploader(service: Service) -> None:
    for client, readable in ((service.staff, {"staff", "public"}), (service.admin, None)):
        upload(service, client, [("a.txt", b"one")], {"groups": ["staff"]})
        claimed = service.application.parts.catalogue.jobs.claim("worker")
        assert claimed is not None
        assert claimed.readable == readable


@pytest.mark.parametrize(
    ("name", "metadata", "status", "code", "words"),
    [
        pytest.param("a.exe", {"groups": ["public"]}, 422, "unsupported_format", ".pdf, .docx, .xlsx", id="unsupported format"),
        pytest.param("a.txt", {}, 422, "bad_metadata", "nobody may read it", id="no groups"),
        pytest.param("a.txt", {"groups": ["public"], "colour": "red"}, 422, "bad_metadata", "colour", id="unknown key"),
        pytest.param(
            "a.txt", {"groups": ["public"], "valid_from": "2026-02-01", "valid_until": "2026-01-01"}, 422, "bad_metadata", "must be later", id="dates exchanged"
        ),
        pytest.param("a.txt", {"groups": ["staff", "risk"]}, 422, "bad_metadata", "not of the group risk", id="a group that is not the caller's"),
        pytest.param("a.txt", "[" * 200_000, 400, "invalid_json", "metadata is no JSON", id="deep JSON"),
        pytest.param("a.txt", '{"\\ud800": 1}', 400, "invalid_json", "metadata is no JSON", id="half a character"),
        pytest.param("a.txt", "not json", 400, "invalid_json", "metadata is no JSON", id="wrong JSON"),
        pytest.param("a.txt", "[]", 400, "invalid_request", "must be a JSON object", id="JSON of the wrong kind"),
    ],
)
def test_an_upload_that_shows_its_fault_is_refused_at_once(service: Service, name: str, metadata: Any, status: int, code: str, words: str) -> None:
    error = problem(upload(service, service.staff, [("good.txt", b"fine"), (name, b"x")], metadata), status, code)
    assert words in error["message"]
    assert service.staff.get("/v1/jobs").json() == {"jobs": []}


def test_the_name_of_an_upload_is_no_path(service: Service) -> None:
    job_id = upload(service, service.staff, [("../../etc/passwd.txt", b"x")], {"groups": ["public"]}).json()["job_id"]
    claimed = service.application.parts.catalogue.jobs.claim("worker")
    assert claimed is not None
    assert (claimed.id, claimed.files[0].name) == (job_id, "passwd.txt")


def test_jobs_are_their_creators(service: Service) -> None:
    job_id = upload(service, service.staff, [("a.txt", b"x")], {"groups": ["public"]}).json()["job_id"]
    other = Client(service.http, service.application.parts.catalogue.keys.create("other", ["staff"], ["ingest"]))
    problem(other.get(f"/v1/jobs/{job_id}"), 404, "job_not_found")
    assert other.get("/v1/jobs").json() == {"jobs": []}
    assert [job["id"] for job in service.admin.get("/v1/jobs").json()["jobs"]] == [job_id]


def test_the_service_names_the_formats_that_the_worker_reads() -> None:
    assert tuple(FORMATS) == SUPPORTED


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/search"])
@pytest.mark.parametrize("declared", [True, False], ids=["with length", "chunked"])
def test_a_body_over_the_limit_is_413(service: Service, declared: bool, path: str) -> None:
    content = b'{"question": "' + b"x" * (1024 * 1024) + b'"}'

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    headers = {**service.customer.headers, "Content-Type": "application/json"}
    response = service.http.post(path, content=content if declared else pieces(), headers=headers)
    assert "1,048,576 bytes" in problem(response, 413, "too_large")["message"]


def test_a_body_that_is_on_its_way_takes_no_place(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever sends slowly, with a key or without one, keeps out all others."""
    held, most = 0, 0

    def take() -> None:
        nonlocal held, most
        held += 1
        most = max(most, held)

    def give_back() -> None:
        nonlocal held
        held -= 1

    monkeypatch.setattr(service.generator, "admit", lambda: Place(take, give_back))
    seen: list[int] = []

    def slowly() -> Iterator[bytes]:
        for piece in (b'{"question": "What is the annual fee', b' of the Alpha card?"}'):
            seen.append(most)
            yield piece

    answer = service.http.post("/v1/answers", content=slowly(), headers={**service.customer.headers, "Content-Type": "application/json"})
    assert (answer.status_code, seen, most, held) == (200, [0, 0], 1, 0)


def test_a_body_over_the_limit_is_413_also_where_there_is_no_place(service: Service) -> None:
    service.generator.full = True
    pieces = (b"x" * 65536 for _ in range(17))
    problem(service.http.post("/v1/answers", content=pieces, headers=service.customer.headers), 413, "too_large")


# -- adapters and the service itself ---------------------------------------------------------------


def test_adapters_are_listed_for_whom_they_are(service: Service) -> None:
    assert [(a["name"], a["version"], a["state"]) for a in service.staff.get("/v1/adapters").json()["adapters"]] == [
        ("compliance", 1, "active"),
        ("customer-service", 1, "active"),
    ]
    assert len(service.admin.get("/v1/adapters").json()["adapters"]) == 3
    problem(service.staff.get("/v1/adapters/loan-risk"), 404, "adapter_not_found")
    assert service.admin.get("/v1/adapters/loan-risk/1").json()["kind"] == "alora"
    assert service.admin.get("/v1/adapters/loan-risk/1").json()["figures"] == {}
    manifest = {"base": {"digest": "b"}, "task": {"lora": {"r": 16, "alpha": 32}}, "training": {"questions": 700, "tokens": 9, "seconds": 61, "curve": [1.0]}}
    service.application.parts.catalogue.adapters.register(AdapterRef("loan-risk", 2, "/nowhere", "d" * 64), manifest)
    figures = service.admin.get("/v1/adapters/loan-risk/2").json()["figures"]
    assert figures == {"rank": 16, "alpha": 32, "questions": 700, "tokens": 9, "training_seconds": 61}
    assert all("path" not in entry for entry in service.admin.get("/v1/adapters").json()["adapters"])


def test_an_alias_leads_to_its_adapter_on_every_route(service: Service) -> None:
    registry = service.application.parts.catalogue.adapters
    registry.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), registry.get("compliance", 1).manifest)
    assistant = service.application.assistant
    aliases = {"kyc_v1": "compliance@1", "kyc": "compliance", "plain": "base", "rating": "loan-risk"}
    app = create_app(replace(service.application, assistant=replace(assistant, router=replace(assistant.router, aliases=aliases))))
    with TestClient(app) as http:
        staff = Client(http, service.staff.headers["Authorization"].split()[1])
        found = {name: staff.get(f"/v1/adapters/{name}") for name in ("kyc_v1", "kyc", "compliance", "compliance@2", "plain", "rating", "nobody", "base")}
        assert {name: [(a["version"], a["aliases"]) for a in response.json()["adapters"]] for name, response in found.items() if response.is_success} == {
            "kyc_v1": [(1, ["kyc", "kyc_v1"])],
            "kyc": [(1, ["kyc", "kyc_v1"]), (2, [])],
            "compliance": [(1, ["kyc", "kyc_v1"]), (2, [])],
            "compliance@2": [(2, [])],
        }
        # an adapter that is for others looks like none
        assert [problem(found[name], 404, "adapter_not_found")["message"] for name in ("plain", "rating", "nobody", "base")] == [
            "'plain' is the base model, which is no adapter", "no adapter 'rating'", "no adapter 'nobody'", "'base' is the base model, which is no adapter"
        ]  # fmt: skip
        assert staff.get("/v1/adapters/kyc/2").json()["version"] == 2
        problem(staff.get("/v1/adapters/kyc_v1/2"), 404, "adapter_not_found")
        models = {model["id"]: model["description"].partition(":")[0] for model in staff.get("/v1/models").json()["data"]}
        assert {name: models.get(name) for name in aliases} == {
            "kyc_v1": "an alias of compliance@1", "kyc": "an alias of compliance", "plain": "an alias of base", "rating": None
        }  # fmt: skip
        assert staff.get("/v1/models/kyc").json()["parent"] == "base"
        asked = {"messages": [{"role": "user", "content": ASK}], "use_rag": False}
        named = {name: staff.post("/v1/chat/completions", {**asked, "model": name}) for name in aliases}
        assert {name: response.json()["model"] for name, response in named.items() if response.is_success} == {
            "kyc_v1": "compliance@1", "kyc": "compliance@1", "plain": "base"
        }  # fmt: skip
        assert problem(named["rating"], 404, "model_not_found")["param"] == "model"
        registry.activate("compliance", 2)
        assert staff.post("/v1/chat/completions", {**asked, "model": "kyc"}).json()["model"] == "compliance@2"
        assert [a["aliases"] for a in staff.get("/v1/adapters/compliance").json()["adapters"]] == [["kyc_v1"], ["kyc"]]


def test_health_and_version_need_no_key(service: Service) -> None:
    assert service.http.get("/livez").json() == {"status": "alive"}
    ready = service.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert service.http.get("/version").json()["version"]


def test_not_ready_while_the_catalogue_is_gone_and_ready_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import Unavailable

    def gone(*_: object) -> None:
        raise Unavailable("the catalogue does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("assistant.api.routes.service.check", gone)
        response = service.http.get("/readyz")
        assert (response.status_code, response.json()["checks"]["catalogue"]) == (503, "failed: the catalogue does not answer")
    assert service.http.get("/readyz").status_code == 200


def test_metrics_count_answers_by_closed_labels(service: Service) -> None:
    service.generator.write = answering("USD 45.00", "USD 45.00")
    service.customer.post("/v1/answers", {"question": ASK, "adapter": "customer-service"})
    text = service.admin.get("/metrics").text
    assert 'bankassist_answers_total{adapter="customer-service",kind="answered",reason=""} 1.0' in text
    assert 'bankassist_requests_total{method="POST",route="/v1/answers",status="200"} 1.0' in text
    assert "Alpha" not in text


def test_metrics_tell_what_was_waited_for_adapters_where_this_process_holds_them(service: Service) -> None:
    assert "bankassist_adapter_" not in service.admin.get("/metrics").text
    load = GeneratorLoad(0, 0, 0, 0, 0, 0, 0, adapters=AdapterWaits(2, 1.5, 40, 0.25))
    text = generate_latest(Metrics(lambda: load, lambda: 0, lambda: 0).registry).decode()
    for figure in ("loads 2.0", "load_seconds 1.5", "uses 40.0", "use_seconds 0.25"):
        assert f"\nbankassist_adapter_{figure}\n" in text


def test_metrics_have_no_label_that_a_caller_made_up(service: Service) -> None:
    for number in range(3):
        service.http.request(f"HACK{number}", "/livez")
    text = service.admin.get("/metrics").text
    assert 'bankassist_requests_total{method="other",route="/livez",status="405"} 3.0' in text
    assert "HACK" not in text


@pytest.mark.parametrize("key", ["", "ba_wrong", "Basic abc"], ids=["none", "wrong", "other scheme"])
def test_without_a_valid_key_nothing_is_served(service: Service, key: str) -> None:
    headers = {"Authorization": key if key.startswith("Basic") else f"Bearer {key}"} if key else {}
    for path, methods in service.app.openapi()["paths"].items():
        if path in ("/livez", "/readyz", "/version"):
            continue
        for method in methods:
            response = service.http.request(method, re.sub(r"{\w+}", "1", path), headers=headers, json={})
            assert response.status_code == 401, (method, path)
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["error"]["code"] in ("missing_api_key", "invalid_api_key")


def test_a_revoked_key_ends_at_once(service: Service) -> None:
    assert service.customer.get("/v1/documents").status_code == 200
    keys = service.application.parts.catalogue.keys
    keys.revoke(next(info.id for info in keys.all() if info.name == "customer"))
    problem(service.customer.get("/v1/documents"), 401, "invalid_api_key")


def test_a_key_is_told_what_it_may_do(service: Service) -> None:
    found = service.admin.get("/v1/me").json()
    assert re.fullmatch(r"admin \([0-9a-f]{8}\)", found["name"])
    assert (found["groups"], found["scopes"]) == (["risk", "staff"], sorted(SCOPES))
    assert service.nothing.get("/v1/me").json()["scopes"] == ["eval"]


def test_every_route_wants_its_scope(service: Service) -> None:
    for path, methods in service.app.openapi()["paths"].items():
        if path in ("/livez", "/readyz", "/version", "/v1/me"):
            continue
        for method, operation in methods.items():
            body: dict[str, Any] = {"json": {"question": "x", "query": "x", "input": "x", "adapter_id": "base"}}
            if "requestBody" in operation and "multipart/form-data" in operation["requestBody"]["content"]:
                body = {"files": [("file", ("a.txt", b"x"))]}
            response = service.http.request(method, re.sub(r"{\w+}", "1", path), headers=service.nothing.headers, **body)
            assert response.status_code in (403, 400), (method, path, response.text)


def test_rights_never_come_from_the_request(service: Service) -> None:
    headers = {**service.customer.headers, "X-User": "admin", "X-Groups": "staff,risk", "X-Forwarded-User": "admin"}
    response = service.http.post("/v1/search", json={"query": "origin of cash"}, headers=headers)
    assert all(passage["document_id"] != "kyc" for passage in response.json()["passages"])
    problem(service.customer.post("/v1/search", {"query": "x", "groups": ["staff"]}), 400, "unknown_field")


def test_wrong_paths_and_methods(service: Service) -> None:
    problem(service.customer.get("/v1/nothing"), 404, "not_found")
    assert "/v1" in problem(service.http.post("/chat/completions", json={}), 404, "not_found")["message"]
    problem(service.customer.get("/v1/answers"), 405, "method_not_allowed")


def test_a_trace_id_comes_back(service: Service) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert service.http.get("/livez", headers=headers).headers["x-request-id"] == trace
    assert service.http.get("/livez").headers["x-request-id"] != service.http.get("/livez").headers["x-request-id"]


def test_the_openapi_document_is_the_committed_one(service: Service) -> None:
    committed = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert json.loads(committed.read_text("utf8")) == service.app.openapi(), "review the change, then write it with `python -m tests.assistant.write_openapi`"


def test_requests_that_overlap_do_not_mix(service: Service) -> None:
    """Two callers at once, held in the middle of generation, each get their own answer."""
    service.generator.write = lambda prompt, adapter: (
        " Not in the documents." if "贝塔卡" in prompt.context.split("Question:")[1] else answering("USD 45.00", "USD 45.00")(prompt, adapter)
    )
    service.generator.gate = threading.Event()
    answers: dict[str, Any] = {}

    def ask(question: str) -> None:
        answers[question] = service.customer.post("/v1/answers", {"question": question}).json()

    threads = [threading.Thread(target=ask, args=(question,)) for question in (ASK, "贝塔卡的年费是多少？")]
    for thread in threads:
        thread.start()
    service.generator.gate.set()
    for thread in threads:
        thread.join()
    assert answers[ASK]["text"] == "USD 45.00"
    assert answers["贝塔卡的年费是多少？"]["kind"] == "refused"
