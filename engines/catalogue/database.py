"""An open database and its transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue.connections import check_server, engine_of, parsed, place
from engines.catalogue.failures import CatalogueBusy as CatalogueBusy
from engines.catalogue.failures import CatalogueUnavailable as CatalogueUnavailable
from engines.catalogue.failures import failures_said, reason
from engines.catalogue.schema import Revision, migrate, revision

#: a statement of PostgreSQL sees what was committed before it; a transaction of this kind sees one state
_ONE_STATE = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Database:
    """An open database.

    Args:
        upgrade: bring its schema to the newest version; without it nothing is written, and :attr:`revision` says where it is.

    Raises:
        CatalogueUnavailable: the URL names no database that can be opened, or a newer version of the software wrote it.
    """

    def __init__(self, url: str | URL, settings: CatalogueSettings | None = None, *, upgrade: bool = True) -> None:
        self._settings = settings or CatalogueSettings()
        target = parsed(url)
        self.engine = engine_of(target, self._settings)
        self._read_options: dict[str, Any] = _ONE_STATE if self.engine.dialect.name == "postgresql" else {}
        try:
            with failures_said(self._settings.lock_seconds):
                self.revision = self._prepare(upgrade)
        except BaseException as error:
            self.engine.dispose()
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            if isinstance(error, CatalogueBusy) or not isinstance(cause, DBAPIError):
                raise
            hint = "" if target.get_backend_name() == "sqlite" else ". Check user, password, host and database in catalogue.url"
            raise CatalogueUnavailable(f"the catalogue at {place(target)} cannot be opened: {reason(cause)}{hint}") from error

    def _prepare(self, upgrade: bool) -> Revision:
        with self.engine.connect() as connection:
            check_server(connection)
        if upgrade:
            migrate(self.engine)
        with self.engine.connect() as connection:
            return revision(connection)

    @classmethod
    def in_folder(cls, home: Path, settings: CatalogueSettings | None = None, *, upgrade: bool = True) -> Database:
        """The default: a SQLite file in the home folder. What is made of the two is for its owner alone."""
        file = catalogue_file(home)
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                file.touch(mode=0o600)
        except OSError as error:
            raise CatalogueUnavailable(f"{error.filename} cannot be made: {error.strerror}") from error
        return cls(URL.create("sqlite", database=str(file)), settings, upgrade=upgrade)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """What is read in here is one state.

        Raises:
            CatalogueBusy: another process keeps the database locked.
            CatalogueUnavailable: it does not answer.
        """
        with failures_said(self._settings.lock_seconds), self.engine.connect().execution_options(**self._read_options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is stored, or nothing. On SQLite it takes the write lock at its beginning.

        On PostgreSQL others write at the same time, and each statement sees what they have committed: where two must not meet,
        :func:`engines.catalogue.locks.take_lock` keeps them apart.

        Raises:
            CatalogueBusy: another process keeps the database, or what is to be changed, locked.
            CatalogueUnavailable: it does not answer.
        """
        with (
            failures_said(self._settings.lock_seconds),
            self.engine.connect().execution_options(bankassist_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def catalogue_file(home: Path) -> Path:
    """Where the catalogue of a home folder lies, unless the settings name another."""
    return home.resolve() / "catalogue.db"


def check(engine: Engine) -> None:
    """One cheap query.

    Raises:
        CatalogueUnavailable: the database does not answer.
    """
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        raise CatalogueUnavailable(f"the catalogue does not answer: {reason(error)}") from error
    except NoConnectionLeft as error:
        raise CatalogueBusy("all connections to the catalogue are in use") from error
