"""Connections, transactions and the schema."""

from __future__ import annotations

import re
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import insert, select, text

from core.errors import NotFound, Unavailable
from core.settings import Catalogue as CatalogueSettings
from engines.catalogue import Catalogue
from engines.catalogue.database import CatalogueBusy, Database, check
from engines.catalogue.tables import documents, embedders, metadata
from tests.engines.conftest import EMBEDDER


def test_the_migrations_make_exactly_the_tables_of_the_code(catalogue: Catalogue) -> None:
    with catalogue.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_opening_again_changes_nothing(catalogue: Catalogue, tmp_path: Path, place: CatalogueSettings) -> None:
    catalogue.documents.add_embedder("e", "name", 2)
    catalogue.close()
    second = Catalogue.open(tmp_path, place)
    with second.database.read() as connection:
        assert set(connection.scalars(select(embedders.c.digest))) == {"e", EMBEDDER}
    second.close()


def test_an_acknowledged_write_survives_a_crash_and_references_hold(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    with database.read() as connection:
        found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 15_000, "foreign_keys": 1}
    database.close()


def test_a_transaction_is_stored_whole_or_not_at_all(catalogue: Catalogue) -> None:
    database = catalogue.database

    def add(name: str, *, fail: bool) -> None:
        with database.write() as connection:
            connection.execute(insert(documents).values(id=name, created_at=datetime.now(UTC)))
            assert connection.scalars(select(documents.c.id)).all() == [name]
            if fail:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        add("a", fail=True)
    add("b", fail=False)
    with database.read() as connection:
        assert connection.scalars(select(documents.c.id)).all() == ["b"]


def test_a_reader_sees_one_state_while_a_writer_goes_on(catalogue: Catalogue) -> None:
    with catalogue.database.read() as reader:
        assert reader.scalars(select(embedders.c.digest)).all() == [EMBEDDER]
        catalogue.documents.add_embedder("e", "name", 2)
        assert reader.scalars(select(embedders.c.digest)).all() == [EMBEDDER]
    with catalogue.database.read() as reader:
        assert set(reader.scalars(select(embedders.c.digest))) == {"e", EMBEDDER}


@pytest.mark.parametrize("name", ["plain", "with space", "rates?x=1", "50%20off", "a#b", "中文"])
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    Catalogue.open(tmp_path / name).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "catalogue.db").is_file()


def _newer(home: Path) -> None:
    Catalogue.open(home).close()
    with sqlite3.connect(home / "catalogue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def _damaged(home: Path) -> None:
    home.mkdir()
    (home / "catalogue.db").write_bytes(b"this is no database at all" * 100)


@pytest.mark.parametrize(
    ("prepare", "code", "says"),
    [
        pytest.param(_newer, "catalogue_newer", "Install the version that wrote it", id="newer"),
        pytest.param(_damaged, "catalogue_unavailable", "catalogue.db cannot be opened: file is not a database", id="damaged"),
        pytest.param(lambda home: (home / "catalogue.db").mkdir(parents=True), "catalogue_unavailable", "unable to open database file", id="a folder instead"),
        pytest.param(lambda home: home.write_text("x"), "catalogue_unavailable", "home cannot be made: File exists", id="home is a file"),
    ],
)
def test_a_catalogue_that_cannot_be_opened_says_why(tmp_path: Path, prepare: object, code: str, says: str) -> None:
    assert callable(prepare)
    prepare(tmp_path / "home")
    with pytest.raises(Unavailable, match=says) as failed:
        Catalogue.open(tmp_path / "home")
    assert failed.value.code == code


@pytest.mark.parametrize(
    "url", ["nonsense", "foodb://user:hunter2@host/db", "postgresql+nodriver://user:hunter2@host/db", "postgresql://user:hun@ter2@host/db"]
)
def test_a_url_that_names_no_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unavailable, match="URL of the catalogue cannot be used") as failed:
        Catalogue.open(tmp_path, CatalogueSettings(url=SecretStr(url)))
    assert failed.value.code == "catalogue_unavailable"
    assert "ter2" not in failed.value.message
    assert "postgresql://USER:PASSWORD@HOST/DATABASE" in failed.value.message


