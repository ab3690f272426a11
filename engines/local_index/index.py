"""The index of one process: the newest snapshot, and the catalogue's changes since, applied in memory."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from core.ports import Filter, Hit, Legs, Vectors
from core.text.tokens import index_tokens
from engines.catalogue import Catalogue
from engines.catalogue.documents import IndexEntry
from engines.local_index.days import day_numbers
from engines.local_index.snapshot import Snapshots, State
from engines.local_index.words import Words
from engines.ties import with_ties

log = logging.getLogger(__name__)

#: its stubs know nothing of the Python layer, which takes arrays and keywords
_faiss: Any = faiss

#: changes after which a new snapshot is worth its writing
SNAPSHOT_AFTER = 2_000
_BATCH = 1_000


class LocalIndex:
    """Exact vector search and BM25 with the caller's filter inside both.

    A row is a chunk's place in the FAISS index. A changed chunk gets a new row and its old one is dead; dead rows go with
    the next snapshot. Searches and changes take turns.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, embedder: str, dimension: int) -> None:
        self._catalogue = catalogue
        self._embedder = embedder
        self._dimension = dimension
        self._snapshots = Snapshots(folder, embedder, catalogue.documents.mark)
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, int] = {}
        self._told = False
        self._work, self._work_lock = _work_folder(folder)
        self._load()
        self._tell_missing()

    # -- the Index port --------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        return self._state.sequence

    def search(self, vector: Vectors | None, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        """At most ``depth`` hits per leg, best first, ties by chunk id."""
        day = only.as_of.toordinal()
        with self._lock:
            allowed_sets = [number for number, names in enumerate(self._state.group_sets) if only.groups & set(names)]
            nearest = self._nearest(vector, allowed_sets, day, depth) if vector is not None else []
            return Legs(tuple(nearest), tuple(self._words.search(tokens, allowed_sets, day, depth)))

    def refresh(self) -> int:
        """Apply what the catalogue has changed since; an acknowledged change is found by the next search."""
        with self._lock:
            head = self._catalogue.documents.head()
            if head != self._state.sequence:
                changed = self._catalogue.documents.changed_chunks(self._state.sequence, head)
                for start in range(0, len(changed), _BATCH):
                    batch = changed[start : start + _BATCH]
                    self._apply(batch, self._catalogue.documents.index_entries(self._embedder, batch))
                self._tell_missing(changed)
                self._state.sequence = head
            return head

    # -- snapshots -------------------------------------------------------------------------------

    def snapshot(self, *, force: bool = False) -> bool:
        """Write the present state as the newest snapshot, if enough has changed and no other process is doing so."""
        self.refresh()
        newest = self._snapshots.newest_sequence()
        behind = self._state.sequence - newest
        if behind == 0 or (behind < SNAPSHOT_AFTER and newest > 0 and not force):
            return False
        with self._catalogue.leases.hold(f"index {self._embedder[:16]}", seconds=600) as mine:
            if not mine:
                return False
            with self._lock:
                self._snapshots.write(self._state, self._work / "words")
            return True

    def rebuild(self) -> int:
        """Forget everything and read all from the catalogue; returns the number of chunks. Nothing is embedded again."""
        with self._lock:
            self._start_empty()
            self._read_all()
        self._snapshots.distrust()
        self.snapshot(force=True)
        return int(self._state.alive.sum())

    def close(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        os.close(self._work_lock)

    def chunk_ids(self) -> list[str]:
        """The chunks that can be found, in order of id."""
        with self._lock:
            return sorted(chunk_id for chunk_id, alive in zip(self._state.chunk_ids, self._state.alive, strict=True) if alive)

    def differences(self, entries: Sequence[IndexEntry]) -> Mapping[str, str]:
        """What the index holds otherwise of entries of the catalogue; those that it lacks are not among them."""
        with self._lock:
            found = {entry.chunk_id: self._difference(entry, self._rows[entry.chunk_id]) for entry in entries if entry.chunk_id in self._rows}
        return {chunk_id: what for chunk_id, what in found.items() if what}

    def refused(self) -> Mapping[str, str]:
        """It takes every chunk."""
        return {}

    @property
    def trouble(self) -> str:
        """It has none: what it cannot read it makes anew."""
        return ""

    # -- inside ----------------------------------------------------------------------------------

    def _difference(self, entry: IndexEntry, row: int) -> str:
        state, spans = self._state, day_numbers(entry.windows)
        there = sorted((int(start), int(end)) for _, start, end in state.spans[state.spans[:, 0] == row])
        wrong = {
            "groups": state.group_sets[state.set_of_row[row]] != entry.groups,
            "validity": there != sorted(spans),
            "vector": not np.allclose(state.vectors.reconstruct(row), entry.vector, rtol=0, atol=1e-6),
            "words": self._words.times_found(entry.chunk_id, index_tokens(entry.text)) != len(spans),
        }
        return ", ".join(name for name, is_wrong in wrong.items() if is_wrong)

    def _load(self) -> None:
        state = self._snapshots.load(self._work / "words")
        if state is None:  # the catalogue has everything
            self._start_empty()
            self._read_all()
            return
        self._state = state
        self._rows = {chunk_id: row for row, chunk_id in enumerate(state.chunk_ids)}
        self._words = Words(self._work / "words")

    def _tell_missing(self, changed: Sequence[str] | None = None) -> None:
        """Say once that chunks cannot be found because another model embedded them."""
        if not self._told and (missing := self._catalogue.documents.without_vectors(self._embedder, changed)):
            self._told = True
            log.warning("%d chunks are not found: another model embedded them. Ingest their files again, or set models.embedding back", missing)

    def _start_empty(self) -> None:
        shutil.rmtree(self._work / "words", ignore_errors=True)
        self._words = Words(self._work / "words")
        self._state = State.empty(self._dimension)
        self._rows = {}

    def _read_all(self) -> None:
        head = self._catalogue.documents.head()
        if head:
            entries = self._catalogue.documents.index_entries(self._embedder)
            while batch := list(islice(entries, _BATCH)):
                self._apply([], iter(batch))
        self._state.sequence = head

    def _apply(self, changed: Sequence[str], entries: Iterator[IndexEntry]) -> None:
        state = self._state
        for chunk_id in changed:
            row = self._rows.pop(chunk_id, None)
            if row is not None:
                state.alive[row] = False
        added = list(entries)
        if added:
            first = len(state.chunk_ids)
            state.vectors.add(np.stack([entry.vector for entry in added]))
            numbers = [state.group_set(entry.groups) for entry in added]
            state.chunk_ids.extend(entry.chunk_id for entry in added)
            state.alive = np.append(state.alive, np.ones(len(added), bool))
            state.set_of_row = np.append(state.set_of_row, np.array(numbers, np.int32))
            spans = [(first + position, *span) for position, entry in enumerate(added) for span in day_numbers(entry.windows)]
            state.spans = np.concatenate([state.spans, np.array(spans, np.int32).reshape(-1, 3)])
            self._rows.update((entry.chunk_id, first + position) for position, entry in enumerate(added))
            documents = [(entry.chunk_id, index_tokens(entry.text), number, day_numbers(entry.windows)) for entry, number in zip(added, numbers, strict=True)]
        else:
            documents = []
        self._words.change(changed, documents)

    def _nearest(self, vector: Vectors, allowed_sets: Sequence[int], day: int, depth: int) -> list[Hit]:
        allowed = self._allowed(allowed_sets, day)
        total = int(allowed.sum())
        if not total:
            return []
        selector = _faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        only = _faiss.SearchParameters(sel=selector)

        def best(count: int) -> list[Hit]:
            scores, rows = self._state.vectors.search(vector.reshape(1, -1), min(count, total), params=only)
            return [Hit(self._state.chunk_ids[row], float(score)) for score, row in zip(scores[0], rows[0], strict=True) if row >= 0]

        return with_ties(best, depth)

    def _allowed(self, allowed_sets: Sequence[int], day: int) -> NDArray[Any]:
        state = self._state
        in_force = np.zeros(len(state.alive), bool)
        in_force[state.spans[(state.spans[:, 1] <= day) & (day < state.spans[:, 2]), 0]] = True
        return state.alive & in_force & np.isin(state.set_of_row, np.array(allowed_sets, np.int32))


def _work_folder(folder: Path) -> tuple[Path, int]:
    """A new folder of this process alone and the lock on it, which ends with the process; those of processes that were killed are removed."""
    whole = _lock(folder, fcntl.LOCK_EX)  # one process at a time looks and makes
    try:
        for left in folder.glob(".work-*"):
            with suppress(OSError):  # locked: its process lives
                lock = _lock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        made = Path(tempfile.mkdtemp(prefix=".work-", dir=folder))
        return made, _lock(made, fcntl.LOCK_EX)
    finally:
        os.close(whole)


def _lock(folder: Path, how: int) -> int:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
    except OSError:
        os.close(handle)
        raise
    return handle
