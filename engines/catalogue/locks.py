"""What keeps writers apart where several write at once, and the one clock that they share."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlalchemy import Connection, text


def take_lock(connection: Connection, name: str) -> None:
    """Whoever else takes the lock of this name waits until this transaction ends, by when its changes can be seen.

    SQLite has one writer at a time and needs no lock. A transaction takes locks in one order (document, group set, change log), so that
    none wait for each other in a circle.
    """
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"bankassist {name}".encode()).digest()[:8], "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def now(connection: Connection) -> datetime:
    """The moment by the database's clock: hosts' clocks differ, and what one host writes others compare with theirs."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)  # a SQLite file has no other host
