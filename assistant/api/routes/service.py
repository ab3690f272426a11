"""The service itself: `/livez`, `/readyz`, `/metrics`, `/version`; and `/v1/me`, who calls it."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from assistant.api.security import Administrator, Caller
from assistant.api.state import application, state
from assistant.wire import MeOut, me_out
from core.errors import BankassistError
from engines.catalogue.database import check

router = APIRouter(tags=["service"])


@router.get("/livez")
def livez() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "something is missing; `checks` says what"}})
def readyz(request: Request) -> Response:
    """The service can answer: catalogue, index and base model are there, and it is not stopping."""
    service = state(request)
    checks: dict[str, str] = {}
    for name, look in (("catalogue", _catalogue), ("index", _index), ("generator", _generator)):
        try:
            checks[name] = look(request)
        except BankassistError as error:
            checks[name] = f"failed: {error.message}"
    if service.stopping:
        checks["service"] = "failed: stopping"
    ready = not any(value.startswith("failed") for value in checks.values())
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


def _catalogue(request: Request) -> str:
    check(application(request).parts.catalogue.database.engine)
    return "ok"


def _index(request: Request) -> str:
    index = application(request).parts.index
    return "; ".join(part for part in (f"at change {index.refresh()}", index.trouble) if part)


def _generator(request: Request) -> str:
    return application(request).generator.health()


@router.get("/v1/me")
def me(caller: Caller) -> MeOut:
    """Whose key this is and what it may do."""
    return me_out(caller)


@router.get("/metrics")
def metrics(_caller: Administrator, request: Request) -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(state(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
def version(request: Request) -> dict[str, Any]:
    """The program's version and the models that it answers with."""
    found = application(request)
    return {
        "version": package_version("bankassist"),
        "generation": {"name": found.settings.models.generation, "digest": found.generator.base_digest},
        "embedding": {"name": found.settings.models.embedding, "digest": found.parts.embedder.digest},
    }
