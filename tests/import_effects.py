"""Imports all modules of the product and prints as JSON what each one did beside: ``python -B -m tests.import_effects``.

All are imported twice. The second time the libraries are there already, so that what is seen is ours.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import pkgutil
import signal
import sys
import threading
from typing import Any

PACKAGES = ("adapters", "assistant", "core", "engines", "eval", "examples", "ingest")
#: what runs when it is imported: programs, and what alembic itself runs
_RUN = (".__main__", ".migrations.env")
_EFFECTS = (
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.putenv",
    "os.unsetenv",
    "os.system",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "sqlite3.connect",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

seen: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EFFECTS:
        seen.append(f"{event} {arguments[0]!r}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        seen.append(f"writes {arguments[0]!r}")


def state() -> dict[str, Any]:
    """What an import could change without an event."""
    return {
        "environment": dict(os.environ),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        "logging": (logging.root.level, [str(handler) for handler in logging.root.handlers]),
        "folder": os.getcwd(),  # noqa: PTH109, the string
        "path": list(sys.path),
    }


def names() -> list[str]:
    found = list(PACKAGES)
    for package in PACKAGES:
        found += [one.name for one in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.") if not one.name.endswith(_RUN)]
    return found


def main() -> None:
    modules = names()
    for name in modules:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.partition(".")[0] in PACKAGES:
            del sys.modules[name]
    sys.addaudithook(watch)
    effects: dict[str, list[str]] = {}
    for name in modules:
        before = state()
        seen.clear()
        importlib.import_module(name)
        after = state()
        effects[name] = [*seen, *(key for key in before if before[key] != after[key])]
    sys.stdout.write(json.dumps(effects))


if __name__ == "__main__":
    main()
