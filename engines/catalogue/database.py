"""Connections and transactions. SQLite gets the settings under which an acknowledged write survives a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Unavailable

#: seconds that a writer waits for another one
BUSY_SECONDS = 15


class CatalogueBusy(Unavailable):
    """Other processes wrote for longer than a writer waits; nothing was stored."""

    code = "catalogue_busy"


class Database:
    """An open database whose schema is the newest.

    Raises:
        Unavailable: the URL names no database that can be opened, or a newer version of the software wrote it.
    """

    def __init__(self, url: str | URL) -> None:
        try:
            self.engine = _engine(url)
        except (ArgumentError, ImportError) as error:  # the message of neither repeats the URL, which may hold a password
            raise Unavailable(f"the URL of the catalogue cannot be used: {error}", code="catalogue_unavailable") from error
        try:
            migrate(self.engine)
        except DatabaseError as error:
            raise Unavailable(
                f"the catalogue at {self.engine.url.render_as_string(hide_password=True)} cannot be opened: {error.orig}", code="catalogue_unavailable"
            ) from error

    @classmethod
    def in_folder(cls, home: Path) -> Database:
        """The default: a SQLite file in the home folder. What is made of the two is for its owner alone."""
        file = home.resolve() / "catalogue.db"
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                file.touch(mode=0o600)
        except OSError as error:
            raise Unavailable(f"{error.filename} cannot be made: {error.strerror}", code="catalogue_unavailable") from error
        return cls(URL.create("sqlite", database=str(file)))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """What is read in here is one state.

        Raises:
            CatalogueBusy: another process keeps the database locked.
        """
        with _busy_said(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is stored, or nothing. On SQLite it takes the write lock at its beginning.

        Raises:
            CatalogueBusy: another process keeps the database locked.
        """
        with _busy_said(), self.engine.connect().execution_options(bankassist_write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _busy_said() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, sqlite3.OperationalError) and error.orig.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise CatalogueBusy(f"the catalogue is busy: other processes have been writing for {BUSY_SECONDS} s. Try again in a moment.") from error
        raise


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version.

    Raises:
        Unavailable: the database was written by a newer version of the software.
    """
    config = Config()
    config.set_main_option("script_location", "engines.catalogue:migrations")
    with engine.connect().execution_options(bankassist_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unavailable(
                f"the catalogue has a schema that this version does not know ({error}). Install the version that wrote it, or a newer one.",
                code="catalogue_newer",
            ) from error


def _engine(url: str | URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=make_url(url).get_backend_name() != "sqlite")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # a read that turns into a write would fail at once instead of waiting: writers say so beforehand
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("bankassist_write") else "BEGIN")


def check(engine: Engine) -> None:
    """One cheap query.

    Raises:
        Unavailable: the database does not answer.
    """
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DatabaseError as error:
        raise Unavailable(f"the catalogue does not answer: {error.orig}", code="catalogue_unavailable") from error
