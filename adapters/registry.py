"""From folders on disk to registered versions: adapters trained here, and those that are released with the program."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

from core.errors import Conflict
from core.types import AdapterRef
from engines.adapter_files import read_adapter
from engines.catalogue.adapters import AdapterRegistry

log = logging.getLogger(__name__)


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


def register_released(registry: AdapterRegistry, base_digest: str | None) -> list[AdapterRef]:
    """Register the released adapters that the catalogue does not know, and activate the newest of a name that has no active one, or whose active
    one was released with an earlier program and is gone.

    Only those of the base model in use are activated; none where ``base_digest``, which names it, is not known. A released version
    that is known already but lay elsewhere, because the program moved, is found again. One whose number was taken by an adapter
    trained here stays out, with a warning.
    """
    known = {(info.ref.name, info.ref.version): info.ref for info in registry.all()}
    added: list[AdapterRef] = []
    released = released_folder()
    for folder in sorted(released.glob("*/*"), key=lambda path: (path.parent.name, path.name.zfill(9))):
        if not folder.name.isdigit():
            continue
        before = known.get((folder.parent.name, int(folder.name)))
        if before is not None and before.path == str(folder):
            continue
        found = read_adapter(folder)
        ref = AdapterRef(folder.parent.name, int(folder.name), str(folder), found.digest)
        if before is None:
            try:
                registry.register(ref, found.manifest)
                added.append(ref)
                continue
            except Conflict:  # by another process that starts at the same time
                before = registry.get(ref.name, ref.version).ref
        if before != ref and not registry.relocate(ref):
            log.warning("released adapter %s is not registered: that version was trained here, in %s", ref, before.path)
    infos = registry.all()
    gone = [info.ref for info in infos if info.state == "active" and _was_released(info.ref) and not Path(info.ref.path).exists()]
    active = {info.ref.name for info in infos if info.state == "active" and info.ref not in gone}
    for info in infos:
        path = Path(info.ref.path)
        if info.ref.name not in active and info.manifest["base"]["digest"] == base_digest and path.is_relative_to(released) and path.exists():
            registry.activate(info.ref.name, info.ref.version)
    for ref in gone:
        log.warning("adapter %s is no longer in %s; the released ones answer in its place", ref, ref.path)
    return added


def _was_released(ref: AdapterRef) -> bool:
    """Whether it came with a program, this one or another. One trained here whose folder is not to be seen may lie where only other hosts look."""
    return Path(ref.path).parts[-3:] == ("released", ref.name, str(ref.version))
