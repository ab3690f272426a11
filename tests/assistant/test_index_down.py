"""A service whose index is in Elasticsearch: when it does not answer, at the start and while it serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assistant.api.app import create_app
from assistant.bootstrap import Application, open_application
from assistant.doctor import examine
from assistant.route import RouteModel
from core.errors import IndexRefused, IndexUnavailable
from core.settings import Elasticsearch, Settings, load_settings
from engines.catalogue.keys import SCOPES
from tests.assistant.conftest import publish
from tests.assistant.test_doctor import model_folder
from tests.engines.indexes import clear, cluster_settings
from tests.fakes import fake_models
from tests.servers.nginx import running_nginx
from tests.servers.process import free_port


@pytest.fixture(autouse=True)
def _no_adapters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")


def settings_of(home: Path, cluster: Elasticsearch, when_down: str, **others: Any) -> Settings:
    return load_settings(home=home, index={"engine": "elasticsearch", "when_down": when_down}, elasticsearch=cluster, **others)


@contextmanager
def serving(settings: Settings, routes: RouteModel) -> Iterator[tuple[Application, TestClient]]:
    models, generator = fake_models(lambda prompt, adapter: " USD 45.00 [1]", routes)
    with open_application(settings, models=models) as application, TestClient(create_app(application), raise_server_exceptions=False) as http:
        publish(application, "fees", "Fees", ["The annual fee of the Alpha card is USD 45.00."], ("public",), None)
        http.headers["Authorization"] = f"Bearer {application.parts.catalogue.keys.create('test', [], list(SCOPES))}"
        yield application, http


def search(http: TestClient) -> Any:
    return http.post("/v1/search", json={"query": "annual fee of the Alpha card"})


def test_where_it_is_gone_requests_are_told_so_until_it_is_back(elasticsearch_url: str, tmp_path: Path, routes: RouteModel) -> None:
    port = free_port()
    cluster = cluster_settings(elasticsearch_url)
    before = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {elasticsearch_url}; }} }}"
    settings = settings_of(tmp_path / "home", cluster.model_copy(update={"hosts": (f"http://127.0.0.1:{port}",), "breaker_failures": 1000}), "error")
    with ExitStack() as stack:
        with running_nginx(tmp_path / "nginx", before, port):
            _, http = stack.enter_context(serving(settings, routes))
            found = search(http)
            assert (found.status_code, len(found.json()["passages"]), found.json()["index_fallback"]) == (200, 1, False)
            assert "elasticsearch" not in found.text
            assert http.get("/readyz").json()["checks"]["index"] == "at change 1"
        answered = http.post("/v1/answers", json={"question": "What is the annual fee of the Alpha card?"})
        for response in (search(http), answered):
            problem = response.json()
            assert (response.status_code, problem["error"]["code"]) == (503, "retriever_unavailable")
            assert int(response.headers["Retry-After"]) > 0
            assert "cannot be reached" in problem["detail"]
        with running_nginx(tmp_path / "nginx", before, port):
            assert search(http).status_code == 200
    clear(cluster)


def test_where_the_settings_say_so_the_local_index_answers_and_answers_say_it(tmp_path: Path, routes: RouteModel) -> None:
    nobody = Elasticsearch(hosts=f"http://127.0.0.1:{free_port()}")
    with serving(settings_of(tmp_path / "home", nobody, "local"), routes) as (application, http):
        found = search(http).json()
        assert ([passage["document_id"] for passage in found["passages"]], found["index_fallback"]) == (["fees"], True)
        answer = http.post("/v1/answers", json={"question": "What is the annual fee of the Alpha card?"}).json()
        assert (answer["kind"], answer["index_fallback"]) == ("answered", True)
        *_, finished = application.parts.catalogue.audit.show(answer["audit_id"])
        assert finished.body["index_fallback"] is True
        ready = http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"]["index"].startswith("at change 1; the local index answers: Elasticsearch at ")


def test_where_the_settings_do_not_say_so_nothing_starts_and_the_doctor_says_why(tmp_path: Path, routes: RouteModel) -> None:
    nobody = Elasticsearch(hosts=f"http://127.0.0.1:{free_port()}")
    settings = settings_of(tmp_path / "home", nobody, "error")
    with pytest.raises(IndexUnavailable, match="cannot be reached"), serving(settings, routes):
        pass


def test_what_does_not_pass_by_itself_ends_the_start_even_where_the_local_index_may_answer(tmp_path: Path, routes: RouteModel) -> None:
    wrong = Elasticsearch(hosts="https://127.0.0.1:1", ca_file=tmp_path / "gone.pem")
    with pytest.raises(IndexRefused, match=r"gone\.pem is not there"), serving(settings_of(tmp_path / "home", wrong, "local"), routes):
        pass


def test_the_doctor_says_how_the_index_is(elasticsearch_url: str, tmp_path: Path, routes: RouteModel, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = cluster_settings(elasticsearch_url)
    settings = settings_of(tmp_path / "home", cluster, "error")
    with serving(settings, routes) as (application, http):
        search(http)
        digest = application.parts.embedder_digest
        monkeypatch.setattr("engines.parts.Parts.embedder_digest", digest)

        folder = str(model_folder(tmp_path / "model"))

        def finding(cluster: Elasticsearch, when_down: str = "error") -> tuple[bool, str]:
            settings = settings_of(tmp_path / "home", cluster, when_down, models={"generation": folder, "embedding": folder})
            (index,) = (one for one in examine(settings) if one.name == "index")
            assert index.ok is not bool(index.remedy)
            return index.ok, index.detail

        assert finding(cluster) == (True, f"Elasticsearch 9.5.3 at {elasticsearch_url}, {cluster.prefix}-{digest[:12]}-000001 (green) at change 1")
        ok, detail = finding(cluster.model_copy(update={"hosts": (f"http://127.0.0.1:{free_port()}",)}), "local")
        assert (ok, "cannot be reached" in detail) == (False, True)
        ok, detail = finding(cluster.model_copy(update={"vectors": "bbq_flat"}))
        assert (ok, "vector.index_options.type is flat, expected bbq_flat" in detail) == (False, True)
    clear(cluster)
