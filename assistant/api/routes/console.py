"""The console page at `/` and its files below `/console/`. They hold no secret and need no key; what they show, the page asks for with the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

_PAGE = "index.html"
_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: everything from this host, no markup from a script, in no frame, and no form that sends itself
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # asked for again each time and mostly answered with 304: files of two releases never meet in one page
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def router() -> APIRouter:
    """The routes, over files that are read once."""
    found = _files()
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(request: Request) -> Response:
        return _response(found[_PAGE], request)

    @routes.api_route("/console/{name}", methods=["GET", "HEAD"])
    def file(name: str, request: Request) -> Response:
        if name not in found:
            raise HTTPException(404)
        return _response(found[name], request)

    return routes


def _files() -> Mapping[str, _File]:
    found = {}
    for entry in (files("assistant") / "console").iterdir():
        ending = entry.name[entry.name.rfind(".") :]
        if ending in _MEDIA_TYPES:
            content = entry.read_bytes()
            found[entry.name] = _File(content, _MEDIA_TYPES[ending], f'"{hashlib.sha256(content).hexdigest()[:20]}"')
    return found


def _response(file: _File, request: Request) -> Response:
    headers = {**_HEADERS, "ETag": file.etag}
    if file.etag in [known.strip() for known in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
