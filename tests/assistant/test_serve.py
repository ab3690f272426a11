"""The service as a process: its port, its end, and the ingest worker beside it. Real signals, a model that loads nothing."""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

import assistant.bootstrap
from assistant.serve import address as url_of
from assistant.serve import bound
from core import cli
from core.errors import Unavailable
from core.settings import Service as ServiceSettings
from core.settings import Settings
from core.text import tokens
from core.types import JobState
from engines.catalogue import Catalogue
from engines.catalogue.jobs import JobFile
from engines.files import FileStore

ROOT = Path(__file__).parents[2]
#: seconds; what is waited for takes a fraction of one, but the machine may be busy
PATIENCE = 300.0

T = TypeVar("T")


class Running:
    """A service process, the catalogue that it serves, and a key for it."""

    def __init__(self, process: subprocess.Popen[str], url: str, catalogue: Catalogue) -> None:
        self.process, self.url, self.catalogue = process, url, catalogue
        self.key = catalogue.keys.create("test", [], ["ask", "generate"])
        self.last_words = ""

    def ask(self, question: str) -> httpx.Response:
        body = {"question": question, "use_rag": False, "adapter": "base"}
        return httpx.post(f"{self.url}/v1/answers", json=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=PATIENCE)

    def said(self, word: str) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == f"{word}\n"

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def ended(self) -> int:
        """The exit code, as soon as there is one."""
        _, self.last_words = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@contextmanager
def serving(settings: Settings, **more: str) -> Iterator[Running]:
    environment = {**os.environ, "BANKASSIST_HOME": str(settings.home), **more}
    command = [sys.executable, "-m", "tests.assistant.fake_service", "serve", "--port", "0"]
    with ExitStack() as stack:
        catalogue = Catalogue.open(settings.home, settings.catalogue)
        stack.callback(catalogue.close)
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if match := re.fullmatch(r"serving on (http://127\.0\.0\.1:[1-9]\d*)\n", line):
                yield Running(process, match[1], catalogue)
                return
        pytest.fail(f"the service ended with code {process.wait()} before it was ready: {''.join(lines)}")


