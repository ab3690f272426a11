"""A limit on request bodies, counted while they come in. Starlette's own answers a declared size in plain text, this one as a problem."""

from __future__ import annotations

import json

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.problems import MEDIA_TYPE, problem
from assistant.api.tracing import trace_id

UPLOADS = "/v1/documents"


class _TooLarge(HTTPException):
    """An HTTPException, since FastAPI turns any other error while it reads a body into a 400. Where something before FastAPI reads it, BodyLimit answers."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, too_large(limit))


def too_large(limit: int) -> str:
    return f"the body is larger than the limit of {limit:,} bytes"


class BodyLimit:
    """``limit`` bytes for every request but uploads, which may have ``upload_limit``."""

    def __init__(self, app: ASGIApp, limit: int, upload_limit: int) -> None:
        self.app = app
        self._limit = limit
        self._upload_limit = upload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._upload_limit if scope["path"] == UPLOADS and scope["method"] == "POST" else self._limit
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await self._refuse(scope, send, limit)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise _TooLarge(limit)
            return message

        try:
            await self.app(scope, counted, send)
        except _TooLarge:
            await self._refuse(scope, send, limit)

    async def _refuse(self, scope: Scope, send: Send, limit: int) -> None:
        """The connection stays open: closed while a client still sends, its system would throw the answer away. The server drops what comes."""
        body = json.dumps(problem(scope["path"], trace_id(scope), 413, too_large(limit), "too_large")).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
