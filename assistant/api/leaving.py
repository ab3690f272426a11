"""A service that is to stop ends each connection with the answer that is sent on it, so that none is in use when it closes those that are left."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.state import ServiceState


class Leaving:
    """Adds `Connection: close` (RFC 9112, 9.6) once the service is stopping."""

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self.state.stopping:
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
                message["headers"] = [*others, (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, closing)
