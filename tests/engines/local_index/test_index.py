"""What only the local index does: batches, working folders, several instances on one folder. What both engines must do is in test_index_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.catalogue import Catalogue
from tests.engines.local_index.bank import open_index, put, search, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_changes_are_applied_in_batches(catalogue: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.local_index.index._BATCH", 2)
    for number in range(5):
        put(catalogue, f"early-{number}", f"fee {number}", (1, number))
    index = open_index(catalogue, folder)
    for number in range(5):
        put(catalogue, f"late-{number}", f"fee {number}", (1, number))
    index.refresh()
    found = search(index, (0, 1), "fee", depth=20)
    assert (len(found.vector), len(found.word), len(index.chunk_ids())) == (10, 10, 10)
    index.close()


def test_two_instances_on_one_folder_follow_the_same_catalogue(catalogue: Catalogue, folder: Path) -> None:
    put(catalogue, "a", "fee", (1, 0))
    first = open_index(catalogue, folder)
    second = open_index(catalogue, folder)
    put(catalogue, "b", "fee fee", (0, 1))
    assert first.refresh() == second.refresh() == 2
    assert first.snapshot(force=True)
    put(catalogue, "c", "fee fee fee", (1, 1))
    catalogue.documents.withdraw("a")
    for index in (first, second):
        index.refresh()
    expected = search(first, (1, 0), "fee")
    assert texts(catalogue, expected.vector) == ["fee fee fee", "fee fee"]
    assert search(second, (1, 0), "fee") == expected
    first.close()
    assert search(second, (1, 0), "fee") == expected
    second.close()
    assert not list(folder.glob(".work-*"))


def test_working_folders_of_killed_processes_are_removed(catalogue: Catalogue, folder: Path) -> None:
    living = open_index(catalogue, folder)
    (folder / ".work-killed" / "words").mkdir(parents=True)
    (folder / ".work-killed" / "words" / "meta.json").write_bytes(b"left")
    second = open_index(catalogue, folder)
    assert sorted(folder.glob(".work-*")) == sorted([living._work, second._work])
    living.close()
    second.close()
    assert list(folder.glob(".work-*")) == []