def soon(look: Callable[[], T | None], what: str) -> T:
    """What a look finds as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while time.monotonic() < deadline:
        if found := look():
            return found
        pause.wait(0.005)  # leaves the processor to those that are waited for
    pytest.fail(f"in vain waited for: {what}")


def workers(process: subprocess.Popen[str], other_than: int = 0) -> int | None:
    """The process id of the worker beside a service."""
    listed = " ".join(file.read_text() for file in Path(f"/proc/{process.pid}/task").glob("*/children"))
    found = [int(number) for number in listed.split() if int(number) != other_than]
    return next((number for number in found if b"worker" in Path(f"/proc/{number}/cmdline").read_bytes()), None)


@contextmanager
def watching(pid: int) -> Iterator[Callable[[], bool]]:
    """Yields a function that waits for the end of a process which is not our child."""
    handle = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


# -- starting and stopping -------------------------------------------------------------------------


def test_sigterm_lets_the_request_in_flight_finish_and_takes_no_more(settings: Settings) -> None:
    with serving(settings, BANKASSIST_SERVICE__WORKER="false", BANKASSIST_TEST_STOP_SECONDS=str(int(PATIENCE))) as service:
        assert httpx.get(f"{service.url}/readyz", timeout=PATIENCE).json()["status"] == "ready"
        index = settings.home / "index"
        assert len(list(index.iterdir())) == 1  # what the process works with
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(service.ask("hold 请稍候")))
        asking.start()
        assert service.said("asked")
        service.process.send_signal(signal.SIGTERM)
        assert service.said("draining")  # while the request is at work

        def refused() -> bool:
            try:
                httpx.get(f"{service.url}/livez", timeout=PATIENCE)
            except httpx.TransportError:
                return True
            return False

        soon(refused, "no new connections")
        assert service.process.poll() is None
        service.go_on()
        asking.join(PATIENCE)
        assert [(answer.status_code, answer.json()["text"]) for answer in answers] == [(200, "USD 45.00")]
        assert service.ended() == 0
        assert service.last_words == ""
        assert list(index.iterdir()) == []  # everything was closed


def test_a_request_that_takes_longer_than_the_limit_is_broken_off(settings: Settings) -> None:
    with serving(settings, BANKASSIST_SERVICE__WORKER="false", BANKASSIST_TEST_STOP_SECONDS="1") as service:
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(service.ask("hold")))
        asking.start()
        assert service.said("asked")
        service.process.send_signal(signal.SIGTERM)
        asking.join(PATIENCE)  # nothing lets it go on but the limit
        assert all(answer.status_code >= 500 for answer in answers)
        assert service.process.wait(PATIENCE) == 0  # the work was told to stop too: nothing else ends it here


# -- the worker ------------------------------------------------------------------------------------


def test_a_client_that_sends_far_too_much_reads_why(settings: Settings) -> None:
    """Such as the JDK's, which reads the answer when all is sent. A server that closes before loses its answer: the client's system gets a reset."""
    with serving(settings) as running:
        caller = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {running.key}", "Content-Type": "application/json"}
        for _ in range(2):  # over one connection
            caller.request("POST", "/v1/answers", b"x" * 32 * 1024 * 1024, headers)
            answer = caller.getresponse()
            assert (answer.status, json.loads(answer.read())["type"]) == (413, "urn:bankassist:problem:too-large")
        caller.close()


def test_a_worker_that_is_killed_is_started_again_and_ends_with_the_service(settings: Settings) -> None:
    with serving(settings) as service:
        first = soon(lambda: workers(service.process), "a worker")
        os.kill(first, signal.SIGKILL)
        second = soon(lambda: workers(service.process, other_than=first), "another worker")
        # a file that is refused unread: the worker is told by its outcome, and no model is loaded
        content = FileStore(settings.home / "files").put(b"no pdf")
        job = service.catalogue.jobs.create("test", [JobFile("扫描.pdf", content, {"groups": ["public"]})])
        soon(lambda: service.catalogue.jobs.get(job).state is JobState.FAILED, "the job's end")
        assert [file.code for file in service.catalogue.jobs.get(job).files] == ["wrong_type"]
        assert workers(service.process) == second
        with watching(second) as gone:
            service.process.send_signal(signal.SIGTERM)
            assert service.ended() == 0
            assert not Path(f"/proc/{second}").exists()  # the service did not end before it
            assert gone()
        assert service.last_words.count("the ingest worker ended with code -9; it is started again in 1 s") == 1


def test_ctrl_c_is_for_the_service_which_ends_its_worker(settings: Settings) -> None:
    with serving(settings) as service:
        worker = soon(lambda: workers(service.process), "a worker")
        with watching(worker) as gone:
            os.killpg(service.process.pid, signal.SIGINT)  # as a terminal does
            assert service.ended() == 130
            assert gone()
        assert service.last_words == ""  # above all no worker that is missed and started again


def test_a_worker_whose_service_is_killed_ends_by_itself(settings: Settings) -> None:
    with serving(settings) as service:
        worker = soon(lambda: workers(service.process), "a worker")
        content = FileStore(settings.home / "files").put(b"no pdf")
        job = service.catalogue.jobs.create("test", [JobFile("scan.pdf", content, {"groups": ["public"]})])
        soon(lambda: service.catalogue.jobs.get(job).state is JobState.FAILED, "a worker at work")
        with watching(worker) as gone:
            service.process.kill()
            service.process.wait()
            assert gone()


# -- the port --------------------------------------------------------------------------------------


@contextmanager
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_that_is_taken_is_told_with_what_to_do_before_anything_is_loaded(
    command: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BANKASSIST_HOME", str(settings.home))
    monkeypatch.setattr(tokens, "_cache_folder", None)
    monkeypatch.setattr(assistant.bootstrap, "load_models", lambda *_: pytest.fail("models are loaded"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("documents are taken in"))
    with taken() as port:
        monkeypatch.setattr(sys, "argv", ["bankassist", command, "--port", str(port)])
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert end.value.code == 1
    assert signal.getsignal(signal.SIGTERM) is before
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"error: port {port} of 127.0.0.1 is taken by another program. Choose another one with --port (0 takes a free one) "
        "or BANKASSIST_SERVICE__PORT, or stop that program.\n",
    )
    assert not settings.home.exists()


def test_a_catalogue_that_cannot_be_opened_is_told_before_anything_is_loaded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant.bootstrap, "load_models", lambda *_: pytest.fail("models are loaded"))
    settings.home.mkdir()
    (settings.home / "catalogue.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(Unavailable, match="file is not a database"), assistant.bootstrap.open_application(settings):
        pass


def test_an_address_that_is_none_of_this_machine_is_told() -> None:
    with (
        pytest.raises(Unavailable, match=r"the service cannot listen on port 0 of 203\.0\.113\.1: .*--host and --port") as error,
        bound(address("203.0.113.1")),
    ):
        pass
    assert error.value.code == "cannot_listen"
    with pytest.raises(Unavailable, match=r"port 0 of no such host: .*--host"), bound(address("no such host")):
        pass


def address(host: str, port: int = 0) -> ServiceSettings:
    return ServiceSettings.model_validate({"host": host, "port": port})


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert [url_of("127.0.0.1", 80), url_of("::1", 8080)] == ["http://127.0.0.1:80", "http://[::1]:8080"]


def test_port_0_is_a_free_port_the_same_for_all_addresses_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound(address("127.0.0.1")) as one, bound(address("127.0.0.1")) as two:
        (first,), (second,) = one, two
        assert first.getsockname()[1] != second.getsockname()[1]

    def both(_host: str, port: int, **_more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with bound(address("localhost")) as sockets:
        assert [made.getsockname()[0] for made in sockets] == ["127.0.0.1", "127.0.0.2"]
        assert len({made.getsockname()[1] for made in sockets}) == 1
    assert [made.fileno() for made in sockets] == [-1, -1]


def test_nobody_is_let_in_before_the_service_is_ready() -> None:
    with bound(address("127.0.0.1")) as (made,), pytest.raises(ConnectionRefusedError):
        socket.create_connection(made.getsockname(), timeout=5)
