"""A run of sixty items and an older one of the same suite, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.report.material import Material, read
from tests.eval.report.made_run import write_run


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; what it is compared with lies in ``older/run`` beside it."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "older", 60, seed=2)
    return write_run(folder / "new", 60, seed=1)


@pytest.fixture(scope="session")
def made(made_run: Path) -> Material:
    return read(made_run, made_run.parent.parent / "older" / "run")
