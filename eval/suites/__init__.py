"""The suites that are shipped with the program, over the sample bank: `bank`, `loan-risk`, `injection`. (`eval/suite` is what suites are.)"""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput

_HERE = Path(__file__).parent


def shipped() -> dict[str, Path]:
    """The folders of the shipped suites by name."""
    return {path.parent.name: path.parent for path in sorted(_HERE.glob("*/manifest.json"))}


def find_suite(path: Path) -> Path:
    """The folder that was named; a shipped suite may be named without its folder where no folder of that name lies here.

    Raises:
        BadInput: there is neither.
    """
    known = shipped()
    if not path.exists() and str(path) not in known:
        raise BadInput(f"there is no folder {path}, and no shipped suite of that name; those are {', '.join(known)}", param="SUITE")
    return path if path.exists() else known[str(path)]
