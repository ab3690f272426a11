"""Secrets from files, as containers and secret stores hand them over: `KEY_file` (in the environment `..._KEY_FILE`) names a file that holds the value of `KEY`.

Only for keys that hold a secret; the file is read once, at start, and its last line break is not part of the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

_FILE = "_file"


def secret_keys(section: type[BaseModel]) -> list[str]:
    """The keys of a section that hold a secret."""
    return [key for key, field in section.model_fields.items() if SecretStr in (field.annotation, *get_args(field.annotation))]


class EnvironmentWithFiles(EnvSettingsSource):
    """Environment variables, and the files that they name."""

    def __call__(self) -> dict[str, Any]:
        return _read_files(super().__call__(), self.settings_cls)


class TomlWithFiles(TomlConfigSettingsSource):
    """A TOML file, and the files that it names."""

    def __call__(self) -> dict[str, Any]:
        return _read_files(super().__call__(), self.settings_cls)


def _read_files(values: Mapping[str, Any], settings: type[BaseModel]) -> dict[str, Any]:
    """The values with each secret in the place of the file that holds it.

    Raises:
        ValueError: secret and file are both given, or the file cannot be read or is empty.
    """
    return {name: _read_section(name, given, settings) for name, given in values.items()}


def _read_section(name: str, given: Any, settings: type[BaseModel]) -> Any:
    field = settings.model_fields.get(name)
    if field is None or not isinstance(field.default, BaseModel) or not isinstance(given, dict):
        return given
    read = dict(given)
    for key in secret_keys(type(field.default)):
        if key + _FILE not in read:
            continue
        place = f"{name}.{key}{_FILE}"
        if key in read:
            raise ValueError(f"{name}.{key} and {place} are both set; set one of them")
        read[key] = _secret(place, read.pop(key + _FILE))
    return read


def _secret(place: str, file: Any) -> str:
    if not isinstance(file, str) or not file:
        raise ValueError(f"{place}: expected the path of a file")
    try:
        text = Path(file).read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{place}: {file} cannot be read: {reason}") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.strip():
        raise ValueError(f"{place}: {file} is empty")
    return secret
