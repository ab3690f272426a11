"""The suites that are shipped with the program, over the sample bank: `bank`, `loan-risk`, `injection`. (`eval/suite` is what suites are.)"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def shipped() -> dict[str, Path]:
    """The folders of the shipped suites by name."""
    return {path.parent.name: path.parent for path in sorted(_HERE.glob("*/manifest.json"))}


def find_suite(path: Path) -> Path:
    """The folder that was named; a shipped suite may be named without its folder where no folder of that name lies here."""
    return path if path.exists() else shipped().get(str(path), path)