def test_the_cheap_check_notices_a_database_that_is_gone(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path / "home")
    check(database.engine)
    database.close()
    for path in (tmp_path / "home").iterdir():
        path.unlink()
    (tmp_path / "home" / "catalogue.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(Unavailable, match="does not answer") as failed:
        check(database.engine)
    assert failed.value.code == "catalogue_unavailable"
    database.close()


def test_a_missing_reference_is_refused(catalogue: Catalogue) -> None:
    from sqlalchemy.exc import IntegrityError

    from engines.catalogue.tables import windows

    with pytest.raises(IntegrityError, match=r"(?i)FOREIGN KEY"), catalogue.database.write() as connection:
        connection.execute(insert(windows).values(version_id=7))


def test_what_no_id_can_hold_is_not_found(catalogue: Catalogue) -> None:
    """A path of the REST interface may have any character in it."""
    for unknown in ("a\0b", "\0", "年费", "x" * 500, "'; --"):
        with pytest.raises(NotFound):
            catalogue.documents.versions(unknown)
        with pytest.raises(NotFound):
            catalogue.jobs.get(unknown)
    assert catalogue.documents.newest(after="a\0b") == []


def _to_first(database: Database) -> None:
    """Back to the first migration, as an earlier program left it."""
    with database.write() as connection:
        for index in ("ix_jobs_open", "ix_jobs_created_at", "ix_jobs_principal_created_at"):
            connection.execute(text(f"DROP INDEX {index}"))
        connection.execute(text("CREATE INDEX ix_jobs_state_created_at ON jobs (state, created_at)"))
        for column in ("gated_at", "verdict", "verdict_digest"):
            connection.execute(text(f"ALTER TABLE adapters DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))


def test_a_database_of_an_earlier_program_is_told_and_brought_up_to_date_by_the_next_start(
    catalogue: Catalogue, tmp_path: Path, place: CatalogueSettings
) -> None:
    job = catalogue.jobs.create("staff (1)", [])
    _to_first(catalogue.database)
    for _ in range(2):  # to look changes nothing
        assert re.fullmatch("at migration 0001; the next start of this version brings it to [0-9]{4}", Catalogue.examine(tmp_path, place))
    assert catalogue.jobs.get(job).state == "queued"  # whoever was at work goes on
    opened = Catalogue.open(tmp_path, place)
    assert Catalogue.examine(tmp_path, place) == "0 documents, 0 chunks"
    claimed = [catalogue.jobs.claim("the earlier process"), opened.jobs.claim("this one")]
    assert [found.id for found in claimed if found] == [job]
    with opened.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    opened.close()


def test_a_database_of_a_later_program_is_refused_and_left_alone(catalogue: Catalogue, tmp_path: Path, place: CatalogueSettings) -> None:
    with catalogue.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for look in (Catalogue.open, Catalogue.examine):
        with pytest.raises(Unavailable, match=r"a schema that this version does not know .9999.*Install the version that wrote it") as refused:
            look(tmp_path, place)
        assert refused.value.code == "catalogue_newer"
    with catalogue.database.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_to_look_at_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    assert Catalogue.examine(tmp_path) == "none yet; the first start makes it"
    assert list(tmp_path.iterdir()) == []


def test_home_and_catalogue_that_are_made_here_are_for_their_owner_alone(tmp_path: Path) -> None:
    Catalogue.open(tmp_path / "new" / "home").close()
    assert (tmp_path / "new" / "home").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o750)
    Catalogue.open(tmp_path / "shared").close()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o750
    for path in (tmp_path / "shared").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_catalogue_locked_for_long_is_busy_and_not_broken(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path, CatalogueSettings(lock_seconds=0.01))
    other = sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogueBusy, match="Try again in a moment") as busy:
        catalogue.documents.add_embedder("e", "name", 2)
    assert (busy.value.code, isinstance(busy.value, Unavailable)) == ("catalogue_busy", True)
    assert catalogue.documents.head() == 0  # readers are not disturbed
    other.execute("COMMIT")
    catalogue.close()
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("DELETE FROM leases")
    with pytest.raises(CatalogueBusy):
        catalogue.documents.head()
    other.close()
    catalogue.documents.add_embedder("e", "name", 2)
    catalogue.close()


def test_without_its_driver_postgresql_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable, match=r"not installed \(psycopg\): pip install .*bankassist\[postgres\]"):
        Catalogue.open(tmp_path, CatalogueSettings(url=SecretStr("postgresql://a:b@c/d")))
