"""`samples.jsonl`: records appended one after another, each sealed behind the one before. A line that a crash cut off is dropped when writing goes on."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from pydantic import ValidationError

from core.errors import BadInput, Conflict
from eval.run.record import Record, sealed

NAME = "samples.jsonl"
#: what a failure of the machine may cost at most; of the process alone nothing is lost
_LINES, _SECONDS = 20, 5.0


class Read(NamedTuple):
    """``length`` are the bytes of the whole lines; what is behind them was cut off."""

    records: tuple[Record, ...]
    length: int
    torn: bool


def read_samples(path: Path) -> Read:
    """All records, in the order of the file.

    Raises:
        BadInput: a line that is not the last one is no record.
    """
    content = path.read_bytes() if path.exists() else b""
    *lines, rest = content.split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            raise BadInput(f"{path}, line {number} is no record: {error.errors(include_url=False)[0]['msg']}", code="broken_run", param="RUN") from error
    return Read(tuple(records), len(content) - len(rest), bool(rest))


def chain_problems(records: Sequence[Record]) -> list[str]:
    """Lines that are not what they were written as, or not behind those that they were written behind."""
    problems = []
    previous = ""
    for number, record in enumerate(records, start=1):
        name = f"line {number} ({record.item}, {record.arm})"
        if record.previous != previous:
            problems.append(f"{name} does not follow the line before it: a line was removed, added or moved")
        elif sealed(record, record.previous).digest != record.digest:
            problems.append(f"{name} was changed after it was written")
        previous = record.digest
    return problems


class Samples:
    """The one writer of a run's records.

    Raises:
        Conflict: another process writes them.
        BadInput: what is there is no chain of records.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Conflict(f"{path} is being written by another process; wait for it, or stop it", code="run_is_running") from None
        try:
            found = read_samples(path)
            if problems := chain_problems(found.records):
                raise BadInput(f"{path} cannot be gone on with: {problems[0]}", code="broken_run", param="RUN")
            self._file.truncate(found.length)
        except BaseException:
            self._file.close()
            raise
        self.there = found.records
        self.head = found.records[-1].digest if found.records else ""
        self._unsynced = 0
        self._synced_at = time.monotonic()

    def append(self, record: Record) -> Record:
        """Seal the record and write it."""
        record = sealed(record, self.head)
        self._file.write(record.model_dump_json().encode() + b"\n")
        self._file.flush()
        self.head = record.digest
        self._unsynced += 1
        self.sync(only_if_due=True)
        return record

    def sync(self, *, only_if_due: bool = False) -> None:
        """Have the disk hold what was written."""
        due = self._unsynced >= _LINES or time.monotonic() - self._synced_at >= _SECONDS
        if self._unsynced and (due or not only_if_due):
            os.fsync(self._file.fileno())
            self._unsynced = 0
            self._synced_at = time.monotonic()

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.sync()
        self._file.close()
