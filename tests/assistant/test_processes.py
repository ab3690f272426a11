"""Several services over one database behind nginx with the example's configuration: what one does is in force on all, and none of them is missed."""

from __future__ import annotations

import re
import select
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from core.settings import Elasticsearch, Settings, load_settings
from core.types import AdapterRef, Chunk
from engines.catalogue import Catalogue
from engines.catalogue.documents import NewVersion
from tests.assistant.test_serve import PATIENCE, ROOT, Running, serving, soon
from tests.embedder import HashedEmbedder
from tests.engines.indexes import clear, cluster_settings
from tests.fakes import ScriptedGenerator
from tests.servers.nginx import running_nginx
from tests.servers.postgres import new_database
from tests.servers.process import free_port

TEXT = "贝塔卡的年费为每年120元。The annual fee of the Beta card is USD 45.00."
#: which index the processes search: each one of its own, or all the same
INDEXES = ("local", "elasticsearch")


@dataclass(frozen=True)
class Fleet:
    """``url`` is the balancer's."""

    processes: list[Running]
    url: str
    catalogue: Catalogue
    headers: dict[str, str]

    @property
    def alive(self) -> list[Running]:
        return [process for process in self.processes if process.process.poll() is None]

    def search(self, url: str) -> list[str]:
        answer = httpx.post(f"{url}/v1/search", json={"query": "年费 annual fee"}, headers=self.headers, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return [passage["document_id"] for passage in answer.json()["passages"]]

    def ask(self, url: str, question: str, adapter: str = "base") -> httpx.Response:
        body = {"question": question, "use_rag": False, "adapter": adapter}
        return httpx.post(f"{url}/v1/answers", json=body, headers=self.headers, timeout=PATIENCE)

    def publish(self, document_id: str) -> None:
        embedder = HashedEmbedder()
        self.catalogue.documents.add_embedder(embedder.digest, embedder.name, embedder.dimension)
        version = NewVersion(document_id, "Fees", "en", None, "public", ("public",), None, None, "fees.txt", "text/plain", document_id, "m", TEXT)
        chunk = Chunk(0, ("Fees",), 1, 0, len(TEXT), TEXT)
        self.catalogue.documents.publish(version, [(chunk, document_id)], embedder.digest, np.asarray(embedder.embed_passages([TEXT]), np.float32))


@pytest.fixture(scope="module", params=INDEXES)
def fleet(request: pytest.FixtureRequest, postgres_server: str, model_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        if request.param == "elasticsearch":
            cluster = cluster_settings(request.getfixturevalue("elasticsearch_url"))
            stack.callback(clear, cluster)
        url = stack.enter_context(new_database(postgres_server))
        environment = {
            "BANKASSIST_CATALOGUE__URL": url,
            "BANKASSIST_CATALOGUE__FILES": str(folder / "files"),
            "BANKASSIST_SERVICE__WORKER": "false",
            "BANKASSIST_SERVICE__DRAIN_SECONDS": str(PATIENCE),  # a test does not wait for its end
            **(elasticsearch_environment(cluster) if request.param == "elasticsearch" else {}),
        }

        def settings(name: str) -> Settings:
            """With a home of its own, as on another host."""
            (folder / name).mkdir()
            (folder / name / "cache").symlink_to(model_cache)  # the dictionary of Chinese words takes seconds to read
            return load_settings(home=folder / name, catalogue={"url": url})

        with ThreadPoolExecutor(3) as pool:
            processes = list(pool.map(lambda name: stack.enter_context(serving(settings(name), **environment)), ("one", "two", "three")))
        catalogue = Catalogue.open(folder, load_settings(catalogue={"url": url}).catalogue)
        stack.callback(catalogue.close)
        key = catalogue.keys.create("test", ["staff", "risk", "compliance"], ["ask", "generate", "documents", "ingest", "admin"])
        port = free_port()
        stack.enter_context(running_nginx(folder / "nginx", balancer(port, [process.url for process in processes]), port))
        yield Fleet(processes, f"http://127.0.0.1:{port}", catalogue, {"Authorization": f"Bearer {key}"})


def elasticsearch_environment(cluster: Elasticsearch) -> dict[str, str]:
    return {
        "BANKASSIST_INDEX__ENGINE": "elasticsearch",
        "BANKASSIST_ELASTICSEARCH__HOSTS": ",".join(cluster.hosts),
        "BANKASSIST_ELASTICSEARCH__PREFIX": cluster.prefix,
        "BANKASSIST_ELASTICSEARCH__REPLICAS": str(cluster.replicas),
    }


def balancer(port: int, urls: list[str]) -> str:
    """The example, for other addresses."""
    example = (ROOT / "examples" / "nginx.conf").read_text()
    servers = "".join(f"    server {url.removeprefix('http://')} max_fails=0;\n" for url in urls)
    assert example.count("    server 10.0.0.1") == 2
    return re.sub(r"(    server 10\.0\.0\.1\d:8080 max_fails=0;\n)+", servers, example).replace("listen 8080;", f"listen 127.0.0.1:{port};")


def test_a_document_withdrawn_on_one_is_gone_from_all_at_once(fleet: Fleet) -> None:
    fleet.publish("fees")
    assert [fleet.search(process.url) for process in fleet.processes] == [["fees"]] * 3
    withdrawn = httpx.post(f"{fleet.processes[0].url}/v1/documents/fees/withdraw", headers=fleet.headers, timeout=PATIENCE)
    assert withdrawn.json() == {"document_id": "fees", "versions_withdrawn": 1}
    assert [fleet.search(process.url) for process in reversed(fleet.processes)] == [[]] * 3
    again = httpx.post(f"{fleet.url}/v1/documents/fees/withdraw", headers=fleet.headers, timeout=PATIENCE)
    assert again.status_code == 404
    fleet.publish("others")
    assert [fleet.search(process.url) for process in fleet.processes] == [["others"]] * 3


def test_an_upload_that_is_sent_again_to_another_process_is_the_same_job(fleet: Fleet) -> None:
    headers = {**fleet.headers, "Idempotency-Key": "年费".encode().hex()}
    form: dict[str, Any] = {"files": {"file": ("年费.txt", "年费120元。".encode())}, "data": {"metadata": '{"groups": ["public"]}'}}
    answers = [httpx.post(f"{process.url}/v1/documents", headers=headers, timeout=PATIENCE, **form) for process in fleet.processes]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert [job.id for job in fleet.catalogue.jobs.recent()] == [answers[0].json()["job_id"]]
    assert len({answer.content for answer in answers}) == 1


def test_an_adapter_activated_or_rolled_back_is_in_force_on_all_at_once(fleet: Fleet) -> None:
    adapters = fleet.catalogue.adapters
    for version in (1, 2):
        ref = AdapterRef("compliance", version, f"compliance/{version}", str(version) * 64)
        adapters.register(ref, {"kind": "alora", "base": {"digest": ScriptedGenerator.base_digest}})

    def in_force() -> list[int]:
        return [fleet.ask(process.url, "which rule?", "compliance").json()["route"]["version"] for process in fleet.processes]

    for version in (1, 2):
        adapters.activate("compliance", version)
        assert in_force() == [version] * 3
    adapters.rollback("compliance")
    assert in_force() == [1] * 3


@contextmanager
def load(fleet: Fleet) -> Iterator[list[tuple[str, int | str]]]:
    """Callers of the balancer, one request after another; what came of each."""
    outcomes: list[tuple[str, int | str]] = []
    stop = threading.Event()

    def call(number: int) -> None:
        with httpx.Client(base_url=fleet.url, headers=fleet.headers, timeout=PATIENCE) as client:
            while not stop.is_set():
                for path, body in (
                    ("/v1/answers", {"question": f"年费？ {number}", "use_rag": False, "adapter": "base"}),
                    ("/v1/search", {"query": "annual fee"}),
                ):
                    try:
                        outcomes.append((path, client.post(path, json=body).status_code))
                    except httpx.HTTPError as error:
                        outcomes.append((path, f"{type(error).__name__}: {error}"))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    try:
        yield outcomes
    finally:
        stop.set()
        for caller in callers:
            caller.join(PATIENCE)


def more(outcomes: list[tuple[str, int | str]], count: int = 40) -> None:
    """Wait for so many more answers."""
    before = len(outcomes)
    soon(lambda: len(outcomes) >= before + count, "answers")


def asked(process: Running) -> bool:
    """Whether the model of a process began with a held question."""
    assert process.process.stdout is not None
    return bool(select.select([process.process.stdout], [], [], 0)[0]) and process.said("asked")


def test_a_process_that_is_killed_or_told_to_stop_loses_no_request(fleet: Fleet) -> None:
    with load(fleet) as outcomes, ThreadPoolExecutor(1) as pool:
        more(outcomes)
        held = pool.submit(fleet.ask, fleet.url, "hold 请稍候")
        killed = soon(lambda: next((process for process in fleet.alive if asked(process)), None), "the question")
        killed.process.kill()
        second = soon(lambda: held.done() or next((process for process in fleet.alive if asked(process)), None), "the question at another process")
        if isinstance(second, Running):
            second.go_on()
        assert (held.result(PATIENCE).status_code, held.result().json()["text"]) == (200, "USD 45.00")
        more(outcomes)
        until_then = [outcome for _, outcome in outcomes if outcome != 200]
        assert all("peer closed connection without sending complete message body" in str(outcome) for outcome in until_then)  # it had begun to answer

        leaving, staying = fleet.alive
        leaving.process.send_signal(signal.SIGTERM)
        soon(lambda: httpx.get(f"{leaving.url}/readyz", timeout=PATIENCE).status_code == 503, "the word that it stops")
        answer = fleet.ask(leaving.url, "still there?")  # a balancer that has not noticed yet
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        more(outcomes)
        leaving.process.send_signal(signal.SIGTERM)  # it is time
        assert leaving.ended() == 0
        more(outcomes)
        assert staying.process.poll() is None
    assert [outcome for _, outcome in outcomes if outcome != 200] == until_then
    assert leaving.last_words == ""


def test_the_example_sends_no_call_again_that_does_something(tmp_path: Path) -> None:
    example = (ROOT / "examples" / "nginx.conf").read_text()
    once = re.search(r"location ~ (\S+) \{\n\s+proxy_next_upstream error timeout;", example)
    assert once is not None
    assert re.search(once[1], "/v1/documents/card-fees/withdraw")
    assert not re.search(once[1], "/v1/documents")
