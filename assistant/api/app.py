"""The ASGI application: routes, errors, limits. Everything that it serves was opened before."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from assistant.api import problems
from assistant.api.body_limit import BodyLimit
from assistant.api.full import HoldAPlace
from assistant.api.leaving import Leaving
from assistant.api.metrics import Measured, Metrics
from assistant.api.routes import adapters, answers, console, documents, openai_chat, openai_embeddings, openai_models, service
from assistant.api.security import UploadsNeedAKey
from assistant.api.state import ServiceState
from assistant.api.tracing import Tracing
from assistant.bootstrap import Application


def create_app(application: Application) -> FastAPI:
    """The REST interface of an open application."""
    settings = application.settings
    catalogue = application.parts.catalogue
    metrics = Metrics(lambda: application.generator.load_now, lambda: application.parts.index.sequence, catalogue.jobs.waiting)
    shared = ServiceState(application, metrics)

    app = FastAPI(
        title="bankassist",
        version=version("bankassist"),
        description="Answers banking questions from the bank's own documents.",
        openapi_url="/openapi.json" if settings.service.docs else None,
        docs_url=None,  # the usual pages load their scripts from another host
        redoc_url=None,
        responses={status: _problem_response(text) for status, text in _ERRORS.items()},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = shared
    for module in (answers, openai_chat, openai_embeddings, openai_models, documents, adapters, service):
        app.include_router(module.router)
    app.include_router(console.router())
    problems.install(app)
    upload_limit = settings.ingest.max_file_mb * 1024 * 1024 + 1024 * 1024
    # the last one added is the outermost
    app.add_middleware(HoldAPlace, application=application)
    app.add_middleware(BodyLimit, limit=settings.service.max_body_kb * 1024, upload_limit=upload_limit)
    app.add_middleware(UploadsNeedAKey)
    app.add_middleware(problems.LastResort)
    app.add_middleware(Measured, metrics=metrics)
    app.add_middleware(Leaving, state=shared)
    app.add_middleware(Tracing)
    return app


_ERRORS = {
    400: "a field is missing, unknown or does not fit",
    401: "no API key, or a wrong one",
    403: "the key lacks the scope",
    404: "no such thing for this caller",
    413: "larger than the limit",
    422: "a document that cannot be taken in",
    503: "no room, or something is missing; try again",
}


def _problem_response(text: str) -> dict[str, Any]:
    return {"description": text, "content": {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}}
