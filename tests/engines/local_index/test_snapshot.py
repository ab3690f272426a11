"""Snapshots: what is read back is what was written, or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ports import Legs
from engines.catalogue import Catalogue
from engines.catalogue.documents import Documents
from engines.local_index.index import LocalIndex
from engines.local_index.snapshot import Snapshots
from tests.engines.conftest import EMBEDDER
from tests.engines.local_index.bank import open_index, put, search, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def full(catalogue: Catalogue) -> Catalogue:
    """A catalogue of four documents, one of them withdrawn."""
    put(catalogue, "a", "card fee", (1, 0))
    put(catalogue, "b", "年费 fee", (0.6, 0.8), ("risk", "staff"))
    put(catalogue, "gone", "gone fee", (1, 0))
    put(catalogue, "c", "loan rate", (0, 1))
    catalogue.documents.withdraw("gone")
    return catalogue


def results(index: LocalIndex) -> Legs:
    return search(index, (1, 0), "fee rate 年费")


def newest(folder: Path) -> Path:
    (pointer,) = folder.glob("*/CURRENT")
    return pointer.parent / pointer.read_text()


def write(catalogue: Catalogue, folder: Path) -> Legs:
    """Have an index write a snapshot; returns what it found then."""
    index = open_index(catalogue, folder)
    assert index.snapshot(force=True)
    found = results(index)
    index.close()
    return found


def test_a_snapshot_gives_the_same_results_without_reading_the_catalogue(full: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = write(full, folder)
    assert texts(full, expected.vector) == ["card fee", "年费 fee", "loan rate"]
    monkeypatch.setattr(Documents, "index_entries", lambda *_: pytest.fail("the snapshot was not used"))
    index = open_index(full, folder)
    assert (index.sequence, results(index), len(index.chunk_ids())) == (5, expected, 3)
    index.close()


def test_changes_behind_the_snapshot_are_applied_to_it(full: Catalogue, folder: Path) -> None:
    write(full, folder)
    put(full, "d", "new fee fee", (0.8, 0.6))
    full.documents.withdraw("a")
    index = open_index(full, folder)
    assert texts(full, results(index).vector) == ["new fee fee", "年费 fee", "loan rate"]
    assert sorted(texts(full, results(index).word)) == ["loan rate", "new fee fee", "年费 fee"]
    index.close()


# -- damage ----------------------------------------------------------------------------------------


def _damages(content: bytes) -> Iterator[bytes]:
    """The content with one byte changed in a sample of places, cut short, and with a byte more."""
    places = {0, len(content) // 3, len(content) // 2, len(content) - 1} if content else set()
    for place in sorted(places):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    if content:
        yield content[: len(content) // 2]
        yield b""
    yield content + b"\x00"


def test_every_damage_is_noticed(full: Catalogue, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(full, folder)
    snapshot = newest(folder)
    files = [path for path in snapshot.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"manifest.json", "vectors.faiss", "rows.npz", "entries.json", "meta.json"}
    snapshots = Snapshots(folder, EMBEDDER, full.documents.mark)
    damages = 0
    for path in files:
        sound = path.read_bytes()
        for damaged in _damages(sound):
            path.write_bytes(damaged)
            caplog.clear()
            assert snapshots.load(tmp_path / "words") is None, f"{path.name}: {damaged!r:.60}"
            assert "is not used and will be built again" in caplog.text
            assert not (tmp_path / "words").exists()
            damages += 1
        path.write_bytes(sound)
    assert damages > 50
    assert snapshots.load(tmp_path / "words") is not None


def test_every_byte_of_the_manifest_counts(full: Catalogue, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.local_index.snapshot.tokens_digest", lambda: "tokens")  # it reads a dictionary each time
    write(full, folder)
    path = newest(folder) / "manifest.json"
    sound = path.read_text()
    snapshots = Snapshots(folder, EMBEDDER, full.documents.mark)
    for place, character in enumerate(sound):
        if place % 7 == 0 or (character.isdigit() and '"sequence"' in sound[place - 14 : place]):
            path.write_text(sound[:place] + chr(ord(character) ^ 1) + sound[place + 1 :])
            assert snapshots.load(tmp_path / "words") is None, f"{place}: {sound[place - 20 : place + 20]}"
    path.write_text(sound)
    assert snapshots.load(tmp_path / "words") is not None


@pytest.mark.parametrize("damage", ["a file more", "a file less", "no folder", "pointer to nothing", "pointer is no number", "no pointer"])
def test_a_snapshot_with_other_files_is_none(full: Catalogue, folder: Path, tmp_path: Path, damage: str) -> None:
    write(full, folder)
    snapshot = newest(folder)
    pointer = snapshot.parent / "CURRENT"
    match damage:
        case "a file more":
            (snapshot / "words" / "extra").write_bytes(b"")
        case "a file less":
            (snapshot / "rows.npz").unlink()
        case "no folder":
            shutil.rmtree(snapshot)
        case "pointer to nothing":
            pointer.write_text("4")
        case "pointer is no number":
            pointer.write_text("5;")
        case "no pointer":
            pointer.unlink()
    snapshots = Snapshots(folder, EMBEDDER, full.documents.mark)
    assert snapshots.load(tmp_path / "words") is None
    assert snapshots.newest_sequence() == 0


def test_a_damaged_snapshot_is_built_again_and_replaced(
    full: Catalogue, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = write(full, folder)
    path = newest(folder) / "vectors.faiss"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x80
    path.write_bytes(bytes(content))
    index = open_index(full, folder)
    assert "vectors.faiss was changed after it was written" in caplog.text
    assert results(index).vector == expected.vector
    assert texts(full, results(index).word) == texts(full, expected.word)
    assert index.snapshot()  # without force: a damaged snapshot counts as none
    index.close()
    monkeypatch.setattr(Documents, "index_entries", lambda *_: pytest.fail("the snapshot was not used"))
    index = open_index(full, folder)
    assert results(index).vector == expected.vector
    index.close()


def test_rebuild_replaces_a_snapshot_of_the_same_changes(full: Catalogue, folder: Path) -> None:
    write(full, folder)
    before = (newest(folder) / "manifest.json").stat().st_mtime_ns
    index = open_index(full, folder)
    assert not index.snapshot(force=True)  # nothing has changed
    assert index.rebuild() == 3
    index.close()
    assert (newest(folder) / "manifest.json").stat().st_mtime_ns > before


# -- snapshots of something else -------------------------------------------------------------------


def test_a_snapshot_of_another_embedder_is_not_used(full: Catalogue, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(full, folder)
    assert Snapshots(folder, "f" * 64, full.documents.mark).load(tmp_path / "words") is None
    assert caplog.text == ""  # it has a folder of its own
    alike = EMBEDDER[:16] + "f" * 48
    assert Snapshots(folder, alike, full.documents.mark).load(tmp_path / "words") is None
    assert "another embedder" in caplog.text


def test_a_snapshot_of_another_catalogue_is_not_used(full: Catalogue, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(full, folder)
    other = Catalogue.open(tmp_path / "other")
    other.documents.add_embedder(EMBEDDER, "hand-made", 2)
    for number in range(7):  # more changes than the snapshot has seen
        put(other, f"other-{number}", f"other {number}", (1, number))
    index = open_index(other, folder)
    assert "none of this catalogue" in caplog.text
    assert texts(other, search(index, (1, 0), "").vector) == [f"other {number}" for number in sorted(range(7), key=lambda number: _id(other, number))]
    index.close()
    other.close()


def _id(catalogue: Catalogue, number: int) -> str:
    return next(entry.chunk_id for entry in catalogue.documents.index_entries(EMBEDDER) if entry.text.endswith(f"other {number}"))


def test_when_an_older_catalogue_was_put_back_newer_snapshots_give_way(full: Catalogue, folder: Path, tmp_path: Path) -> None:
    full.close()
    shutil.copy(tmp_path / "catalogue.db", tmp_path / "backup.db")
    full = Catalogue.open(tmp_path)
    put(full, "late", "late fee", (1, 0))
    write(full, folder)
    put(full, "later", "later fee", (1, 0))
    write(full, folder)
    full.close()

    shutil.copy(tmp_path / "backup.db", tmp_path / "catalogue.db")
    old = Catalogue.open(tmp_path)
    index = open_index(old, folder)
    assert texts(old, results(index).vector) == ["card fee", "年费 fee", "loan rate"]
    assert index.snapshot(force=True)
    index.close()
    assert newest(folder).name == "5"
    index = open_index(old, folder)
    assert index.sequence == 5
    index.close()
    old.close()


# -- when they are written -------------------------------------------------------------------------


def test_the_newest_snapshot_and_the_one_before_are_kept(full: Catalogue, folder: Path) -> None:
    index = open_index(full, folder)
    for number in range(4):
        put(full, f"more-{number}", "fee", (1, 0))
        assert index.snapshot(force=True)
    index.close()
    kept = sorted(path.name for path in newest(folder).parent.iterdir())
    assert kept == ["8", "9", "CURRENT"]


def test_a_snapshot_waits_until_enough_has_changed(full: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.local_index.index.SNAPSHOT_AFTER", 2)
    index = open_index(full, folder)
    assert index.snapshot()  # the first one at once
    assert not index.snapshot()
    put(full, "d", "fee", (1, 0))
    assert not index.snapshot()
    put(full, "e", "fee", (1, 0))
    assert index.snapshot()
    index.close()


def test_one_process_at_a_time_writes(full: Catalogue, folder: Path) -> None:
    index = open_index(full, folder)
    with full.leases.hold(f"index {EMBEDDER[:16]}", 600):
        assert not index.snapshot(force=True)
    assert not list(folder.glob("*/CURRENT"))
    assert index.snapshot(force=True)
    index.close()


def test_a_snapshot_that_cannot_be_written_leaves_the_one_before(full: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(full, folder)
    put(full, "d", "new fee", (1, 0))
    index = open_index(full, folder)

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("engines.local_index.snapshot._write", full_disk)
        with pytest.raises(OSError, match="No space left"):
            index.snapshot(force=True)
    assert [path.name for path in newest(folder).parent.iterdir() if path.name != "CURRENT"] == ["5"]
    assert json.loads((newest(folder) / "manifest.json").read_text())["sequence"] == 5
    assert index.snapshot(force=True)
    index.close()
