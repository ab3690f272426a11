"""A place in the model's queue for whoever asks it, taken before anything else is done. Who finds none is told at once: at that moment time is what is scarce.

A body that is still on its way takes none: callers that send slowly, or never end, would keep out all others.
"""

from __future__ import annotations

from collections import deque

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api import problems
from assistant.api.metrics import ROUTE
from assistant.bootstrap import Application
from core.errors import BankassistError
from core.place import Place

#: what waits for the model
PATHS = frozenset({"/v1/answers", "/v1/generate", "/v1/chat/completions"})
_PLACE = "bankassist.place"


def place_of(request: Request) -> Place:
    """The place that is held for this request."""
    place: Place = request.scope[_PLACE]
    return place


class HoldAPlace:
    """Before keys are looked up and bodies parsed, once a body is there. It is held until the request waits for the model itself, or ends."""

    def __init__(self, app: ASGIApp, application: Application) -> None:
        self.app = app
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in PATHS:
            scope[ROUTE] = scope["path"]
            received = await _whole(receive)
            place = self._application.generator.admit()
            try:
                place.__enter__()
            except BankassistError as error:
                await problems.refusal(Request(scope), error)(scope, received, send)
                return
            with place:
                scope[_PLACE] = place
                await self.app(scope, received, send)
            return
        await self.app(scope, receive, send)


async def _whole(receive: Receive) -> Receive:
    """Receives the same once more, as soon as the whole body has come, or the caller has left."""
    messages: deque[Message] = deque([await receive()])
    while messages[-1].get("more_body"):
        messages.append(await receive())

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again
