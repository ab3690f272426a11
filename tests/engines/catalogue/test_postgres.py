"""What only a server does: writers side by side, processes that start at once, connections that break, servers that cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url, select, text

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue import Catalogue, documents
from engines.catalogue.database import CatalogueBusy, CatalogueUnavailable, check
from engines.catalogue.jobs import JobFile
from engines.catalogue.tables import changes, chunks, versions
from tests.engines.conftest import FEES, publish
from tests.servers.postgres import GUARDED, new_database
from tests.servers.process import free_port

ROOT = Path(__file__).parents[3]
A = JobFile("a.md", "digest a", {})
PATIENCE = 60.0


@pytest.fixture
def place(on_postgres: CatalogueSettings) -> CatalogueSettings:
    return on_postgres


def url_of(place: CatalogueSettings) -> str:
    assert place.url is not None
    return place.url.get_secret_value()


@contextmanager
def plainly(place: CatalogueSettings) -> Iterator[psycopg.Connection[Any]]:
    """A connection around our code."""
    with psycopg.connect(url_of(place).replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def soon(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, f"in vain waited for: {what}"


# -- writers side by side --------------------------------------------------------------------------


def test_numbers_of_changes_follow_the_order_of_the_commits(catalogue: Catalogue, place: CatalogueSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that has its number and does not commit yet: the other one must not commit a higher number before it."""
    publish(catalogue, replace(FEES, document_id="first"))  # makes the set of groups, for which the others need not wait
    renew = documents._renew_windows
    numbered, go_on = threading.Event(), threading.Event()

    def slowly(connection: Any, document_id: str, moment: datetime) -> None:
        renew(connection, document_id, moment)
        if document_id == "slow":
            numbered.set()
            assert go_on.wait(PATIENCE)

    monkeypatch.setattr(documents, "_renew_windows", slowly)
    with ThreadPoolExecutor(2) as pool, plainly(place) as looking:
        slow = pool.submit(publish, catalogue, replace(FEES, document_id="slow"))
        assert numbered.wait(PATIENCE)
        quick = pool.submit(publish, catalogue, replace(FEES, document_id="quick"))

        def waits() -> bool:
            row = looking.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
            return row == (1,)

        soon(lambda: quick.done() or waits(), "the other writer")
        followed = catalogue.documents.head()  # what a follower has seen by now, and never asks for again
        go_on.set()
        slow.result(PATIENCE)
        quick.result(PATIENCE)
    assert catalogue.documents.head() == followed + 2
    assert len(catalogue.documents.changed_chunks(followed, followed + 2)) == 2
    with catalogue.database.read() as connection:
        log = select(versions.c.document_id).join(chunks, chunks.c.version_id == versions.c.id).join(changes, changes.c.chunk_id == chunks.c.id)
        assert connection.scalars(log.order_by(changes.c.sequence)).all() == ["first", "slow", "quick"]


def test_documents_are_stored_side_by_side_until_their_numbers_are_drawn(
    catalogue: Catalogue, place: CatalogueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = threading.Barrier(2)
    insert = documents._insert_chunks

    def both(*arguments: Any) -> None:
        inside.wait(PATIENCE)  # never passed by writers that wait for each other
        insert(*arguments)

    monkeypatch.setattr(documents, "_insert_chunks", both)
    groups = ("new", "set")  # which both make, and one of them first
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda name: publish(catalogue, replace(FEES, document_id=name, groups=FEES.groups if name == "a" else groups)), "ab"))
    assert [one.version for one in made] == [1, 1]


def test_many_writers_lose_nothing_and_wait_for_each_other_in_no_circle(catalogue: Catalogue) -> None:
    names = [f"document-{number % 6}" for number in range(48)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda pair: publish(catalogue, replace(FEES, document_id=pair[1], content_digest=str(pair[0]), groups=(f"g{pair[0] % 5}",))), enumerate(names)
            )
        )
    assert [len(catalogue.documents.versions(name)) for name in sorted(set(names))] == [8] * 6


def test_a_worker_passes_over_a_job_that_another_is_just_claiming(catalogue: Catalogue, place: CatalogueSettings) -> None:
    first, second = (catalogue.jobs.create("staff (1)", [A]) for _ in range(2))
    with plainly(place) as other, other.transaction():
        assert other.execute("SELECT id FROM jobs ORDER BY created_at LIMIT 1 FOR UPDATE").fetchone() == (first,)
        claimed = catalogue.jobs.claim("one")  # would wait for ever
        assert claimed is not None
        assert claimed.id == second
        assert catalogue.jobs.claim("one") is None
    claimed = catalogue.jobs.claim("one")
    assert claimed is not None
    assert claimed.id == first


