"""A trace id for every request: the caller's W3C `traceparent` if it sent one, else a new one."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_KEY = "bankassist.trace_id"


def trace_id(scope: Scope) -> str:
    return str(scope.get(_KEY, ""))


class Tracing:
    """Sets the trace id and sends it back as `x-request-id`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = _TRACEPARENT.fullmatch(dict(scope["headers"]).get(b"traceparent", b""))
        scope[_KEY] = given[1].decode() if given else uuid4().hex

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", trace_id(scope).encode())]
            await send(message)

        await self.app(scope, receive, tagged)
