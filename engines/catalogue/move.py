"""Moving a catalogue from a file to a server: everything goes along, vectors too, so that nothing is embedded again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, Connection, Integer, Table, func, insert, select, text

from core.errors import Conflict, NotFound
from engines.catalogue.database import Database
from engines.catalogue.failures import CatalogueUnavailable
from engines.catalogue.locks import take_lock
from engines.catalogue.tables import leases, metadata

_BATCH = 1_000
#: all but what processes hold of each other
_TABLES = [table for table in metadata.sorted_tables if table is not leases]


def import_file(target: Database, file: Path) -> Mapping[str, int]:
    """Copy the catalogue in a SQLite file into an empty one, all of it or nothing; returns the rows per table. The file is not changed.

    Numbers of changes stay what they are, so that a local index goes on where it was.

    Raises:
        NotFound: no such file.
        Conflict: the target holds something already.
        CatalogueUnavailable: the file is no catalogue, or one of another version of the program.
    """
    if not file.is_file():
        raise NotFound(f"no file {file}", param="FILE")
    source = Database(URL.create("sqlite", database=str(file.resolve())), upgrade=False)
    try:
        if source.revision.found != source.revision.newest:
            raise CatalogueUnavailable(
                f"{file} is at migration {source.revision.found}, and {source.revision.newest} is needed; `bankassist documents list` on its home folder brings it there"
            )
        with source.read() as reading, target.write() as writing:
            take_lock(writing, "import")
            if used := next((table.name for table in _TABLES if writing.execute(select(table).limit(1)).first()), None):
                raise Conflict(
                    f"the catalogue that the settings name is not empty: it has {used}. Name an empty database in catalogue.url.", code="catalogue_used"
                )
            return {table.name: _copy(reading, writing, table) for table in _TABLES}
    finally:
        source.close()


def _copy(reading: Connection, writing: Connection, table: Table) -> int:
    count = 0
    rows = reading.execution_options(yield_per=_BATCH).execute(select(table).order_by(*table.primary_key.columns))
    for part in rows.mappings().partitions():
        writing.execute(insert(table), [dict(row) for row in part])
        count += len(part)
    (key, *others) = table.primary_key.columns
    if count and not others and isinstance(key.type, Integer) and writing.dialect.name == "postgresql":  # the next row gets the next number
        highest = writing.scalar(select(func.max(key)))
        writing.execute(text("SELECT setval(pg_get_serial_sequence(:name, :key), :highest)"), {"name": table.name, "key": key.name, "highest": highest})
    return count
