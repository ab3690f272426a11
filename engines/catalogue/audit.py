"""Audit records: append only. No record, no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from core.errors import NotFound
from engines.catalogue.database import Database
from engines.catalogue.tables import audit


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """``id`` is shared by the records of one answer."""

    sequence: int
    id: str
    kind: str
    at: datetime
    principal: str
    body: Mapping[str, Any]


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, audit_id: str, kind: str, principal: str, body: Mapping[str, Any]) -> None:
        """Append one record; when this returns, it is on disk."""
        with self._database.write() as connection:
            connection.execute(insert(audit).values(id=audit_id, kind=kind, at=datetime.now(UTC), principal=principal, body=dict(body)))

    def show(self, audit_id: str) -> list[AuditRecord]:
        """The records of one answer or search, in order.

        Raises:
            NotFound: no such id.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(audit).where(audit.c.id == audit_id).order_by(audit.c.sequence)).all()
        if not rows:
            raise NotFound(f"no audit record {audit_id!r}", code="audit_not_found")
        return [AuditRecord(row.sequence, row.id, row.kind, row.at, row.principal, row.body) for row in rows]
