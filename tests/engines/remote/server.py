"""A generation server over a real socket that does as a test tells it: by default it writes "USD 45.00 元" as vLLM does, a token per byte."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.settings import Settings, load_settings
from engines.remote_generator import RemoteGenerator
from tests.engines.tiny import DIGEST, tiny_tokenizer

TEXT = "USD 45.00 元"
BASE = "base-model"
_PATIENCE = 20  # seconds that nothing here may take


class Exchange:
    """One request, from the server's side."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: Mapping[str, Any]) -> None:
        self._handler = handler
        self.body = body
        self.hung_up = threading.Event()

    def head(self, status: int = 200, content_type: str = "text/event-stream", **headers: str) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()
        self._handler.close_connection = True

    def send(self, content: bytes | str) -> None:
        self._handler.wfile.write(content.encode() if isinstance(content, str) else content)
        self._handler.wfile.flush()

    def document(self, status: int, document: Any, **headers: str) -> None:
        self.head(status, "application/json", **headers)
        self.send(json.dumps(document))

    def event(self, document: Any) -> None:
        self.send(f"data: {json.dumps(document)}\n\n")

    def piece(self, text: str = "", tokens: Sequence[int] | None = None, finish: str | None = None, **more: Any) -> None:
        choice = {"index": 0, "text": text, "finish_reason": finish, **({} if tokens is None else {"token_ids": list(tokens)}), **more}
        self.event({"id": "cmpl-1", "object": "text_completion", "model": self.body["model"], "choices": [choice]})

    def done(self) -> None:
        self.event({"id": "cmpl-1", "model": self.body["model"], "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})
        self.send("data: [DONE]\n\n")

    def wait_for_hang_up(self) -> None:
        readable, _, _ = select.select([self._handler.connection], [], [], _PATIENCE)
        if readable and self._handler.connection.recv(1) == b"":
            self.hung_up.set()

    def cut(self) -> None:
        self._handler.connection.shutdown(socket.SHUT_RDWR)


Script = Callable[[Exchange], None]


def ids(text: str) -> list[int]:
    found: list[int] = tiny_tokenizer().encode(text, add_special_tokens=False)
    return found


def writes(text: str, finish: str = "stop") -> Script:
    """As vLLM streams: token ids beside the text."""

    def script(exchange: Exchange) -> None:
        exchange.head()
        for token in ids(text):
            exchange.piece("?", [token])  # its text is of no interest where ids come
        exchange.piece("", [], finish)
        exchange.done()

    return script


def refuses(status: int, **headers: str) -> Script:
    return lambda exchange: exchange.document(status, {"error": {"message": f"no: {exchange.body}", "type": "NotFoundError", "code": status}}, **headers)


@dataclass
class Server:
    """What it was asked, and what it does next: each of ``scripts`` answers one request, then ``default`` all."""

    url: str = ""
    scripts: list[Script] = field(default_factory=list)
    default: Script = field(default_factory=lambda: writes(TEXT))
    models: list[str] = field(default_factory=lambda: [BASE])
    version: str = "0.32.0"
    #: folders that adapters are loaded from: model name to path
    loaded: dict[str, str] = field(default_factory=dict)
    may_load: bool = True
    asked: list[Exchange] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies(self) -> list[Mapping[str, Any]]:
        return [exchange.body for exchange in self.asked]

    def take(self, exchange: Exchange) -> Script:
        with self.lock:
            self.asked.append(exchange)
            script = self.scripts.pop(0) if self.scripts else self.default
        self.came.release()
        return script

    def wait_until_asked(self) -> None:
        assert self.came.acquire(timeout=_PATIENCE)


@contextmanager
def running() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.headers.append(dict(self.headers))
            exchange = Exchange(self, {})
            if self.path == "/v1/models":
                exchange.document(200, {"data": [{"id": name, "max_model_len": 2048} for name in server.models]})
            elif self.path == "/version":
                exchange.document(200, {"version": server.version})
            else:
                exchange.document(404, {"error": {"code": "not_found"}})

        def do_POST(self) -> None:
            server.headers.append(dict(self.headers))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            exchange = Exchange(self, body)
            if self.path == "/v1/load_lora_adapter":
                if not server.may_load or not (Path(body["lora_path"]) / "adapter_config.json").exists():
                    exchange.document(404, {"error": {"code": 404}})
                    return
                server.loaded[body["lora_name"]] = body["lora_path"]
                server.models.append(body["lora_name"])
                exchange.document(200, "Success")
            elif self.path == "/v1/unload_lora_adapter":
                if body["lora_name"] not in server.models:
                    exchange.document(404, {"error": {"code": 404}})
                    return
                server.models.remove(body["lora_name"])
                exchange.document(200, "Success")
            elif body["model"] not in server.models:
                refuses(404)(exchange)
            else:
                try:
                    server.take(exchange)(exchange)
                except (BrokenPipeError, ConnectionResetError):
                    exchange.hung_up.set()

        def log_message(self, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *arguments: object) -> None:
            pass  # connections that tests cut

    with Quiet(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def tokenizer_folder(folder: Path) -> Path:
    """A model's folder without its weights: special tokens, template, how an answer ends."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<end>", "additional_special_tokens": ["<assistant>", "<user>", "<system>"]})
    tokenizer.save_pretrained(folder)
    return folder


def remote_settings(server: Server, folder: Path, generation: Mapping[str, Any] = {}, /, **remote: Any) -> Settings:
    """Short times, and no repeats unless a test wants them."""
    defaults = {"url": server.url, "model": BASE, "base_digest": DIGEST, "retries": 0, "connect_seconds": 5}
    return load_settings(
        home=folder / "home",
        models={"generation": str(folder / "model")},
        generation={"engine": "remote", **generation},
        remote={**defaults, **remote},
    )


@contextmanager
def connected(server: Server, folder: Path, generation: Mapping[str, Any] = {}, /, **remote: Any) -> Iterator[RemoteGenerator]:
    """A generator of that server."""
    if not (folder / "model").exists():
        tokenizer_folder(folder / "model")
    generator = RemoteGenerator.load(remote_settings(server, folder, generation, **remote), folder / "cache")
    try:
        yield generator
    finally:
        generator.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
