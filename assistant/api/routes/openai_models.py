"""`/v1/models`: what may stand in the `model` of a request, after OpenAI's list of models."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request

from assistant.api.security import Asker
from assistant.api.state import application, state
from assistant.openai_wire import ModelOut, ModelsOut
from assistant.route import AUTO, BASE
from core.errors import NotFound
from core.settings import Models
from core.types import Principal

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models")
def models(caller: Asker, request: Request) -> ModelsOut:
    """The models that the caller may use: `auto`, `base`, each adapter by its name, by name and version and by its aliases, and the embedding model."""
    return ModelsOut(data=_usable(caller, request))


@router.get("/models/{model:path}")
def model(model: str, caller: Asker, request: Request) -> ModelOut:
    """One model."""
    for found in _usable(caller, request):
        if found.id == model:
            return found
    raise NotFound("there is no such model for this key; GET /v1/models lists those that there are", code="model_not_found", param="model")


def embedding_model(settings: Models) -> str:
    """What the embedding model is called here: its name without what only this machine knows, as its folder."""
    name = settings.embedding.removeprefix("bundled:")
    return Path(name).name if name.startswith(("/", ".", "~")) else name.partition("@")[0]


def _usable(caller: Principal, request: Request) -> list[ModelOut]:
    found = application(request)
    since = int(state(request).started.timestamp())
    listed = [
        ModelOut(id=AUTO, created=since, description="the adapter that fits the question"),
        ModelOut(id=BASE, created=since, description=f"the base model without an adapter: {Path(found.settings.models.generation).name}"),
    ]
    tasks, routes = found.assistant.tasks, found.assistant.router
    listed += [ModelOut(id=alias, created=since, description=f"an alias of {BASE}") for alias, meant in sorted(routes.aliases.items()) if meant == BASE]
    for info in routes.usable(caller):
        created, description = int(info.created_at.timestamp()), tasks[info.ref.name].description
        if info.state == "active":
            listed.append(ModelOut(id=info.ref.name, created=created, parent=BASE, description=description))
        listed.append(ModelOut(id=str(info.ref), created=created, parent=BASE, description=description))
        for alias in routes.aliases_of(info):
            listed.append(ModelOut(id=alias, created=created, parent=BASE, description=f"an alias of {routes.meant(alias)}: {description}"))
    listed.append(ModelOut(id=embedding_model(found.settings.models), created=since, description="texts to vectors, at /v1/embeddings"))
    return listed
