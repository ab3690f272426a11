"""Connections, transactions and the schema."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from core.errors import Unavailable
from engines.catalogue import Catalogue
from engines.catalogue.database import CatalogueBusy, Database, check
from engines.catalogue.tables import documents, embedders, metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    first = Catalogue.open(tmp_path)
    first.documents.add_embedder("e", "name", 2)
    first.close()
    second = Catalogue.open(tmp_path)
    with second.database.read() as connection:
        assert connection.scalars(select(embedders.c.digest)).all() == ["e"]
    second.close()


def test_an_acknowledged_write_survives_a_crash_and_references_hold(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    with database.read() as connection:
        found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 15_000, "foreign_keys": 1}
    database.close()


def test_a_transaction_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)

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
    database.close()


def test_a_reader_sees_one_state_while_a_writer_goes_on(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path)
    with catalogue.database.read() as reader:
        assert reader.scalars(select(embedders.c.digest)).all() == []
        catalogue.documents.add_embedder("e", "name", 2)
        assert reader.scalars(select(embedders.c.digest)).all() == []
    with catalogue.database.read() as reader:
        assert reader.scalars(select(embedders.c.digest)).all() == ["e"]
    catalogue.close()


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


@pytest.mark.parametrize("url", ["nonsense", "foodb://user:hunter2@host/db", "postgresql+nodriver://user:hunter2@host/db"])
def test_a_url_that_names_no_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unavailable, match="URL of the catalogue cannot be used") as failed:
        Catalogue.open(tmp_path, url)
    assert failed.value.code == "catalogue_unavailable"
    assert "hunter2" not in failed.value.message


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


def test_a_missing_reference_is_refused(tmp_path: Path) -> None:
    from sqlalchemy.exc import IntegrityError

    from engines.catalogue.tables import windows

    database = Database.in_folder(tmp_path)
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(insert(windows).values(version_id=7))
    database.close()


def test_home_and_catalogue_that_are_made_here_are_for_their_owner_alone(tmp_path: Path) -> None:
    Catalogue.open(tmp_path / "new" / "home").close()
    assert (tmp_path / "new" / "home").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o750)
    Catalogue.open(tmp_path / "shared").close()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o750
    for path in (tmp_path / "shared").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_catalogue_locked_for_long_is_busy_and_not_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.catalogue.database.BUSY_SECONDS", 0)
    catalogue = Catalogue.open(tmp_path)
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
