"""The catalogue: documents, versions, chunks with their vectors, the change log, jobs, adapters, keys and audit, in one SQL database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue.adapters import AdapterRegistry
from engines.catalogue.audit import Audit
from engines.catalogue.database import CatalogueUnavailable, Database, catalogue_file
from engines.catalogue.documents import Documents
from engines.catalogue.jobs import Jobs
from engines.catalogue.keys import Keys
from engines.catalogue.leases import Leases


@dataclass(frozen=True)
class Catalogue:
    """The stores of one open database."""

    database: Database
    documents: Documents
    jobs: Jobs
    adapters: AdapterRegistry
    audit: Audit
    keys: Keys
    leases: Leases

    @classmethod
    def open(cls, home: Path, settings: CatalogueSettings | None = None) -> Catalogue:
        """The catalogue of a home folder, or of the database that the settings name; its schema is brought to the newest version.

        Raises:
            CatalogueUnavailable: it cannot be opened, or a newer version of the software wrote it.
        """
        database = _database(home, settings)
        return cls(database, Documents(database), Jobs(database), AdapterRegistry(database), Audit(database), Keys(database), Leases(database))

    @classmethod
    def examine(cls, home: Path, settings: CatalogueSettings | None = None) -> str:
        """What is there, in a few words. Nothing is made or changed.

        Raises:
            CatalogueUnavailable: as :meth:`open`.
        """
        if settings is None or settings.url is None:
            if not home.is_dir():
                raise CatalogueUnavailable(f"{home} is no folder")
            if not catalogue_file(home).exists():
                return "none yet; the first start makes it"
        database = _database(home, settings, upgrade=False)
        try:
            found, newest = database.revision.found, database.revision.newest
            if found is None:
                return "an empty database; the first start makes the tables"
            if found != newest:
                return f"at migration {found}; the next start of this version brings it to {newest}"
            counts = Documents(database).counts()
            return f"{counts['documents']} documents, {counts['chunks']} chunks"
        finally:
            database.close()

    def close(self) -> None:
        self.database.close()


def _database(home: Path, settings: CatalogueSettings | None, *, upgrade: bool = True) -> Database:
    url = settings.url if settings else None
    return Database(url.get_secret_value(), settings, upgrade=upgrade) if url else Database.in_folder(home, settings, upgrade=upgrade)
