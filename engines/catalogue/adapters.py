"""Which adapter versions there are, and which one of each name is active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, insert, select, update

from core.errors import Conflict, NotFound
from core.types import AdapterRef
from engines.catalogue.database import Database
from engines.catalogue.locks import now, take_lock
from engines.catalogue.tables import adapters

#: two processes that activate at once would leave two active versions of a name
_LOCK = "adapters"


@dataclass(frozen=True, slots=True)
class PassedGate:
    """When, and by what: the verdict as it was read, and the digest of its file."""

    at: datetime
    verdict: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """``state`` is candidate, gated, active or retired. ``gate`` is there for every version that passed its gate, whatever became of it since."""

    ref: AdapterRef
    state: str
    manifest: Mapping[str, Any]
    created_at: datetime
    activated_at: datetime | None
    gate: PassedGate | None = None


class AdapterRegistry:
    def __init__(self, database: Database) -> None:
        self._database = database

    def next_version(self, name: str) -> int:
        with self._database.read() as connection:
            return 1 + (connection.scalar(select(func.max(adapters.c.version)).where(adapters.c.name == name)) or 0)

    def register(self, ref: AdapterRef, manifest: Mapping[str, Any]) -> None:
        """Add a version as a candidate.

        Raises:
            Conflict: the version exists already.
        """
        with self._database.write() as connection:
            take_lock(connection, _LOCK)
            if connection.scalar(select(adapters.c.version).where(adapters.c.name == ref.name, adapters.c.version == ref.version)) is not None:
                raise Conflict(f"adapter {ref} is registered already", code="adapter_exists")
            connection.execute(
                insert(adapters).values(
                    name=ref.name,
                    version=ref.version,
                    state="candidate",
                    path=ref.path,
                    digest=ref.digest,
                    manifest=dict(manifest),
                    created_at=now(connection),
                )
            )

    def relocate(self, ref: AdapterRef) -> bool:
        """Say where a registered version's files lie now; False when its registered digest is another one, and nothing was changed."""
        this = and_(adapters.c.name == ref.name, adapters.c.version == ref.version, adapters.c.digest == ref.digest)
        with self._database.write() as connection:
            return connection.execute(update(adapters).where(this).values(path=ref.path)).rowcount == 1

    def gate(self, name: str, version: int, verdict: Mapping[str, Any], digest: str) -> AdapterInfo:
        """Record the verdict by which a version passed its gate: a candidate is gated then; one that is active, or was, stays what it is.

        Raises:
            NotFound: no such version.
        """
        this = and_(adapters.c.name == name, adapters.c.version == version)
        state = case((adapters.c.state == "candidate", "gated"), else_=adapters.c.state)
        with self._database.write() as connection:
            take_lock(connection, _LOCK)
            passed = update(adapters).where(this).values(state=state, gated_at=now(connection), verdict=dict(verdict), verdict_digest=digest)
            if connection.execute(passed).rowcount != 1:
                raise NotFound(f"no adapter {name}@{version}; `bankassist adapters list` shows all", code="adapter_not_found")
        return self.get(name, version)

    def activate(self, name: str, version: int) -> AdapterInfo:
        """Make a version the active one of its name; the one before is retired.

        Raises:
            NotFound: no such version.
        """
        this = and_(adapters.c.name == name, adapters.c.version == version)
        with self._database.write() as connection:
            take_lock(connection, _LOCK)
            if connection.scalar(select(adapters.c.version).where(this)) is None:
                raise NotFound(f"no adapter {name}@{version}; `bankassist adapters list` shows all", code="adapter_not_found")
            _replace_active(connection, name, version, "retired")
        return self.get(name, version)

    def rollback(self, name: str) -> AdapterInfo:
        """Make the version that was active before the active one active again.

        The one rolled back from is a candidate again (gated, where it had passed its gate), so that a second rollback goes further back and not to it.

        Raises:
            NotFound: there is none.
        """
        with self._database.write() as connection:
            take_lock(connection, _LOCK)
            previous = connection.scalar(
                select(adapters.c.version).where(adapters.c.name == name, adapters.c.state == "retired").order_by(adapters.c.activated_at.desc()).limit(1)
            )
            if previous is None:
                raise NotFound(f"no earlier active version of adapter {name!r} to go back to", code="adapter_not_found")
            _replace_active(connection, name, previous, case((adapters.c.verdict_digest.is_not(None), "gated"), else_="candidate"))
        return self.get(name, previous)

    def get(self, name: str, version: int | None = None) -> AdapterInfo:
        """A version, or the active one.

        Raises:
            NotFound: no such adapter, or none of its versions is active.
        """
        which = adapters.c.version == version if version is not None else adapters.c.state == "active"
        with self._database.read() as connection:
            row = connection.execute(select(adapters).where(adapters.c.name == name, which)).first()
        if row is None:
            raise NotFound(
                f"no {'active ' if version is None else ''}adapter {name!r}{f' version {version}' if version is not None else ''}", code="adapter_not_found"
            )
        return _info(row)

    def all(self) -> list[AdapterInfo]:
        with self._database.read() as connection:
            return [_info(row) for row in connection.execute(select(adapters).order_by(adapters.c.name, adapters.c.version))]


def _replace_active(connection: Connection, name: str, version: int, state: str | ColumnElement[str]) -> None:
    """Make a version the active one; the one that was gets another state."""
    of_name = adapters.c.name == name
    connection.execute(update(adapters).where(of_name, adapters.c.state == "active", adapters.c.version != version).values(state=state))
    connection.execute(update(adapters).where(of_name, adapters.c.version == version).values(state="active", activated_at=now(connection)))


def _info(row: Row[Any]) -> AdapterInfo:
    gate = PassedGate(row.gated_at, row.verdict, row.verdict_digest) if row.verdict_digest else None
    return AdapterInfo(AdapterRef(row.name, row.version, row.path, row.digest), row.state, row.manifest, row.created_at, row.activated_at, gate)
