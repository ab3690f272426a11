"""Answers of earlier runs, for when everything that decides them is the same; and how long answers took, for estimates. One SQLite file, values are JSON."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.run.digests import digest_of
from eval.run.record import Record

NAME = "answers.db"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, record TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, seconds REAL NOT NULL, count INTEGER NOT NULL)",
)


class Cache:
    """Safe for several threads, and several processes beside each other (write-ahead log)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / NAME
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        for statement in _SCHEMA:
            self._connection.execute(statement)

    def get(self, key: Mapping[str, Any]) -> Record | None:
        """The record that was kept for exactly this key, as it was then; marked so, and in no chain."""
        row = self._one("SELECT record FROM answers WHERE key = ?", (digest_of(key),))
        try:
            return None if row is None else Record.model_validate_json(row[0]).model_copy(update={"cached": True})
        except ValidationError:  # of another version of the form
            return None

    def put(self, key: Mapping[str, Any], record: Record) -> None:
        """Keep a record, unless it is of a call that failed."""
        if record.error is None:
            plain = record.model_copy(update={"previous": "", "digest": "", "cached": False})
            self._do("INSERT OR REPLACE INTO answers (key, record) VALUES (?, ?)", (digest_of(key), plain.model_dump_json()))

    def rate(self, key: Mapping[str, Any]) -> float | None:
        """Seconds that an answer took in the last run of the kind."""
        row = self._one("SELECT seconds FROM rates WHERE key = ?", (digest_of(key),))
        return None if row is None else float(row[0])

    def set_rate(self, key: Mapping[str, Any], seconds: float, count: int) -> None:
        self._do("INSERT OR REPLACE INTO rates (key, seconds, count) VALUES (?, ?, ?)", (digest_of(key), seconds, count))

    def close(self) -> None:
        self._connection.close()

    def _one(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return row

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            self._connection.execute(statement, values)
