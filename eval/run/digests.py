"""Digests of what decides an answer: of documents, of the program, of what is installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.settings import Settings

#: packages that take part in an answer, and the endings of their files that count
_PACKAGES = ("core", "engines", "adapters", "ingest", "assistant", "examples", "eval")
_ENDINGS = (".py", ".json", ".yaml", ".cpp", ".h")
#: parts of them that do not: what trained adapters and released ones have digests of their own, measures change no answer
_LEFT_OUT = ("adapters/data", "adapters/released", "assistant/console", "eval/suites", "eval/scoring", "eval/statistics", "eval/report")
#: settings that change no answer: where things lie, how the service listens, how long one waits. How many answers are written at once is the run's to say
_NOT_COUNTED: Any = {
    "home": True,
    "service": True,
    "catalogue": True,
    "generation": {"batch", "queue", "queue_seconds"},
    "elasticsearch": {"api_key", "user", "password", "ca_file", "hosts", "prefix"},
    "remote": {"api_key", "ca_file", "connect_seconds", "first_token_seconds", "token_seconds", "request_seconds", "retries", "retry_share", "concurrency"},
}


def digest_of(value: Any) -> str:
    """Of the canonical JSON of a document."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Over names and bytes of all files below it."""
    return digest_of([[path.relative_to(folder).as_posix(), file_digest(path)] for path in sorted(folder.rglob("*")) if path.is_file()])


def settings_that_count(settings: Settings) -> dict[str, Any]:
    """The settings that may change an answer, secrets left out."""
    return settings.model_dump(mode="json", exclude=_NOT_COUNTED)


@cache
def code_digest() -> str:
    """Over the source files that take part in an answer."""
    return digest_of([[name, file_digest(path)] for name, path in sorted(_sources())])


def _sources() -> Iterator[tuple[str, Path]]:
    for package in _PACKAGES:
        folder = Path(str(files(package)))
        for path in folder.rglob("*"):
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            if path.suffix in _ENDINGS and not name.startswith(_LEFT_OUT):
                yield name, path


@cache
def packages_digest() -> str:
    """Over the names and versions of all installed distributions."""
    return digest_of(sorted({(str(one.metadata["Name"]).lower(), one.version) for one in distributions()}))
