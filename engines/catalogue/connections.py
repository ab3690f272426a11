"""Connections to the database: SQLite gets the settings under which an acknowledged write survives a crash, PostgreSQL its time limits."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue.failures import CatalogueUnavailable

if TYPE_CHECKING:
    import psycopg

#: the oldest PostgreSQL that its makers still mend, and the one that the tests run on
OLDEST_SERVER = 15
#: a transaction in which a process does nothing for so long is ended, lest a process that hangs keep its locks
_IDLE_SECONDS = 300
#: a host that vanished is noticed within a minute (libpq, 34.1.2): seconds, but for tcp_user_timeout in milliseconds
_NOTICE_LOSS = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}


def parsed(url: str | URL) -> URL:
    """The URL of a database that can be used; a PostgreSQL one without a driver gets ours.

    Raises:
        CatalogueUnavailable: it is no URL, or names another kind of database. The message never repeats it: it may hold a password.
    """
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise _unusable("it is none") from error
    if found.drivername in ("postgresql", "postgres"):
        found = found.set(drivername="postgresql+psycopg")
    if found.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise _unusable(f"{found.drivername} is no database that is known here")
    if "@" in (found.host or ""):
        raise _unusable("an @ inside its password must be written as %40")
    return found


def _unusable(why: str) -> CatalogueUnavailable:
    return CatalogueUnavailable(
        f"the URL of the catalogue cannot be used: {why}. Expected postgresql://USER:PASSWORD@HOST/DATABASE in catalogue.url or BANKASSIST_CATALOGUE__URL."
    )


def place(url: URL) -> str:
    """Which database it is, for messages: without the password, wherever in the URL it may stand."""
    return (
        str(url.database)
        if url.get_backend_name() == "sqlite"
        else URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()
    )


def engine_of(url: URL, settings: CatalogueSettings) -> Engine:
    """An engine; it connects when first used.

    Raises:
        CatalogueUnavailable: the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": settings.lock_seconds})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = {"connect_timeout": settings.connect_seconds, "fallback_application_name": "bankassist", **_NOTICE_LOSS}
    try:
        engine = create_engine(
            url,
            hide_parameters=True,  # an error's text, which is logged, must not hold what callers asked
            isolation_level="READ COMMITTED",
            pool_size=settings.pool,
            max_overflow=0,
            pool_timeout=settings.lock_seconds,
            pool_pre_ping=True,
            use_native_hstore=False,
            connect_args={name: value for name, value in options.items() if name not in url.query},
        )
    except ImportError as error:
        raise CatalogueUnavailable(
            f"PostgreSQL needs packages that are not installed ({error.name}): pip install -c constraints.txt 'bankassist[postgres]'"
        ) from error
    event.listen(engine, "connect", _configure_postgres(settings))
    return engine


def check_server(connection: Connection) -> None:
    """Refuse a server that cannot hold a catalogue, before anything is written.

    Raises:
        CatalogueUnavailable: it is too old, keeps texts in another encoding than UTF-8, or is a standby.
    """
    if connection.dialect.name != "postgresql":
        return
    names = ("server_version", "server_encoding", "transaction_read_only")
    version, encoding, read_only = (connection.scalar(text("SELECT current_setting(:name)"), {"name": name}) or "" for name in names)
    if int(version.partition(".")[0]) < OLDEST_SERVER:
        raise CatalogueUnavailable(f"the catalogue's server is PostgreSQL {version}; {OLDEST_SERVER} or newer is needed")
    if encoding != "UTF8":
        raise CatalogueUnavailable(
            f"the catalogue's database keeps texts in {encoding}; it must be UTF8. Make it anew: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'"
        )
    if read_only == "on":
        raise CatalogueUnavailable("the catalogue's server lets nothing be written; catalogue.url must name the primary, not a standby")


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # a read that turns into a write would fail at once instead of waiting: writers say so beforehand
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("bankassist_write") else "BEGIN")


def _configure_postgres(settings: CatalogueSettings) -> Any:
    milliseconds = {
        "lock_timeout": settings.lock_seconds * 1000,
        "statement_timeout": settings.statement_seconds * 1000,
        "idle_in_transaction_session_timeout": _IDLE_SECONDS * 1000,
    }

    def configure(connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
        from psycopg.types.string import StrDumperUnknown

        class WithoutNul(StrDumperUnknown):
            """PostgreSQL's texts have no NUL, which a caller may well send as an id: it becomes the character for what cannot be shown."""

            def dump(self, obj: str) -> Any:
                return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))

        connection.adapters.register_dumper(str, WithoutNul)
        connection.autocommit = True
        for name, value in milliseconds.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(round(value))))
        connection.autocommit = False

    return configure
