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
        generation = self.application.settings.generation
        self.threads = anyio.CapacityLimiter(generation.queue + generation.batch + 16)

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
