"""Who asks: an API key in the Authorization header. Nothing in a body or another header says anything about rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.api import problems
from assistant.api.body_limit import UPLOADS
from assistant.api.state import application
from core.errors import BankassistError, NotAllowed, NotAuthenticated
from core.types import Principal

_bearer = HTTPBearer(auto_error=False, description="an API key, ba_...")


def principal(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Principal:
    """The holder of the key.

    Raises:
        NotAuthenticated: no key, or a wrong one.
    """
    if credentials is None:
        raise NotAuthenticated("no API key: send `Authorization: Bearer ba_...`; `bankassist keys create` makes a key.", code="missing_api_key")
    return application(request).parts.catalogue.keys.authenticate(credentials.credentials)


def require(scope: str) -> Callable[..., Principal]:
    """A dependency that lets through only keys with a scope."""

    def check(caller: Annotated[Principal, Depends(principal)]) -> Principal:
        demand(caller, scope)
        return caller

    return check


def demand(caller: Principal, scope: str) -> None:
    """Refuse a caller without the scope.

    Raises:
        NotAllowed: names the scope.
    """
    if scope not in caller.scopes:
        raise NotAllowed(f"this key has not the scope {scope!r}", code="missing_scope")


class UploadsNeedAKey:
    """Asks who uploads before the body comes in; FastAPI itself takes a whole form in first."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == UPLOADS:
            request = Request(scope)
            try:
                demand(await to_thread.run_sync(principal, request, await _bearer(request)), "ingest")
            except BankassistError as error:
                refusal = problems.refusal(request, error)
                refusal.headers["connection"] = "close"  # the body that is still on its way is not read
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


Caller = Annotated[Principal, Depends(principal)]
Asker = Annotated[Principal, Depends(require("ask"))]
Reader = Annotated[Principal, Depends(require("documents"))]
Ingester = Annotated[Principal, Depends(require("ingest"))]
AdapterViewer = Annotated[Principal, Depends(require("adapters"))]
Administrator = Annotated[Principal, Depends(require("admin"))]
GenerateCaller = Annotated[Principal, Depends(require("generate"))]
