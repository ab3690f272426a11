"""The catalogue: documents, versions, chunks with their vectors, the change log, jobs, adapters, keys and audit, in one SQL database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.catalogue.adapters import AdapterRegistry
from engines.catalogue.audit import Audit
from engines.catalogue.database import Database
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
    def open(cls, home: Path, url: str | None = None) -> Catalogue:
        """The catalogue of a home folder, or of a database elsewhere; its schema is brought to the newest version.

        Raises:
            Unavailable: it cannot be opened, or a newer version of the software wrote it.
        """
        database = Database(url) if url else Database.in_folder(home)
        return cls(database, Documents(database), Jobs(database), AdapterRegistry(database), Audit(database), Keys(database), Leases(database))

    def close(self) -> None:
        self.database.close()
