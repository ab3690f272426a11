"""Many callers: what they count, and that they keep to what they are told. A real server that answers in turns."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.callers import Load, Reply, Target, hang_up, head, load
from bench.overload import rows
from bench.service import metric


def test_the_head_of_a_response() -> None:
    assert head(b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: x\r\nRetry-After: 4\r\n\r\n") == (503, 4.0)
    assert head(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") == (200, None)


def test_a_metric_is_found_by_its_whole_name() -> None:
    assert metric("# HELP waiting x\nwaiting_all 7.0\nwaiting 2.0\n", "waiting") == 2.0


def test_what_a_load_says() -> None:
    replies = [
        Reply(200, None, 1.0, 9.0),
        Reply(200, None, 1.0, 10.0),
        Reply(200, None, 1.0, 10.5),  # too late to count
        Reply(500, None, 0.1, 1.0),
        Reply(0, None, 0.1, 1.0),
        Reply(500, None, 0.1, 1.0),
        *(Reply(503, 2.0, number / 100, 1.0) for number in range(1, 101)),
    ]
    found = Load(4.0, 10.0, replies)
    assert found.answers_per_second == 0.5  # two in four seconds
    assert found.unexpected == {0: 1, 500: 2}
    assert len(found.rejections) == 100
    assert (found.rejected_within(0.99), found.rejected_within(0.5)) == (1.0, 0.51)
    assert Load(4.0, 10.0).rejected_within(0.99) == 0.0


def test_the_rows_hold_the_goals() -> None:
    alone = Load(10.0, 10.0, [Reply(200, None, 1.0, 1.0)] * 20)
    crowd = Load(10.0, 10.0, [*[Reply(200, None, 1.0, 1.0)] * 17, Reply(503, 1.0, 0.02, 1.0), Reply(503, None, 0.2, 1.0)])
    unexpected, silent, late, answers = rows(alone, crowd, 3)
    assert (unexpected.met, silent.met, late.met, answers.met) == (True, False, False, False)
    assert [silent.ours.median, late.ours.median, answers.ours.median, answers.goal, answers.ratio] == pytest.approx([1, 200, 1.7, 1.8, 0.85])


class InTurns(socketserver.StreamRequestHandler):
    """Answers, refuses, answers, refuses. A stream is begun, and ends when the caller has left."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = json.loads(self.rfile.read(length))
        with server.lock:
            server.asked.append(body)
            refused = len(server.asked) % 2 == 0 and not body["stream"]
        if body["stream"]:
            with server.lock:
                server.open += 1
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nevent: route\ndata: {}\n\n")
            with suppress(ConnectionResetError):
                self.rfile.read(1)
            with server.lock:
                server.open -= 1
                server.ended += 1
        elif refused:
            self.wfile.write(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\n\r\n{}")
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n{}")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), InTurns)
        self.lock = threading.Lock()
        self.asked: list[dict[str, object]] = []
        self.open = self.ended = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_callers_ask_again_until_the_time_is_over() -> None:
    with serving() as server:
        found = load(Target(server.url, "ba_x", ["fee?", "费用？"], "base"), 3, 0.2)
        statuses = [reply.status for reply in found.replies]
        assert len(statuses) == len(server.asked) >= 3
        assert statuses.count(503) == len(statuses) // 2
        assert {reply.retry_after for reply in found.rejections} <= {0.0}
        assert found.unexpected == {}
        assert {"question": "fee?", "adapter": "base", "stream": False} in server.asked
        assert {"question": "费用？", "adapter": "base", "stream": False} in server.asked


def test_a_server_that_is_gone_is_no_status() -> None:
    with serving() as server:
        target = Target(server.url, "ba_x", ["fee?"], "base")
    found = load(target, 1, 0.01)
    assert set(found.unexpected) == {0}


def test_all_hang_up_as_soon_as_all_have_begun() -> None:
    with serving() as server:
        found = hang_up(Target(server.url, "ba_x", ["fee?"], "base"), 5, lambda: server.open, 60)
        assert found.open == 5
        assert (server.open, server.ended) == (0, 5)
