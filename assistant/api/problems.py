"""Errors on the wire: RFC 9457 problem documents that hold OpenAI's `error` object as well. Status codes are decided here alone."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.tracing import trace_id
from core.errors import (
    BadInput,
    BankassistError,
    CallerLeft,
    Conflict,
    DocumentRefused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Overloaded,
    TooLarge,
    TooLate,
    Unavailable,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

#: the most specific class first
_STATUS: Mapping[type[BankassistError], int] = {
    TooLarge: 413, DocumentRefused: 422, BadInput: 400, NotAuthenticated: 401, NotAllowed: 403, NotFound: 404, Conflict: 409,
    CallerLeft: 499, Overloaded: 503, Unavailable: 503,
}  # fmt: skip
#: of statuses that are not in HTTP's own list
_TITLES: Mapping[int, str] = {499: "Client Closed Request"}
_TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

#: the body of every error, for the OpenAPI document
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "trace_id", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "trace_id": {"type": "string"},
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        },
    },
}


def status_of(error: BankassistError) -> int:
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def problem(path: str, trace: str, status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """The document of one error."""
    return {
        "type": f"urn:bankassist:problem:{code.replace('_', '-')}",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "instance": path,
        "trace_id": trace,
        "error": error_object(message, status, code, param),
    }


def problem_of(error: Exception, path: str, trace: str) -> dict[str, Any]:
    """The document of an exception. What nobody expected is told to the log alone."""
    if isinstance(error, BankassistError):
        return problem(path, trace, status_of(error), error.message, error.code, error.param)
    log.error("request %s failed", trace, exc_info=error)
    return problem(path, trace, 500, f"the service made an error; its log has more under {trace}", "internal_error")


def error_object(message: str, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": message, "type": kind, "param": param, "code": code}


def response(request: Request, status: int, message: str, code: str, param: str | None = None) -> Response:
    headers: dict[str, str] = {}
    if status in (429, 503):
        # callers told the same number come back at the same moment
        headers = {"Retry-After": str(random.randint(1, 5)), "x-should-retry": "false" if code == TooLate.code else "true"}
    elif status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    elif status == 409:
        headers = {"x-should-retry": "false"}
    return JSONResponse(problem(request.url.path, trace_id(request.scope), status, message, code, param), status, headers, MEDIA_TYPE)


def refusal(request: Request, error: BankassistError) -> Response:
    return response(request, status_of(error), error.message, error.code, error.param)


def install(app: FastAPI) -> None:
    """Give every error of the application the same shape."""

    @app.exception_handler(BankassistError)
    async def ours(request: Request, error: BankassistError) -> Response:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # the input itself is never repeated: it may hold what must not be logged
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part != "body"]
        if first["type"] == "json_invalid":
            return response(request, 400, f"the body is no JSON: {first.get('ctx', {}).get('error', 'it cannot be parsed')}", "invalid_json")
        if first["type"] == "extra_forbidden":
            return response(request, 400, f"there is no field {'.'.join(place)}", "unknown_field", ".".join(place))
        message = first["msg"].removeprefix("Value error, ")  # what pydantic puts before our own words
        return response(request, 400, f"{'.'.join(place) or 'body'}: {message}", "invalid_request", ".".join(place) or None)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 404:
            hint = "" if path.startswith("/v1/") else "; the interface is below /v1, so a client's base URL must end in /v1"
            return response(request, 404, f"nothing is served at {path}{hint}", "not_found")
        if error.status_code == 405:
            return response(request, 405, f"{path} does not take {request.method}", "method_not_allowed")
        if error.status_code == 413:
            return response(request, 413, str(error.detail), TooLarge.code)
        return response(request, error.status_code, str(error.detail), re.sub(r"\W+", "_", HTTPStatus(error.status_code).phrase.lower()))


class LastResort:
    """What nobody expected: a 500 that says where the log has more, or, once a body has begun, a broken connection."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            await JSONResponse(problem_of(error, scope["path"], trace_id(scope)), 500, media_type=MEDIA_TYPE)(scope, receive, send)
