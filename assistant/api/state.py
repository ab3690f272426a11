"""What the routes share: the application, its metrics, and threads of their own for work that waits for the model."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from fastapi import Request

from assistant.api.metrics import Metrics
from assistant.bootstrap import Application


@dataclass
class ServiceState:
    application: Application
    metrics: Metrics
    stopping: bool = False
    #: more threads than may wait for the model or have it write, so that the queue itself is what refuses
    threads: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        settings = self.application.settings
        at_once = settings.generation.batch if settings.generation.engine == "local" else settings.remote.concurrency
        self.threads = anyio.CapacityLimiter(settings.generation.queue + at_once + 16)

    def refuse_where_full(self) -> None:
        """Tell a caller at once that nobody more may wait for the model: at that very time threads are what is scarce.

        Raises:
            Overloaded: so it is.
        """
        with self.application.generator.admit():
            pass

    def stop(self) -> None:
        """Be ready for nothing more, before requests in flight are waited for: a balancer on an open connection sends no more, and those that wait for the
        model are told to go elsewhere instead of being cut off at the end."""
        self.stopping = True
        self.application.generator.drain()


def state(request: Request) -> ServiceState:
    found = request.app.state.service
    assert isinstance(found, ServiceState)
    return found


def application(request: Request) -> Application:
    return state(request).application