def test_two_processes_that_activate_at_once_leave_one_active_version(catalogue: Catalogue) -> None:
    from core.types import AdapterRef

    for version in range(1, 9):
        catalogue.adapters.register(AdapterRef("compliance", version, "p", "d"), {})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: catalogue.adapters.activate("compliance", version), range(1, 9)))
    assert [info.state for info in catalogue.adapters.all()].count("active") == 1


# -- the database's clock --------------------------------------------------------------------------


def test_a_host_whose_clock_is_wrong_takes_nobodys_job_and_no_lease(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = catalogue.jobs.create("staff (1)", [A])
    assert catalogue.jobs.claim("one") is not None
    with catalogue.leases.hold("index", 600) as mine:
        assert mine
        ahead = type("Ahead", (datetime,), {"now": classmethod(lambda cls, zone: datetime.now(UTC) + timedelta(days=1))})
        for module in ("locks", "jobs", "leases"):
            monkeypatch.setattr(f"engines.catalogue.{module}.datetime", ahead, raising=False)
        monkeypatch.setattr("time.time", lambda: 4e9)
        assert catalogue.jobs.claim("two") is None
        assert catalogue.jobs.heartbeat(job_id, "one")
        with catalogue.leases.hold("index", 600) as theirs:
            assert not theirs


def test_moments_are_the_same_in_every_time_zone(catalogue: Catalogue, place: CatalogueSettings, tmp_path: Path) -> None:
    publish(catalogue, FEES)
    (here,) = catalogue.documents.versions("fees")
    far = Catalogue.open(tmp_path, CatalogueSettings(url=SecretStr(url_of(place) + "?options=-c%20TimeZone%3DAsia/Shanghai")))
    with far.database.read() as connection:
        assert connection.scalar(text("SHOW TimeZone")) == "Asia/Shanghai"
    assert far.documents.versions("fees") == [here]
    assert abs(here.recorded_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert far.documents.mark(1) == catalogue.documents.mark(1)
    far.close()


# -- starting --------------------------------------------------------------------------------------


def test_processes_that_start_at_once_on_an_empty_database_make_its_tables_once(postgres_url: str) -> None:
    program = "import sys; from engines.catalogue.database import Database; print('ready', flush=True); sys.stdin.readline(); Database(sys.argv[1]).close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, postgres_url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 3
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [(process.communicate(timeout=PATIENCE)[1], process.returncode) for process in processes] == [("", 0)] * 3
    assert Catalogue.examine(Path(), CatalogueSettings(url=SecretStr(postgres_url))) == "0 documents, 0 chunks"


def test_a_url_without_a_driver_is_for_psycopg(place: CatalogueSettings) -> None:
    for scheme in ("postgresql", "postgres"):
        assert Catalogue.examine(Path(), CatalogueSettings(url=SecretStr(url_of(place).replace("postgresql+psycopg", scheme)))) == "0 documents, 0 chunks"


@pytest.fixture
def guarded(postgres_server: str) -> Iterator[str]:
    """A user who must give the password ``geheim@银行``."""
    if not postgres_server.startswith("postgresql://postgres@127.0.0.1"):
        pytest.skip("a server of one's own has other users and rules")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'geheim@银行'").format(sql.Identifier(GUARDED)))
        yield GUARDED
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(GUARDED)))


def refused(url: str) -> str:
    """Why a database is neither opened nor looked at."""
    settings = CatalogueSettings(url=SecretStr(url))
    messages = []
    for look in (Catalogue.open, Catalogue.examine):
        with pytest.raises(CatalogueUnavailable) as error:
            look(Path(), settings)
        assert error.value.code == "catalogue_unavailable"
        messages.append(error.value.message)
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
    assert "geheim" not in messages[0]
    return messages[0]


