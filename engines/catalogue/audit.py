"""Audit records: append only. No record, no answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from core.errors import NotFound
from engines.catalogue.database import Database
from engines.catalogue.failures import CatalogueUnavailable
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


@dataclass(eq=False, slots=True)
class _Waiting:
    """A record on its way to the disk."""

    values: Mapping[str, Any]
    stored: bool = False
    problem: CatalogueUnavailable | None = None


class Audit:
    """Records that come while others are being written are written together after them, in one transaction: one wait for the disk serves them all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []

    def record(self, audit_id: str, kind: str, principal: str, body: Mapping[str, Any]) -> None:
        """Append one record; when this returns, it is on disk."""
        mine = _Waiting({"id": audit_id, "kind": kind, "at": datetime.now(UTC), "principal": principal, "body": dict(body)})
        with self._guard:
            self._waiting.append(mine)
        with self._turn:
            if not mine.stored and mine.problem is None:
                with self._guard:
                    together = [mine]
                    if mine in self._waiting:
                        together, self._waiting = self._waiting, []
                try:
                    self._write(together)
                except CatalogueUnavailable as problem:  # the others need not wait for it once more, one after another
                    for one in together:
                        one.problem = problem
                except Exception:
                    if together == [mine]:
                        raise
                    self._write([mine])  # the fault is one record's: each is written by itself, in its caller's turn
        if mine.problem is not None:
            raise type(mine.problem)(mine.problem.message, code=mine.problem.code) from mine.problem

    def _write(self, records: Sequence[_Waiting]) -> None:
        with self._database.write() as connection:
            connection.execute(insert(audit), [one.values for one in records])
        for one in records:
            one.stored = True

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
