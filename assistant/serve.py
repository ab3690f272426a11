"""Running the service: uvicorn as Java clients need it, and the ingest worker beside it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from assistant.api.app import create_app
from assistant.bootstrap import Application

log = logging.getLogger(__name__)

#: JDK clients keep idle connections for minutes and are not told when they close
KEEP_ALIVE_SECONDS = 330
STOP_SECONDS = 30


def serve(application: Application, config: Path | None, ready: Callable[[int], None]) -> None:
    """Serve until told to stop. ``ready`` is called with the port as soon as requests are answered."""
    settings = application.settings.service
    server = _Server(
        uvicorn.Config(
            create_app(application),
            host=settings.host,
            port=settings.port,
            http="h11",  # httptools loses the body of requests that offer HTTP/2, as the JDK's client does
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            log_config=None,
            access_log=False,
            server_header=False,
        ),
        ready,
    )
    with worker(config) if settings.worker else _nothing():
        server.run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            # from a thread of its own: what is done when ready may call the service
            threading.Thread(target=self._ready, args=(port,), daemon=True).start()


@contextmanager
def worker(config: Path | None) -> Iterator[None]:
    """An ingest worker as a child process; one that dies is started again."""
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(config, stop), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(timeout=STOP_SECONDS)


def _keep(config: Path | None, stop: threading.Event) -> None:
    command = [sys.executable, "-m", "core", *(["--config", str(config)] if config else []), "ingest", "worker"]
    pause = 1.0
    while not stop.is_set():
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ))  # noqa: S603, our own program
        while child.poll() is None and not stop.wait(0.2):
            pass
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        elif not stop.is_set():
            log.warning("the ingest worker ended with code %s; it is started again in %.0f s", child.returncode, pause)
            stop.wait(pause)
            pause = min(60.0, pause * 2)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
