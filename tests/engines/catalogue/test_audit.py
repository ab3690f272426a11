"""Audit records are appended and read back in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from core.errors import NotFound
from engines.catalogue import Catalogue
from engines.catalogue.database import CatalogueBusy, Database


def test_the_records_of_one_answer_come_back_in_order(catalogue: Catalogue) -> None:
    catalogue.audit.record("audit-1", "started", "staff (1)", {"question": "年费多少？", "passages": [{"version": 2}]})
    catalogue.audit.record("audit-2", "search", "staff (1)", {})
    catalogue.audit.record("audit-1", "finished", "staff (1)", {"kind": "answered"})
    records = catalogue.audit.show("audit-1")
    assert [(record.kind, record.principal, record.body) for record in records] == [
        ("started", "staff (1)", {"question": "年费多少？", "passages": [{"version": 2}]}),
        ("finished", "staff (1)", {"kind": "answered"}),
    ]
    assert records[0].sequence < records[1].sequence
    assert records[0].at.tzinfo is not None
    with pytest.raises(NotFound, match="no audit record 'audit-3'") as missing:
        catalogue.audit.show("audit-3")
    assert missing.value.code == "audit_not_found"


# -- several at once -------------------------------------------------------------------------------


class Gate:
    """Holds the first transaction that writes until it is opened, and counts them all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.count = 0
        self.fails: Callable[[], object] = lambda: None
        write = Database.write

        @contextmanager
        def gated(database: Database) -> Iterator[Connection]:
            self.count += 1
            self.begun.set()
            assert self.open.wait(60)
            if self.count > 1:
                self.fails()
            with write(database) as connection:
                yield connection

        monkeypatch.setattr(Database, "write", gated)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@contextmanager
def eight(catalogue: Catalogue, gate: Gate, odd: object = None) -> Iterator[list[Future[None]]]:
    """Eight callers, of whom one is at the gate and seven wait behind it."""
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(catalogue.audit.record, "audit-0", "search", "staff (1)", {})]
        assert gate.begun.wait(60)
        bodies: list[dict[str, Any]] = [{"n": number} for number in range(1, 8)]
        if odd is not None:
            bodies[3] = {"n": odd}
        futures += [pool.submit(catalogue.audit.record, f"audit-{number}", "search", "staff (1)", body) for number, body in enumerate(bodies, start=1)]
        while len(catalogue.audit._waiting) < 7:
            pass
        gate.open.set()
        yield futures


def stored(catalogue: Catalogue) -> list[str]:
    with catalogue.database.read() as connection:
        return sorted(connection.exec_driver_sql("SELECT id FROM audit").scalars())


def test_records_that_wait_for_each_other_share_a_transaction(catalogue: Catalogue, gate: Gate) -> None:
    with eight(catalogue, gate) as futures:
        assert [future.result(60) for future in futures] == [None] * 8
    assert (stored(catalogue), gate.count) == ([f"audit-{number}" for number in range(8)], 2)
    assert catalogue.audit.show("audit-5")[0].body == {"n": 5}


def test_a_record_returns_only_behind_the_commit_that_has_it(catalogue: Catalogue, gate: Gate) -> None:
    """Those that others write, too."""
    done: list[int] = []
    seen: list[int] = []
    event.listen(catalogue.database.engine, "commit", lambda _connection: seen.append(len(done)))
    with eight(catalogue, gate) as futures:
        for future in futures:
            future.add_done_callback(lambda _: done.append(1))
    assert (seen[-1] <= 1, len(done)) == (True, 8)  # before the second commit at most the first record was told


def test_a_record_that_cannot_be_written_fails_alone(catalogue: Catalogue, gate: Gate) -> None:
    with eight(catalogue, gate, odd=object()) as futures:
        failed = [number for number, future in enumerate(futures) if future.exception(60) is not None]
    assert failed == [4]
    assert stored(catalogue) == [f"audit-{number}" for number in range(8) if number != 4]


def test_where_the_catalogue_does_not_answer_each_caller_is_told_and_nothing_is_stored(catalogue: Catalogue, gate: Gate) -> None:
    def busy() -> None:
        raise CatalogueBusy("the catalogue is busy")

    gate.fails = busy
    with eight(catalogue, gate) as futures:
        problems = [future.exception(60) for future in futures]
    assert [type(problem) for problem in problems] == [type(None), *[CatalogueBusy] * 7]
    assert len({id(problem) for problem in problems[1:]}) == 7  # each its own
    assert (stored(catalogue), gate.count) == (["audit-0"], 2)
    gate.fails = lambda: None
    catalogue.audit.record("audit-9", "search", "staff (1)", {})
    assert stored(catalogue) == ["audit-0", "audit-9"]
