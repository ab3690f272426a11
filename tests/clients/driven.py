"""The Java client in the hands of a test, and a server that answers it as the test wishes."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "ba_a-key-that-nobody-may-see"


class Client:
    """A process of ``java/Drive.java``; a locale without Chinese, as services often have."""

    def __init__(self, java: str, classes: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "POSIX"}
        command = [java, "-XX:TieredStopAtLevel=1", "-cp", str(classes), "Drive"]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf8")

    def __call__(self, do: str, url: str = "http://127.0.0.1:1", key: str = KEY, **more: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, "url": url, "key": key, **more}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or self.process.communicate()[1])

    def end(self) -> str:
        """What it wrote on stderr."""
        return self.process.communicate()[1]


Reply = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request; its reply is the next of the server's script."""

    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append((f"{self.command} {self.path}", dict(self.headers), body))
        self.server.script.pop(0)(self)

    do_GET = do_POST  # noqa: N815, as the library calls it

    def log_message(self, *_: object) -> None:
        pass


class Scripted(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *script: Reply, tls: tuple[Path, Path] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.script = list(script)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.left = threading.Event()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that does not trust the certificate is none of the server's business."""


@contextmanager
def scripted(*script: Reply, tls: tuple[Path, Path] | None = None) -> Iterator[Scripted]:
    """A server with these replies, one for each request; ``tls`` are the files of its certificate and key."""
    with Scripted(*script, tls=tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def reply(status: int, body: object, **headers: str) -> Reply:
    def send(exchange: Exchange) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        exchange.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            exchange.send_header(name.replace("_", "-"), value)
        exchange.end_headers()
        exchange.wfile.write(content)

    return send


def events(text: str, *, whole: bool = True, size: int = 7) -> Reply:
    """A stream in chunks of so many bytes, which cut characters in two; one that is not whole breaks off without its last chunk."""

    def send(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", "text/event-stream")
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        content = text.encode()
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            exchange.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole:
            exchange.wfile.write(b"0\r\n\r\n")
        else:
            exchange.close_connection = True

    return send


def drop(exchange: Exchange) -> None:
    """The connection ends without a reply."""
    exchange.close_connection = True


def silence(exchange: Exchange) -> None:
    """No reply, until the client has gone."""
    while exchange.connection.recv(1024):
        pass
    exchange.server.left.set()
    exchange.close_connection = True


def problem(status: int, code: str, detail: str = "so it is", param: str | None = None) -> dict[str, Any]:
    error = {"message": detail, "type": "server_error", "param": param, "code": code}
    return {"type": f"urn:x:{code}", "title": "T", "status": status, "detail": detail, "instance": "/", "trace_id": "0af7", "error": error}
