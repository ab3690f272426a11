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
    #: as many threads as may wait for the model, so that the queue itself is what refuses
    threads: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.threads = anyio.CapacityLimiter(self.application.settings.generation.queue + 16)


def state(request: Request) -> ServiceState:
    found = request.app.state.service
    assert isinstance(found, ServiceState)
    return found


def application(request: Request) -> Application:
    return state(request).application
