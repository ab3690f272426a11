"""Original files by the digest of their bytes: complete or not there."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import NotFound
from engines.files import FileStore


@pytest.mark.parametrize("content", [b"", b"fee", "年费120元".encode(), bytes(1_000_000)], ids=["empty", "one", "Chinese", "large"])
def test_a_file_is_kept_under_its_digest(tmp_path: Path, content: bytes) -> None:
    store = FileStore(tmp_path / "files")
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.path(digest).read_bytes() == content
    assert store.path(digest) == tmp_path / "files" / digest[:2] / digest


def test_the_same_bytes_are_written_once(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    written = store.path(store.put(b"fee")).stat()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(store.put, [b"fee"] * 16))) == 1
    assert store.path(store.put(b"fee")).stat().st_mtime_ns == written.st_mtime_ns
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_many_threads_that_store_the_same_new_file_agree(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        digests = set(pool.map(lambda _: store.put(b"x" * 200_000), range(16)))
    (digest,) = digests
    assert store.path(digest).read_bytes() == b"x" * 200_000
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [digest]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("No space left on device")

    store = FileStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.put(b"fee")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(NotFound, match="no stored file"):
        store.path(hashlib.sha256(b"fee").hexdigest())
    assert store.path(store.put(b"fee")).read_bytes() == b"fee"


def test_an_unknown_digest_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no stored file 00ff") as missing:
        FileStore(tmp_path).path("00ff")
    assert missing.value.code == "not_found"