def test_a_server_that_lets_us_in_by_no_means_is_named_with_what_to_check(postgres_server: str, postgres_url: str, guarded: str) -> None:
    url = make_url(postgres_url)
    hint = ". Check user, password, host and database in catalogue.url"
    wrong = url.set(username=guarded, password="geheim:falsch/@%")
    assert refused(wrong.render_as_string(hide_password=False)).startswith(
        f"the catalogue at postgresql://guarded@127.0.0.1:{url.port}/{url.database} cannot be opened: connection failed: "
    )
    assert 'password authentication failed for user "guarded"' in refused(wrong.render_as_string(hide_password=False))
    assert 'database "no such" does not exist' in refused(url.set(database="no such").render_as_string())
    nobody = refused(url.set(port=free_port(), password="geheim").render_as_string(hide_password=False))
    assert "Connection refused" in nobody
    assert nobody.endswith(hint)
    assert "no.such.host.invalid" in refused(url.set(host="no.such.host.invalid", password="geheim").render_as_string(hide_password=False))
    right = url.set(username=guarded, password="geheim@银行").render_as_string(hide_password=False)
    assert Catalogue.examine(Path(), CatalogueSettings(url=SecretStr(right))) == "an empty database; the first start makes the tables"
    with pytest.raises(CatalogueUnavailable, match=r"Make the user of catalogue\.url the owner|permission denied for schema public"):
        Catalogue.open(Path(), CatalogueSettings(url=SecretStr(right)))
    assert tables(postgres_url) == []


def tables(url: str) -> list[str]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def test_a_server_that_is_too_old_is_refused_before_anything_is_written(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.catalogue.connections.OLDEST_SERVER", 99)
    assert re.fullmatch(r"the catalogue's server is PostgreSQL \d+\.\d+.*; 99 or newer is needed", refused(postgres_url))
    assert tables(postgres_url) == []


def test_a_database_that_cannot_hold_every_script_is_refused(postgres_server: str) -> None:
    with new_database(postgres_server) as url:  # for its name
        name = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").format(name))
        assert "keeps texts in LATIN1; it must be UTF8" in refused(url)
        assert tables(url) == []


def test_a_standby_is_refused(postgres_url: str) -> None:
    assert "must name the primary, not a standby" in refused(postgres_url + "?options=-c%20default_transaction_read_only%3Don")
    assert tables(postgres_url) == []


# -- running ---------------------------------------------------------------------------------------


def end_connections(place: CatalogueSettings) -> None:
    with plainly(place) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def test_connections_that_the_server_ended_are_made_anew(catalogue: Catalogue, place: CatalogueSettings) -> None:
    catalogue.jobs.create("staff (1)", [A])
    end_connections(place)
    assert catalogue.jobs.waiting() == 1
    end_connections(place)
    assert catalogue.jobs.claim("one") is not None
    check(catalogue.database.engine)


def test_a_connection_that_breaks_in_the_middle_stores_nothing_and_says_so(catalogue: Catalogue, place: CatalogueSettings) -> None:
    def breaking() -> None:
        with catalogue.database.write() as connection:
            connection.execute(text("INSERT INTO documents VALUES ('half', now())"))
            end_connections(place)
            connection.execute(text("SELECT 1"))

    with pytest.raises(CatalogueUnavailable, match=r"the catalogue does not answer: .*terminating connection.*try again in a moment") as lost:
        breaking()
    assert (lost.value.code, isinstance(lost.value, CatalogueBusy)) == ("catalogue_unavailable", False)
    with catalogue.database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM documents")) == 0


def impatient(place: CatalogueSettings, **more: Any) -> Catalogue:
    return Catalogue.open(Path(), CatalogueSettings(url=place.url, **more))


def test_what_is_locked_or_slow_for_long_is_busy_and_not_broken(place: CatalogueSettings, catalogue: Catalogue) -> None:
    publish(catalogue, FEES)
    other = impatient(place, lock_seconds=0.05, statement_seconds=0.2, pool=1)
    with catalogue.database.write() as connection:
        connection.execute(text("LOCK TABLE versions IN EXCLUSIVE MODE"))
        with pytest.raises(CatalogueBusy, match="other processes have been writing") as busy:
            other.documents.withdraw("fees")
        assert busy.value.code == "catalogue_busy"
        assert other.documents.head() == 1  # readers are not disturbed
    with pytest.raises(CatalogueBusy, match=r"longer than catalogue\.statement_seconds"), other.database.read() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    with other.database.read(), pytest.raises(CatalogueBusy, match=r"all connections .* catalogue\.pool"):
        other.documents.head()
    assert other.documents.withdraw("fees") == 1
    other.close()


def test_errors_of_the_database_hold_no_values(catalogue: Catalogue) -> None:
    from sqlalchemy.exc import DataError

    with pytest.raises(DataError) as wrong:
        catalogue.audit.record("a" * 65, "search", "staff (1)", {"question": "geheime Frage"})
    assert "geheim" not in str(wrong.value)
