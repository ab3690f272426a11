"""A catalogue moves from its file to a server and goes on there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from core.errors import Conflict, NotFound, Unavailable
from core.settings import Catalogue as CatalogueSettings
from core.types import AdapterRef, FileResult, FileState
from engines.catalogue import Catalogue
from engines.catalogue.jobs import JobFile
from engines.catalogue.move import import_file
from engines.catalogue.tables import metadata
from tests.engines.conftest import EMBEDDER, FEES, dated, publish


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A catalogue in a file with something of everything."""
    catalogue = Catalogue.open(tmp_path)
    catalogue.documents.add_embedder(EMBEDDER, "hand-made", 2)
    publish(catalogue, dated(1, None, date(2026, 3, 1)), ["年费为每年120元。", "two"])
    publish(catalogue, dated(2, date(2026, 2, 1), None), ["three"])
    for readable in (None, frozenset({"staff"})):
        catalogue.jobs.create("staff (1)", [JobFile("收费.md", "digest", {"groups": ["staff"]})], readable)
    claimed = catalogue.jobs.claim("one")
    assert claimed is not None
    catalogue.jobs.store(claimed.id, "one", [FileResult("收费.md", FileState.INDEXED, None, None, "fees", 1, 2)])
    catalogue.adapters.register(AdapterRef("compliance", 1, "p", "d"), {"notes": "合规"})
    catalogue.audit.record("audit-1", "search", "staff (1)", {"question": "年费？"})
    catalogue.keys.create("counter", ["staff"], ["ask"])
    catalogue.close()
    return tmp_path


def rows(catalogue: Catalogue) -> dict[str, list[object]]:
    with catalogue.database.read() as connection:
        return {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))] for table in metadata.sorted_tables}


def test_everything_is_the_same_and_numbers_go_on(home: Path, postgres_url: str) -> None:
    before = Catalogue.open(home)
    after = Catalogue.open(home, CatalogueSettings(url=SecretStr(postgres_url)))
    counts = import_file(after.database, home / "catalogue.db")
    assert (counts["documents"], counts["versions"], counts["chunks"], counts["vectors"], counts["jobs"], counts["audit"]) == (1, 2, 3, 3, 2, 1)
    assert rows(after) == rows(before)
    head = before.documents.head()
    assert after.documents.mark(head) == before.documents.mark(head)  # by which an index knows its catalogue
    for catalogue in (before, after):
        publish(catalogue, FEES, ["four"])
        catalogue.audit.record("audit-1", "search", "staff (1)", {})
        assert (catalogue.documents.head(), len(catalogue.audit.show("audit-1"))) == (before.documents.head(), 2)
    with pytest.raises(Conflict, match="not empty: it has"):
        import_file(after.database, home / "catalogue.db")
    before.close()
    after.close()


def test_what_is_no_catalogue_is_refused(home: Path, postgres_url: str) -> None:
    catalogue = Catalogue.open(home, CatalogueSettings(url=SecretStr(postgres_url)))
    with pytest.raises(NotFound, match="no file"):
        import_file(catalogue.database, home / "nothing.db")
    (home / "other.db").write_bytes(b"")
    with pytest.raises(Unavailable, match=r"other\.db is at migration None"):
        import_file(catalogue.database, home / "other.db")
    (home / "other.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(Unavailable, match="file is not a database"):
        import_file(catalogue.database, home / "other.db")
    assert all(not found for found in rows(catalogue).values())
    catalogue.close()
