"""The original files, kept by the digest of their bytes: a file is written once, completely, or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from core.errors import NotFound


class FileStore:
    """A folder of files named by their SHA-256, two levels deep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store the bytes durably; returns their digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
            sync_folder(self._folder)  # of which the parent may be a new entry
        return digest

    def path(self, digest: str) -> Path:
        """Where the file lies.

        Raises:
            NotFound: no such file.
        """
        path = self._path(digest)
        if not path.exists():
            raise NotFound(f"no stored file {digest} in {self._folder}; all hosts of one catalogue must mount the same folder (setting catalogue.files)")
        return path

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
