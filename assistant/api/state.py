"""What the routes share: the application, its metrics, and threads of their own for work that waits for the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
from fastapi import Request

from assistant.api.idempotency import Replies
from assistant.api.metrics import Metrics
from assistant.bootstrap import Application

_EMBEDDING = 16


@dataclass
class ServiceState:
    application: Application
    metrics: Metrics
    stopping: bool = False
    #: more threads than may wait for the model or have it write, so that the queue itself is what refuses
    threads: anyio.CapacityLimiter = field(init=False)
    #: requests for embeddings: those beyond are refused, since questions need the embedder too
    embedding: anyio.CapacityLimiter = field(init=False)
    replies: Replies = field(init=False)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.embedding = anyio.CapacityLimiter(_EMBEDDING)
        self.replies = Replies(self.application.parts.index.refresh)
        settings = self.application.settings
        at_once = settings.generation.batch if settings.generation.engine == "local" else settings.remote.concurrency
        self.threads = anyio.CapacityLimiter(settings.generation.queue + at_once + 16)

    def leave(self) -> None:
        """Be ready for nothing more, as `/readyz` says from now on, and end connections with their answers. What comes all the same is answered."""
        self.stopping = True

    def stop(self) -> None:
        """Tell those that wait for the model to go elsewhere, before requests in flight are waited for, instead of cutting them off at the end."""
        self.leave()
        self.application.generator.drain()


def state(request: Request) -> ServiceState:
    found = request.app.state.service
    assert isinstance(found, ServiceState)
    return found


def application(request: Request) -> Application:
    return state(request).application
