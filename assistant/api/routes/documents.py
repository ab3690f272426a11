"""Documents and ingestion jobs: `/v1/documents`, `/v1/jobs`. Uploads are only stored and queued here; the ingest worker reads them."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from starlette.responses import JSONResponse
from starlette.status import HTTP_202_ACCEPTED

from assistant.api.deadline import Deadline
from assistant.api.idempotency import REPLAYED, key_of
from assistant.api.security import Ingester, Reader
from assistant.api.state import application, state
from assistant.bootstrap import Application
from assistant.wire import (
    DocumentOut,
    DocumentsOut,
    JobAcceptedOut,
    JobOut,
    JobsOut,
    TextOut,
    VersionOut,
    WithdrawnOut,
    job_out,
    version_out,
)
from core.errors import BadInput, DocumentRefused, NotFound, TooLarge
from core.metadata import parse_metadata
from core.text.normalise import one_line
from core.types import Principal
from engines.catalogue.jobs import JobFile

router = APIRouter(prefix="/v1", tags=["documents"])

#: endings that the ingest worker reads; the service itself has no parser to ask
SUPPORTED = (".pdf", ".docx", ".xlsx", ".html", ".htm", ".md", ".markdown", ".txt")
MAX_FILES = 50


@router.post("/documents", status_code=HTTP_202_ACCEPTED)
def upload(
    caller: Ingester,
    request: Request,
    response: Response,
    file: Annotated[list[UploadFile], File(description="one or more files")],
    metadata: Annotated[str, Form(description="JSON: document_id, title, groups, language, product, data_level, valid_from, valid_until")] = "{}",
) -> JobAcceptedOut:
    """Queue files for ingestion. Only what shows without reading them is refused at once; the rest is in the job. With an `Idempotency-Key` the same upload,
    sent again, is the job that the first one made."""
    key = key_of(request)
    settings = application(request).settings.ingest
    values = _object(metadata)
    if len(file) > MAX_FILES:
        raise TooLarge(f"{len(file)} files at once; at most {MAX_FILES} are taken", param="file")
    if len(file) > 1 and "document_id" in values:
        raise BadInput("one document_id cannot name several files; upload them one by one, or leave document_id out", param="metadata")
    for part in file:
        name = _name(part)
        parse_metadata(values, name, _readable(caller))
        if not name.lower().endswith(SUPPORTED):
            ending = PurePosixPath(name).suffix or "nothing"
            raise DocumentRefused(
                f"{name}: files ending in {ending} are not supported; supported are {', '.join(SUPPORTED)}", code="unsupported_format", param="file"
            )
        if (part.size or 0) > settings.max_file_mb * 1024 * 1024:
            raise TooLarge(f"{name} has {part.size:,} bytes, more than the limit of {settings.max_file_mb} MiB", param="file")
    parts = application(request).parts
    files = [JobFile(_name(part), parts.files.put(part.file.read()), values) for part in file]
    if key is None:
        return JobAcceptedOut(job_id=parts.catalogue.jobs.create(caller.name, files, _readable(caller)))
    queued = parts.catalogue.jobs.create_once(key, caller.name, files, _readable(caller))
    if queued.before:
        response.headers.update(REPLAYED)
    return JobAcceptedOut(job_id=queued.job_id)


def _readable(caller: Principal) -> frozenset[str] | None:
    """The groups whose documents the caller may replace or withdraw; None is all."""
    return None if "admin" in caller.scopes else caller.readable


def _object(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False).encode()  # half of a surrogate pair can be neither stored nor shown
    except (ValueError, RecursionError) as error:
        raise BadInput(f"metadata is no JSON: {error}", code="invalid_json", param="metadata") from error
    if not isinstance(values, dict):
        raise BadInput(f"metadata must be a JSON object, got {type(values).__name__}", param="metadata")
    return values


def _name(part: UploadFile) -> str:
    """The file's own name without any folder that the client sent along."""
    name = PurePosixPath(one_line((part.filename or "").replace("\\", "/"))).name
    if not name:
        raise BadInput("a file was sent without a name", param="file")
    return name[:255]


@router.get("/documents")
def documents(caller: Reader, request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 100, cursor: str = "") -> DocumentsOut:
    """The newest version of each document that the caller may read, in order of id."""
    found = application(request).parts.catalogue.documents.newest(caller.readable, cursor, limit)
    return DocumentsOut(documents=[version_out(info) for info in found], next_cursor=found[-1].document_id if len(found) == limit else None)


@router.get("/documents/{document_id}")
def document(document_id: str, caller: Reader, request: Request) -> DocumentOut:
    """All versions of a document."""
    infos = application(request).parts.catalogue.documents.versions(document_id, caller.readable)
    return DocumentOut(document_id=document_id, versions=[version_out(info) for info in infos])


@router.get("/documents/{document_id}/versions/{version}")
def document_version(document_id: str, version: int, caller: Reader, request: Request) -> VersionOut:
    """One version."""
    return version_out(application(request).parts.catalogue.documents.version(document_id, version, caller.readable))


@router.get("/documents/{document_id}/versions/{version}/text")
def document_text(
    document_id: str,
    version: int,
    caller: Reader,
    request: Request,
    start: Annotated[int, Query(ge=0, description="first character")] = 0,
    end: Annotated[int | None, Query(ge=0, description="the character after the last")] = None,
) -> TextOut:
    """The text that citations point into, or a part of it."""
    catalogue = application(request).parts.catalogue
    info = catalogue.documents.version(document_id, version, caller.readable)
    if info.state != "ready":
        raise NotFound(f"document {document_id} version {version} was withdrawn: its text is not shown any more", code="document_withdrawn")
    whole = catalogue.documents.text(document_id, version)
    last = len(whole) if end is None else min(end, len(whole))
    if start > last:
        raise BadInput(f"start ({start}) lies behind end ({last})", param="start")
    return TextOut(document_id=document_id, version=version, start=start, end=last, length=len(whole), text=whole[start:last])


@router.post("/documents/{document_id}/withdraw", response_model=WithdrawnOut)
async def withdraw(document_id: str, caller: Ingester, deadline: Deadline, request: Request) -> Response:
    """Take a document out of every answer at once."""

    async def make() -> Response:
        return await to_thread.run_sync(_withdraw, document_id, caller, application(request))

    return await state(request).replies.once(request, caller, deadline, make, from_documents=False)


def _withdraw(document_id: str, caller: Principal, found: Application) -> Response:
    count = found.parts.catalogue.documents.withdraw(document_id, readable=_readable(caller))
    audit = found.assistant.audit
    audit.audit.record(audit.new_id(), "document.withdrawn", caller.name, {"document_id": document_id, "versions": count})
    return JSONResponse(WithdrawnOut(document_id=document_id, versions_withdrawn=count).model_dump(mode="json"))


@router.get("/jobs")
def jobs(caller: Ingester, request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> JobsOut:
    """The caller's newest jobs; with the scope `admin` those of everybody."""
    owner = None if "admin" in caller.scopes else caller.name
    return JobsOut(jobs=[job_out(job) for job in application(request).parts.catalogue.jobs.recent(owner, limit)])


@router.get("/jobs/{job_id}")
def job(job_id: str, caller: Ingester, request: Request) -> JobOut:
    """A job and what became of each of its files."""
    owner = None if "admin" in caller.scopes else caller.name
    return job_out(application(request).parts.catalogue.jobs.get(job_id, owner))
