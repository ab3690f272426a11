"""Paths of the command line to files: folders are walked, a `documents.toml` in them says what each file is."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput
from ingest.pipeline import SourceFile, printable

MANIFEST = "documents.toml"


def source_files(paths: Sequence[Path], common: Mapping[str, Any]) -> list[SourceFile]:
    """The files in the order of ingestion: those of a `documents.toml` as it lists them, then the others by name.

    Args:
        common: metadata of every file that its own entry does not set.

    Raises:
        BadInput: a path that does not exist, or a `documents.toml` that cannot be used.
    """
    found: list[SourceFile] = []
    for path in paths:
        if path.is_dir():
            found.extend(_folder(path, common))
        elif path.is_file():
            found.append(_source(path.name, path, common))
        else:
            raise BadInput(f"{printable(str(path))} does not exist", param="PATH")
    return found


def _folder(folder: Path, common: Mapping[str, Any]) -> Iterator[SourceFile]:
    entries = _manifest(folder)
    for name, metadata in entries.items():
        yield _source(name, folder / name, {**common, **metadata})
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in entries and path.name != MANIFEST and not any(part.startswith(".") for part in Path(name).parts):
            yield _source(name, path, common)


def _source(name: str, path: Path, metadata: Mapping[str, Any]) -> SourceFile:
    return SourceFile(name, path.read_bytes, metadata, printable(str(path.absolute())), size=lambda: path.stat().st_size)


def _manifest(folder: Path) -> dict[str, Mapping[str, Any]]:
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text("utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}", param="PATH") from error
    if set(content) != {"documents"} or not isinstance(content["documents"], list):
        raise BadInput(f"{path}: expected tables [[documents]] and nothing else, got {', '.join(content) or 'nothing'}", param="PATH")
    entries: dict[str, Mapping[str, Any]] = {}
    for number, entry in enumerate(content["documents"], start=1):
        name = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not Path(name).parts or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadInput(f"{path}: entry {number} needs a `path` inside the folder, got {name!r}", param="PATH")
        name = Path(name).as_posix()  # ./rates.md is rates.md
        if name in entries:
            raise BadInput(f"{path}: {name} is listed twice", param="PATH")
        entries[name] = {key: value for key, value in entry.items() if key != "path"}
    return entries
