"""What is there to test with, and what was really used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

#: read before a test takes the variables away
_AROUND: Mapping[str, str] = {name: value for name, value in os.environ.items() if name.startswith("BANKASSIST_TEST_")}

ELASTICSEARCH = "Elasticsearch"
POSTGRES = "PostgreSQL"
NGINX = "nginx"
JAVA = "Java (openai-java, java.net.http)"
ALL = (ELASTICSEARCH, POSTGRES, NGINX, JAVA)

#: name to what it was, in the order of first use; and name to why it was not there
used: dict[str, str] = {}
absent: dict[str, str] = {}


def around(name: str) -> str | None:
    """A variable ``BANKASSIST_TEST_...`` of the environment that the run was started in."""
    return _AROUND.get(name) or None


def kit() -> Path | None:
    """The folder with start scripts and Java clients."""
    folder = around("BANKASSIST_TEST_KIT")
    return Path(folder).resolve() if folder and Path(folder).is_dir() else None


def note_used(name: str, what: str) -> None:
    used.setdefault(name, what)


def not_there(name: str, why: str) -> NoReturn:
    """Leave the test out, or fail it where everything is required."""
    absent.setdefault(name, why)
    if around("BANKASSIST_TEST_REQUIRE") == "1":
        pytest.fail(f"{name} is required here and is not there: {why}", pytrace=False)
    pytest.skip(f"{name}: {why}")


def lines() -> list[str]:
    """For the end of a run."""
    found = [f"really exercised: {', '.join(f'{name} ({what})' for name, what in used.items())}"] if used else []
    others = [name for name in ALL if name not in used]
    return found + ([f"NOT exercised: {', '.join(name + (f' ({absent[name]})' if name in absent else '') for name in others)}"] if others else [])
