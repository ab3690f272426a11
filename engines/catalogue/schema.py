"""The schema: Alembic's migrations, run by whoever comes first.

Migrations only add. So a process of an earlier version that runs goes on running beside a newer one; started again, it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from engines.catalogue.failures import CatalogueUnavailable
from engines.catalogue.locks import take_lock

#: how long a process waits for another one that is bringing the schema up to date
_OTHERS_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Revision:
    """Which migration a database is at, None when it is empty, and which is the newest of this program."""

    found: str | None
    newest: str


def revision(connection: Connection) -> Revision:
    """Where a database is.

    Raises:
        CatalogueUnavailable: at a migration that this program does not know (code ``catalogue_newer``).
    """
    scripts = ScriptDirectory.from_config(_config())
    found = MigrationContext.configure(connection).get_current_revision()
    try:
        scripts.get_revisions(found or ())
    except CommandError as error:
        raise CatalogueUnavailable(
            f"the catalogue has a schema that this version does not know ({found}). Install the version that wrote it, or a newer one.", code="catalogue_newer"
        ) from error
    newest = scripts.get_current_head()
    assert newest is not None
    return Revision(found, newest)


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version, all of it or nothing. Of several processes one does it and the others wait.

    Raises:
        CatalogueUnavailable: a newer version of the software wrote the database.
    """
    with engine.connect() as connection:
        where = revision(connection)
    if where.found == where.newest:
        return
    config = _config()
    with engine.connect().execution_options(bankassist_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            waits = connection.scalar(text("SELECT current_setting('lock_timeout')"))
            connection.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{_OTHERS_SECONDS}s'"))
            take_lock(connection, "migrations")
            connection.execute(text("SELECT set_config('lock_timeout', :waits, true)"), {"waits": waits})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "engines.catalogue:migrations")
    return config
