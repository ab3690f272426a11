"""A lease: one process at a time, on any host, does a thing; one that died gives way after a while, by the database's clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns

from sqlalchemy import delete, insert, select, update

from engines.catalogue.database import Database
from engines.catalogue.locks import now, take_lock
from engines.catalogue.tables import leases


class Leases:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def hold(self, name: str, seconds: float) -> Iterator[bool]:
        """Whether this process got the lease; it is given back at the end of the block."""
        holder = f"{_here()} {monotonic_ns()}"
        with self._database.write() as connection:
            take_lock(connection, f"lease {name}")
            moment = now(connection).timestamp()
            current = connection.execute(select(leases).where(leases.c.name == name)).first()
            got = current is None or current.expires_at < moment
            if got:
                connection.execute(delete(leases).where(leases.c.name == name))
                connection.execute(insert(leases).values(name=name, holder=holder, expires_at=moment + seconds))
        try:
            yield got
        finally:
            if got:
                with self._database.write() as connection:
                    connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))

    def renew(self, name: str, seconds: float) -> None:
        """Keep a lease that this process has for so many seconds from now."""
        mine = (leases.c.name == name, leases.c.holder.startswith(f"{_here()} ", autoescape=True))
        with self._database.write() as connection:
            connection.execute(update(leases).where(*mine).values(expires_at=now(connection).timestamp() + seconds))


def _here() -> str:
    return f"{socket.gethostname()} {os.getpid()}"
