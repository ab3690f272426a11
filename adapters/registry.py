"""From folders on disk to registered versions: adapters trained here, and those that are released with the program."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from core.types import AdapterRef
from engines.adapter_files import read_adapter
from engines.catalogue.adapters import AdapterRegistry


def released_folder() -> Path:
    """Where the released adapters lie, ``NAME/VERSION``."""
    return Path(str(files("adapters"))) / "released"


def register(registry: AdapterRegistry, ref: AdapterRef) -> None:
    """Register a trained adapter as a candidate after reading and checking its files.

    Raises:
        Unavailable: its files are not sound.
        Conflict: the version is registered already.
    """
    registry.register(ref, read_adapter(Path(ref.path)).manifest)


def register_released(registry: AdapterRegistry) -> list[AdapterRef]:
    """Register the released adapters that the catalogue does not know, and activate the newest of a name that has no active one."""
    known = {(info.ref.name, info.ref.version) for info in registry.all()}
    active = {info.ref.name for info in registry.all() if info.state == "active"}
    added: list[AdapterRef] = []
    for folder in sorted(released_folder().glob("*/*"), key=lambda path: (path.parent.name, path.name.zfill(9))):
        name, version = folder.parent.name, folder.name
        if version.isdigit() and (name, int(version)) not in known:
            found = read_adapter(folder)
            ref = AdapterRef(name, int(version), str(folder), found.digest)
            registry.register(ref, found.manifest)
            added.append(ref)
    for ref in added:
        if ref.name not in active:
            registry.activate(ref.name, ref.version)
    return added
