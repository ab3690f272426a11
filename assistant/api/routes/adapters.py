"""Adapters: `/v1/adapters`."""

from __future__ import annotations

from fastapi import APIRouter, Request

from assistant.api.security import AdapterViewer
from assistant.api.state import application
from assistant.route import BASE
from assistant.wire import AdapterOut, AdaptersOut, adapter_out
from core.errors import NotFound
from core.types import Principal
from engines.catalogue.adapters import AdapterInfo

router = APIRouter(prefix="/v1", tags=["adapters"])


@router.get("/adapters")
def adapters(caller: AdapterViewer, request: Request) -> AdaptersOut:
    """The versions of the adapters that the caller may use."""
    return AdaptersOut(adapters=[_out(info, request) for info in _usable(caller, request)])


@router.get("/adapters/{name}")
def adapter(name: str, caller: AdapterViewer, request: Request) -> AdaptersOut:
    """All versions of one adapter; by an alias of the settings the versions that it may mean."""
    return AdaptersOut(adapters=[_out(info, request) for info in _named(name, caller, request)])


@router.get("/adapters/{name}/{version}")
def adapter_version(name: str, version: int, caller: AdapterViewer, request: Request) -> AdapterOut:
    """One version."""
    for info in _named(name, caller, request):
        if info.ref.version == version:
            return _out(info, request)
    raise NotFound(f"no adapter {name!r} version {version}", code="adapter_not_found")


def _out(info: AdapterInfo, request: Request) -> AdapterOut:
    assistant = application(request).assistant
    return adapter_out(info, assistant.tasks[info.ref.name], assistant.router.aliases_of(info))


def _named(name: str, caller: Principal, request: Request) -> list[AdapterInfo]:
    meant = application(request).assistant.router.meant(name)
    if meant == BASE:
        raise NotFound(f"{name!r} is the base model, which is no adapter", code="adapter_not_found")
    found = [info for info in _usable(caller, request) if meant in (info.ref.name, str(info.ref))]
    if not found:
        raise NotFound(f"no adapter {name!r}", code="adapter_not_found")
    return found


def _usable(caller: Principal, request: Request) -> list[AdapterInfo]:
    found = application(request)
    tasks = found.assistant.tasks
    return [info for info in found.parts.catalogue.adapters.all() if info.ref.name in tasks and caller.readable & set(tasks[info.ref.name].groups)]
