"""What adapters' training data are drawn from, as one digest that every adapter's manifest names."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable


def data_digest() -> str:
    """Over everything that training data are drawn from: passages, names, the sample bank's sources, and the code that draws."""
    digest = hashlib.sha256()
    for package in ("adapters.data", "examples.samplebank"):
        for name, content in sorted(_files(files(package), "")):
            digest.update(f"{package}/{name}\n".encode() + content)
    return digest.hexdigest()


def _files(folder: Traversable, place: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            found += _files(entry, f"{place}{entry.name}/")
        elif entry.name.endswith((".py", ".yaml", ".md")):
            found.append((place + entry.name, entry.read_bytes()))
    return found
