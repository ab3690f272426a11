"""A whole bank on disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pypdfium2
import pytest

import examples
from core.metadata import parse_metadata
from examples.samplebank.build import write_bank
from examples.samplebank.facts import Facts
from examples.samplebank.sources import load


def _digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("banks") / "new" / "first"
    folder.mkdir(parents=True)
    write_bank(1, folder)
    return folder


def test_the_same_seed_gives_the_same_bytes_in_another_process(first: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.samplebank", "--seed", "1", "--out", str(tmp_path)]
    root = Path(examples.__file__).parent.parent
    done = subprocess.run(command, cwd=root, env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(load(Facts.draw(1)))} documents in {tmp_path}\n"
    assert _digests(tmp_path) == _digests(first)


def test_another_seed_gives_other_bytes_in_the_same_files(first: Path, tmp_path: Path) -> None:
    write_bank(2, tmp_path)
    one, two = _digests(first), _digests(tmp_path)
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] == two[path]] == []


def test_the_manifest_names_every_file_with_metadata_that_ingest_takes(first: Path) -> None:
    entries = tomllib.loads((first / "documents.toml").read_text("utf8"))["documents"]
    assert sorted(entry["path"] for entry in entries) == sorted(_digests(first).keys() - {"documents.toml"})
    for entry in entries:
        path = entry.pop("path")
        metadata = parse_metadata(entry, path)
        assert metadata.document_id
        assert metadata.title
        assert metadata.valid_from


def test_the_committed_bank_is_what_the_sources_give(first: Path) -> None:
    committed = Path(examples.__file__).parent / "bank"
    assert _contents(committed) == _contents(first), "run `python -m examples.samplebank --seed 1 --out examples/bank` and commit what changed"


def _contents(folder: Path) -> dict[str, object]:
    return {path.relative_to(folder).as_posix(): _content(path) for path in folder.rglob("*") if path.is_file()}


def _content(path: Path) -> object:
    """What a file says. Compressed bytes would depend on the zlib of the machine."""
    if path.suffix in (".docx", ".xlsx"):
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as document:
            return [page.get_textpage().get_text_range() for page in document]
    return path.read_bytes()
