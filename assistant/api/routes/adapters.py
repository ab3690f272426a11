"""Adapters: `/v1/adapters`."""

from __future__ import annotations

from fastapi import APIRouter, Request

from assistant.api.security import AdapterViewer
from assistant.api.state import application
from assistant.wire import AdapterOut, AdaptersOut, adapter_out
from core.errors import NotFound
from core.types import Principal
from engines.catalogue.adapters import AdapterInfo

router = APIRouter(prefix="/v1", tags=["adapters"])


@router.get("/adapters")
def adapters(caller: AdapterViewer, request: Request) -> AdaptersOut:
    """The versions of the adapters that the caller may use."""
    tasks = application(request).assistant.tasks
    return AdaptersOut(adapters=[adapter_out(info, tasks[info.ref.name]) for info in _usable(caller, request)])


@router.get("/adapters/{name}")
def adapter(name: str, caller: AdapterViewer, request: Request) -> AdaptersOut:
    """All versions of one adapter."""
    found = [info for info in _usable(caller, request) if info.ref.name == name]
    if not found:
        raise NotFound(f"no adapter {name!r}", code="adapter_not_found")
    return AdaptersOut(adapters=[adapter_out(info, application(request).assistant.tasks[name]) for info in found])


@router.get("/adapters/{name}/{version}")
def adapter_version(name: str, version: int, caller: AdapterViewer, request: Request) -> AdapterOut:
    """One version."""
    for info in _usable(caller, request):
        if (info.ref.name, info.ref.version) == (name, version):
            return adapter_out(info, application(request).assistant.tasks[name])
    raise NotFound(f"no adapter {name!r} version {version}", code="adapter_not_found")


def _usable(caller: Principal, request: Request) -> list[AdapterInfo]:
    found = application(request)
    tasks = found.assistant.tasks
    return [info for info in found.parts.catalogue.adapters.all() if info.ref.name in tasks and caller.readable & set(tasks[info.ref.name].groups)]
