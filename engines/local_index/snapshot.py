"""Snapshots of the local index: an immutable folder per sequence number, one manifest with the digest of every file.

A snapshot is written beside the others and becomes the newest by one atomic rename of the pointer file. Every byte is
verified before FAISS, a C++ parser, reads any of it; a damaged snapshot is as good as none, the catalogue has everything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from core.text.tokens import tokens_digest
from engines.files import sync_folder

log = logging.getLogger(__name__)

_FORMAT = 1
_POINTER = "CURRENT"
_MANIFEST = "manifest.json"


@dataclass
class State:
    """What both legs need of every chunk, row by row.

    ``spans`` has one line per window in force: (row, first day, day after the last).
    """

    sequence: int
    vectors: Any
    chunk_ids: list[str]
    alive: NDArray[Any]
    set_of_row: NDArray[Any]
    spans: NDArray[Any]
    group_sets: list[tuple[str, ...]] = field(default_factory=list)

    @classmethod
    def empty(cls, dimension: int) -> State:
        return cls(0, faiss.IndexFlatIP(dimension), [], np.zeros(0, bool), np.zeros(0, np.int32), np.zeros((0, 3), np.int32))

    def group_set(self, groups: tuple[str, ...]) -> int:
        """The number of a set of groups; a new one gets the next number."""
        if groups not in self.group_sets:
            self.group_sets.append(groups)
        return self.group_sets.index(groups)


class Snapshots:
    """The snapshots of one embedder in a folder.

    Args:
        mark: names the change with a sequence number, so that a snapshot of another catalogue is told apart.
    """

    def __init__(self, folder: Path, embedder: str, mark: Callable[[int], str | None]) -> None:
        self._folder = folder / embedder[:16]
        self._embedder = embedder
        self._mark = mark
        self._distrusted = 0

    def newest_sequence(self) -> int:
        """The sequence number of the newest snapshot; 0 without one that can be trusted."""
        newest = self._pointer()
        return 0 if newest == self._distrusted else newest

    def distrust(self) -> None:
        """Have the newest snapshot count as none, so that the next one written replaces it."""
        self._distrusted = self._pointer()

    def load(self, words: Path) -> State | None:
        """The newest snapshot, its word index copied to ``words``; None without a sound one of this catalogue."""
        newest = self._pointer()
        if not newest:
            return None
        folder = self._folder / str(newest)
        try:
            manifest = self._verified(folder)
            shutil.copytree(folder / "words", words)
            return _read(folder, manifest)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            log.warning("index snapshot %s is not used and will be built again from the catalogue: %s", folder, error)
            shutil.rmtree(words, ignore_errors=True)
            self._distrusted = newest
            return None

    def write(self, state: State, words: Path) -> None:
        """Write a snapshot of the state, without its dead rows, and make it the newest."""
        self._folder.mkdir(parents=True, exist_ok=True)
        before = self._pointer()  # another process may be reading it
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            _write(made, state)
            shutil.copytree(words, made / "words", ignore=shutil.ignore_patterns(".tantivy-*.lock"))
            files = {str(path.relative_to(made)): _digest(path) for path in sorted(made.rglob("*")) if path.is_file()}
            manifest = {
                "format": _FORMAT,
                "sequence": state.sequence,
                "last_change": self._mark(state.sequence),
                "embedder": self._embedder,
                "tokens": tokens_digest(),
                "files": files,
            }
            (made / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf8")
            _sync(made)
            target = self._folder / str(state.sequence)
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        pointer = self._folder / f".{_POINTER}.new"
        pointer.write_text(str(state.sequence), encoding="utf8")
        _sync_file(pointer)
        pointer.replace(self._folder / _POINTER)
        sync_folder(self._folder)
        self._distrusted = 0
        for path in self._folder.iterdir():
            if path.name.isdigit() and int(path.name) not in (before, state.sequence):
                shutil.rmtree(path, ignore_errors=True)

    def _pointer(self) -> int:
        with suppress(OSError, ValueError):
            return int((self._folder / _POINTER).read_text("utf8"))
        return 0

    def _verified(self, folder: Path) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text("utf8"))
        if manifest["format"] != _FORMAT or manifest["embedder"] != self._embedder or manifest["tokens"] != tokens_digest():
            raise ValueError("it was made with another embedder, tokeniser or format")
        if manifest["last_change"] != self._mark(manifest["sequence"]):
            raise ValueError("its last change is none of this catalogue")
        present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {_MANIFEST}
        if present != set(manifest["files"]):
            raise ValueError(f"its files are not those of its manifest: {sorted(present ^ set(manifest['files']))[:3]}")
        for name, digest in manifest["files"].items():
            if _digest(folder / name) != digest:
                raise ValueError(f"{name} was changed after it was written")
        return manifest


def _write(folder: Path, state: State) -> None:
    keep = np.flatnonzero(state.alive)
    place = np.full(len(state.alive), -1, np.int32)
    place[keep] = np.arange(len(keep), dtype=np.int32)
    spans = state.spans[np.isin(state.spans[:, 0], keep)].copy()
    spans[:, 0] = place[spans[:, 0]]
    vectors = faiss.IndexFlatIP(state.vectors.d)
    if len(keep):
        vectors.add(state.vectors.reconstruct_n(0, state.vectors.ntotal)[keep])
    faiss.write_index(vectors, str(folder / "vectors.faiss"))
    np.savez(folder / "rows.npz", set_of_row=state.set_of_row[keep], spans=spans)
    entries = {"chunk_ids": [state.chunk_ids[row] for row in keep], "group_sets": state.group_sets}
    (folder / "entries.json").write_text(json.dumps(entries), encoding="utf8")


def _read(folder: Path, manifest: dict[str, Any]) -> State:
    size = (folder / "vectors.faiss").stat().st_size
    faiss.set_deserialization_vector_byte_limit(size)
    faiss.set_deserialization_loop_limit(1_000_000)
    vectors = faiss.read_index(str(folder / "vectors.faiss"))
    entries = json.loads((folder / "entries.json").read_text("utf8"))
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        set_of_row, spans = rows["set_of_row"], rows["spans"]
    count = len(entries["chunk_ids"])
    if not vectors.ntotal == count == len(set_of_row):
        raise ValueError(f"{vectors.ntotal} vectors, {count} ids and {len(set_of_row)} rows do not belong together")
    return State(
        manifest["sequence"], vectors, entries["chunk_ids"], np.ones(count, bool), set_of_row, spans, [tuple(names) for names in entries["group_sets"]]
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _sync_file(path)
        else:
            sync_folder(path)
    sync_folder(folder)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
