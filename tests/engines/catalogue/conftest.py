"""The tests of the catalogue run on SQLite and, where there is a server, on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue import Catalogue
from tests.engines.conftest import EMBEDDER
from tests.servers.postgres import new_database


@pytest.fixture(scope="session")
def empty_database(postgres_server: str) -> Iterator[str]:
    """The name of a database that is a catalogue and knows the embedder; a copy is made faster than a new one."""
    with new_database(postgres_server) as url:
        made = Catalogue.open(Path(), CatalogueSettings(url=SecretStr(url)))
        made.documents.add_embedder(EMBEDDER, "hand-made", 2)
        made.close()
        yield url.rpartition("/")[2]


@pytest.fixture
def on_postgres(postgres_server: str, empty_database: str) -> Iterator[CatalogueSettings]:
    """An empty catalogue in a database of its own."""
    with new_database(postgres_server, empty_database) as url:
        yield CatalogueSettings(url=SecretStr(url))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, empty: Path, tmp_path: Path) -> CatalogueSettings:
    """Where an empty catalogue is: in ``tmp_path``, or on the server."""
    if request.param == "PostgreSQL":
        settings = request.getfixturevalue("on_postgres")
        assert isinstance(settings, CatalogueSettings)
        return settings
    shutil.copy(empty, tmp_path)
    return CatalogueSettings()


@pytest.fixture
def catalogue(place: CatalogueSettings, tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(tmp_path, place)
    yield opened
    opened.close()
