"""What the service makes of a generation server: who is routed to it, which passages go there, what is recorded and shown. The server is the scripted one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapters.tasks import load_tasks
from assistant.answer import Request
from assistant.api.app import create_app
from assistant.bootstrap import Application, LoadedModels, load_models, open_application
from assistant.doctor import examine
from assistant.route import RouteModel
from core.errors import BadInput, Conflict, SettingsError, Unavailable
from core.settings import load_settings
from core.types import AnswerKind, Passage, Query
from engines.catalogue.keys import SCOPES
from tests.assistant.conftest import CUSTOMER, STAFF, publish
from tests.assistant.test_answer import ASK, Running, answering, query
from tests.engines.remote.server import Server, connected, tokenizer_folder, writes
from tests.engines.remote.server import running as running_server
from tests.fakes import HashedEmbedder


def test_an_adapter_that_is_not_served_takes_no_part_and_says_why(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    application, generator = running
    generator.why_unserved = {"customer-service": "the server has no such model"}
    assistant = application.assistant
    for _ in range(2):
        assert assistant.router.route("Which fee?", CUSTOMER).adapter is None
    assert [record.message for record in caplog.records] == ["adapter customer-service@1 takes no part in routing: the server has no such model"]
    with pytest.raises(Conflict, match="customer-service@1 is not served: the server has no such model") as caught:
        assistant.router.route("x", CUSTOMER, "customer-service")
    assert caught.value.code == "adapter_not_served"
    generator.why_unserved = {}
    assert assistant.router.route("x", CUSTOMER, "customer-service").adapter is not None


def test_passages_above_the_level_of_the_server_are_never_sent(running: Running) -> None:
    application, generator = running
    with application.parts.catalogue.database.write() as connection:
        connection.exec_driver_sql("UPDATE versions SET data_level = 'internal'")
    generator.write = answering("USD 45.00", "USD 45.00")
    question = Request(query(ASK), adapter="customer-service")
    generator.data_level = "internal"
    assert application.assistant.answer(question).kind is AnswerKind.ANSWERED
    sent = len(generator.prompts)
    generator.data_level = "public"
    refused = application.assistant.answer(question)
    assert (refused.kind, refused.reason) == (AnswerKind.REFUSED, "no_evidence")
    assert len(generator.prompts) == sent  # nothing left the house
    # people still find them
    assert application.assistant.retriever.search(query(ASK), 5).passages != ()


def test_passages_that_a_caller_brings_count_as_internal(running: Running) -> None:
    application, generator = running
    given = (Passage(1, "given-1", "passage-1", 1, "Fees", (), None, 0, 9, "USD 45.00"),)
    generator.data_level = "public"
    with pytest.raises(BadInput, match="passage 1 counts as internal, as all that callers bring") as caught:
        application.assistant.answer(Request(Query("What?", STAFF, date(2026, 1, 1)), adapter="customer-service", passages=given))
    assert caught.value.code == "data_level"
    assert generator.prompts == []


def test_the_record_names_engine_model_and_form_of_the_prompt(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    answer = application.assistant.answer(Request(query(ASK), adapter="customer-service"))
    started, _ = application.parts.catalogue.audit.show(answer.audit_id)
    assert started.body["generator"] == {"engine": "scripted", "model": "customer-service@1", "prompt": "tokens"}


def test_a_generator_that_is_down_is_not_ready(running: Running) -> None:
    application, generator = running
    with TestClient(create_app(application)) as http:
        assert http.get("/readyz").status_code == 200
        generator.down = Unavailable("the generation server gpu:8000 cannot be reached: Connection refused")
        response = http.get("/readyz")
    assert (response.status_code, response.json()["checks"]["generator"]) == (
        503,
        "failed: the generation server gpu:8000 cannot be reached: Connection refused",
    )


# -- the whole service over the scripted server ---------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as found:
        yield found


@pytest.fixture
def remote(server: Server, routes: RouteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """The application with one document, the base model on the server."""
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    with connected(server, tmp_path) as generator:
        settings = load_settings(home=tmp_path / "home", generation={"engine": "remote"}, remote={"url": server.url, "model": "base-model", "concurrency": 5})
        with open_application(settings, models=LoadedModels(HashedEmbedder(), generator, routes)) as application:  # type: ignore[arg-type]
            publish(application, "card-fees", "Card fees", ["The annual fee of the Alpha card is USD 45.00."], ("public",), None)
            yield application


def test_rest_answers_through_the_server_and_shows_how_it_does(remote: Application, server: Server) -> None:
    key = remote.parts.catalogue.keys.create("admin", ["staff", "risk"], list(SCOPES))
    headers = {"Authorization": f"Bearer {key}"}
    server.default = writes("USD 45.00 [1]")
    with TestClient(create_app(remote)) as http:
        answer = http.post("/v1/answers", json={"question": ASK}, headers=headers).json()
        assert (answer["kind"], answer["text"], answer["citations"][0]["document_id"]) == ("answered", "USD 45.00", "card-fees")
        metrics = http.get("/metrics", headers=headers).text
        assert "bankassist_generation_server_sent 1.0" in metrics
        assert "bankassist_generation_server_open 0.0" in metrics
        assert http.get("/readyz").json()["checks"]["generator"].endswith("has base-model; 0 waiting, 0 running")
        server.default = lambda exchange: exchange.document(429, {}, Retry_After="3600")
        busy = http.post("/v1/answers", json={"question": ASK}, headers=headers)
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, "overloaded")
        assert int(busy.headers["retry-after"]) >= 1
        server.default = lambda exchange: exchange.cut()
        broken = http.post("/v1/answers", json={"question": ASK}, headers=headers)
        assert (broken.status_code, broken.json()["error"]["code"]) == (503, "generator_failed")
    started, *_ = remote.parts.catalogue.audit.show(answer["audit_id"])
    name = server.url.removeprefix("http://").removesuffix("/v1")
    assert started.body["generator"] == {"engine": "remote", "server": name, "model": "base-model", "prompt": "tokens", "known_by": "name"}


def test_doctor_asks_the_server(server: Server, tmp_path: Path) -> None:
    tokenizer_folder(tmp_path / "model")
    fixed: dict[str, Any] = {"url": server.url, "model": "base-model", "base_digest": "7" * 64}

    def finding(**remote: Any) -> Any:
        settings = load_settings(
            home=tmp_path / "home",
            models={"generation": str(tmp_path / "model"), "embedding": str(tmp_path)},
            generation={"engine": "remote"},
            remote={**fixed, **remote},
        )
        findings = {found.name: found for found in examine(settings)}
        assert "generation model" not in findings  # its weights are elsewhere
        return findings["generation server"]

    well = finding()
    assert well.ok
    assert "has base-model; 0 waiting, 0 running; documents up to restricted go there; 0 of 0 active adapters" in well.detail
    wrong = finding(model="other")
    assert (wrong.ok, wrong.remedy) == (False, "see remote.* in `bankassist config schema` and docs/remote.md")
    assert "has no model 'other'" in wrong.detail
    assert "outside the house" in finding(url="http://93.184.216.34/v1").detail
    assert "cannot be reached" in finding(url="http://127.0.0.1:9/v1").detail


def test_a_task_bound_to_its_sources_needs_a_server_that_can_be(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer_folder(tmp_path / "model")
    task = load_tasks()["loan-risk"]
    bound = {"loan-risk": task.model_copy(update={"grounding": task.grounding.model_copy(update={"sources_only": True})})}
    monkeypatch.setattr("assistant.bootstrap.load_tasks", lambda: bound)
    settings = load_settings(
        home=tmp_path / "home", models={"generation": str(tmp_path / "model")}, generation={"engine": "remote"},
        remote={"url": server.url, "model": "base-model", "base_digest": "7" * 64},
    )  # fmt: skip
    with pytest.raises(SettingsError, match=r"task loan-risk binds answers to the numbers of the passages") as caught, load_models(settings):
        pass
    assert caught.value.param == "remote.source_grammar"


def test_a_remote_engine_needs_a_server_and_a_model(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"remote\.url and remote\.model must say"):
        load_settings(home=tmp_path, generation={"engine": "remote"}, remote={"url": "http://gpu/v1"})
    shown = load_settings(home=tmp_path, remote={"api_key": "sk-secret"})
    assert "sk-secret" not in repr(shown) + shown.model_dump_json()
