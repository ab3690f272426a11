"""Running the service: uvicorn as Java clients need it, and the ingest worker beside it."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from assistant.api.app import create_app
from assistant.api.state import ServiceState
from assistant.bootstrap import Application
from core.errors import Unavailable
from core.settings import Service

log = logging.getLogger(__name__)

#: What uvicorn says of every request of a JDK client, which offers HTTP/2 as long as nobody takes it up; and of a stream that breaks off, as it must after
#: an error: clients take a body that ends for a whole answer.
_AS_MEANT = ("Unsupported upgrade request.", "No supported WebSocket library detected.", "ASGI callable returned without completing response.")

#: JDK clients keep idle connections for minutes and are not told when they close
KEEP_ALIVE_SECONDS = 330
STOP_SECONDS = 30
#: Threads that compute let the one that talks to callers have its turn after so long; with Python's 5 ms a crowd of them keeps it waiting for half a second
SWITCH_SECONDS = 0.001
#: of those, the last ones in which nobody waits for the model any more, where others were still taken until the end
_TELL_SECONDS = 5


def serve(application: Application, sockets: Sequence[socket.socket], config: Path | None, ready: Callable[[int], None]) -> None:
    """Serve until told to stop. ``ready`` is called with the port as soon as requests are answered.

    Args:
        sockets: those of :func:`bound`.

    Raises:
        Unavailable: somebody else listens on the port since it was bound.
    """
    settings = application.settings.service
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith(_AS_MEANT))
    server = _Server(
        uvicorn.Config(
            create_app(application),
            http="h11",  # httptools loses the body of requests that offer HTTP/2, as the JDK's client does
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            log_config=None,
            access_log=False,
            server_header=False,
        ),
        ready,
        settings.drain_seconds,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what was loaded stays: to look through it for garbage takes a third of a second, in which nobody is answered
    with worker(config) if settings.worker else _nothing():
        try:
            server.run(list(sockets))
        except OSError as error:
            raise _cannot_listen(settings.host, settings.port, error) from error


def address(host: str, port: int) -> str:
    """The URL of a listening service; IPv6 addresses stand in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def bound(settings: Service) -> Iterator[list[socket.socket]]:
    """Sockets for all addresses of the host. Nobody can connect yet; that the port is taken is known before models are loaded.

    Raises:
        Unavailable: the port is taken, or there is no such address.
    """
    port = settings.port
    with ExitStack() as open_sockets:
        sockets: list[socket.socket] = []
        try:
            addresses = dict.fromkeys(socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
            for family, kind, protocol, _, address in addresses:
                made = open_sockets.enter_context(socket.socket(family, kind, protocol))
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.bind((address[0], port, *address[2:]))
                port = made.getsockname()[1]  # 0 is one free port for all addresses
                sockets.append(made)
        except OSError as error:
            raise _cannot_listen(settings.host, port, error) from error
        yield sockets


def _cannot_listen(host: str, port: int, error: OSError) -> Unavailable:
    if error.errno == errno.EADDRINUSE:
        return Unavailable(
            f"port {port} of {host} is taken by another program. Choose another one with --port (0 takes a free one) or BANKASSIST_SERVICE__PORT, or stop that program.",
            code="port_taken",
        )
    return Unavailable(
        f"the service cannot listen on port {port} of {host}: {error.strerror}. Choose others with --host and --port, or BANKASSIST_SERVICE__HOST and BANKASSIST_SERVICE__PORT.",
        code="cannot_listen",
    )


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as an exception would, so that everything is closed. By default it ends the process where it stands.

    While requests are served uvicorn takes the signal itself, finishes them, and raises it again.
    """

    def end(*_: object) -> None:
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """Leaves in a way that loses no request of a balancer.

    Told to stop (SIGTERM), it says so in `/readyz` and goes on for ``drain_seconds``, by the end of which the balancer sends nothing more. Told again, it
    goes on no longer. Ctrl-C ends it at once.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None], drain_seconds: float) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain_seconds = drain_seconds
        self._told: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._told.append(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        service: ServiceState = self.config.app.state.service  # type: ignore[union-attr]
        service.leave()
        if self._drain_seconds:
            await self._serve_on()
        if self._drain_seconds and signal.SIGINT not in self._told:  # whoever came until now may still be answered
            asyncio.get_running_loop().call_later(max(0, STOP_SECONDS - _TELL_SECONDS), service.stop)
        else:
            service.stop()
        await super().shutdown(sockets)

    async def _serve_on(self) -> None:
        """Go on as before for a while, or until told once more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        ticks = 0
        while self._told == [signal.SIGTERM] and loop.time() < end:
            await self.on_tick(ticks)  # uvicorn's own, for the date in its headers
            ticks += 1
            await asyncio.sleep(0.1)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError:
            await self.lifespan.shutdown()
            raise
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
    command = [sys.executable, "-m", "core", *(["--config", str(config)] if config else []), "ingest", "worker", "--parent", str(os.getpid())]
    pause = 1.0
    while not stop.is_set():
        # in a group of its own, so that Ctrl-C is told to the service alone, which ends its worker
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ), process_group=0)  # noqa: S603, our own program
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
