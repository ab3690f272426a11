"""The same arms asked of a service over REST: a real one, on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from assistant.api.app import create_app
from assistant.bootstrap import Application
from core.errors import BadInput, NotFound
from eval.run.plan import Job, jobs
from eval.run.record import Record
from eval.run.service import Service, open_service
from eval.run.target import InProcess, Target
from eval.suite.item import Expect, Item
from tests.eval.run.conftest import ITEMS, TODAY

ARMS = ("base", "rag", "lora", "rag+lora", "oracle", "distractors")
BY_ID = {item.id: item for item in ITEMS}


@contextmanager
def serving(application: Application) -> Iterator[str]:
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[Any] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(uvicorn.Config(create_app(application), port=0, http="h11", ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def keys(application: Application, tmp_path: Path) -> Path:
    made = application.parts.catalogue.keys
    scopes = ["ask", "generate", "documents", "adapters"]
    path = tmp_path / "keys"
    path.write_text(f"# a customer's, and one of the staff\n{made.create('customer', [], scopes)}\n{made.create('staff', ['staff'], scopes)}\n")
    return path


@pytest.fixture
def service(application: Application, keys: Path) -> Iterator[Service]:
    items = [item for item in ITEMS if not item.history]
    with serving(application) as url, open_service(url, keys, items, ARMS, TODAY, 5) as found:
        yield found


def ask(service: Service, item: Item, arm: str) -> Record:
    return service.ask(Job(item, arm, 0), threading.Event())


def outcome(record: Record) -> tuple[Any, ...]:
    shown = [(one.document_id, one.version, one.start, one.text) for one in record.retrieved]
    return record.key, record.kind, record.text, record.reason, record.status, shown, [(one.n, one.quote) for one in record.cited], record.sentences


def test_a_service_answers_as_the_assistant_in_process_does(application: Application, service: Service) -> None:
    here = InProcess(application, TODAY, 1)
    items = [item for item in ITEMS if not item.history]
    planned = list(jobs(items, ("base", "rag", "lora", "rag+lora"), 1))
    assert len(planned) == 20
    for job in planned:
        assert outcome(service.ask(job, threading.Event())) == outcome(here.ask(job, threading.Event())), job.key
    assert ask(service, BY_ID["zh"], "rag+lora").text == "贝塔卡的年费为每年120元，挂失手续费20元。"


def test_given_passages_are_known_by_their_documents(service: Service) -> None:
    oracle = ask(service, BY_ID["fee-then"], "oracle")
    (shown,) = oracle.retrieved
    assert (shown.document_id, shown.version, shown.start) == ("card-fees", 1, 0)
    assert shown.text == "The annual fee of the Alpha card is USD 30.00.\nA replacement card costs USD 15.00."  # the text around the quote
    distractors = ask(service, BY_ID["fee-then"], "distractors")
    assert {one.document_id for one in distractors.retrieved} == {"zh-fees"}
    assert {one.document_id for one in distractors.cited} <= {"zh-fees"}


def test_errors_of_the_service_are_ours(service: Service) -> None:
    with pytest.raises(NotFound, match="no adapter"):
        ask(service, BY_ID["fee"], "forced:compliance")
    with pytest.raises(NotFound, match="may use no other adapter"):
        ask(service, BY_ID["fee"], "wrong-adapter")
    staff = BY_ID["cash"].model_copy(update={"expect": Expect(adapter="compliance")})
    route = ask(service, staff, "wrong-adapter").route
    assert route is not None
    assert route.adapter == "customer-service"
    assert [adapter.name for adapter in service.engines().adapters] == ["compliance", "customer-service"]
    target: Target = service
    assert target.key(Job(staff, "rag", 0)) is None  # nothing of a service is used again
    taken = target.measure()()
    assert (taken.peak_mib, taken.adapter_loads) == (None, None)
    assert "a service answered" in taken.reason


def test_a_run_needs_a_key_for_every_caller_and_an_arm_that_can_be_asked(application: Application, keys: Path, tmp_path: Path) -> None:
    made = application.parts.catalogue.keys
    lone, weak = tmp_path / "lone", tmp_path / "weak"
    lone.write_text(made.create("customer", [], ["ask"]))
    weak.write_text(f"{lone.read_text()}\n{made.create('staff', ['staff'], ['ask'])}")
    with serving(application) as url:
        for items, arms, file, problem in (
            (ITEMS, ("rag",), lone, "has the groups staff, and no key"),
            (ITEMS, ("base",), weak, "lacks the scope generate"),
            (ITEMS, ("oracle",), keys, "cannot be asked of a service for item zh"),
            (ITEMS, ("rag",), None, "needs --key-file"),
            (ITEMS, ("rag",), tmp_path / "none", "cannot be read"),
        ):
            with pytest.raises(BadInput, match=problem), open_service(url, file, items, arms, TODAY, 5):
                pass
