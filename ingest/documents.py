"""Results of ingestion as JSON documents."""

from __future__ import annotations

from typing import Any

from core.types import FileResult


def file_document(result: FileResult) -> dict[str, Any]:
    return {
        "path": result.path,
        "state": result.state.value,
        "reason": result.reason,
        "code": result.code,
        "document_id": result.document_id,
        "version": result.version,
        "chunks": result.chunks,
    }
