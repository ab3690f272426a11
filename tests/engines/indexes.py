"""An empty index of each engine over a small catalogue, for tests that both must pass."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.settings import Elasticsearch
from engines.catalogue import Catalogue
from engines.elasticsearch_index.index import ElasticsearchIndex
from engines.index_store import IndexStore
from engines.local_index.index import LocalIndex
from tests.engines.conftest import EMBEDDER

ENGINES = ("local", "elasticsearch")


@dataclass(frozen=True)
class Place:
    """Where an engine keeps the indexes of a test."""

    engine: str
    folder: Path
    settings: Elasticsearch

    def open(self, catalogue: Catalogue, embedder: str = EMBEDDER) -> IndexStore:
        """The index, up to the catalogue."""
        if self.engine == "elasticsearch":
            return ElasticsearchIndex.open(self.settings, catalogue, embedder, 2)
        index = LocalIndex(catalogue, self.folder, embedder, 2)
        index.refresh()
        return index

    def cleared(self) -> None:
        """Forget all indexes of the place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.engine == "elasticsearch":
            clear(self.settings)


@contextmanager
def place(engine: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    url = request.getfixturevalue("elasticsearch_url") if engine == "elasticsearch" else "http://127.0.0.1:9200"
    made = Place(engine, folder, cluster_settings(url))
    yield made
    made.cleared()


def cluster_settings(url: str, **changes: Any) -> Elasticsearch:
    """Whole vectors and one shard, so that scores can be worked out by hand; names of this test's own."""
    return Elasticsearch(**{"hosts": url, "prefix": f"test-{uuid4().hex[:8]}", "vectors": "flat", "replicas": 0, **changes})


def clear(settings: Elasticsearch) -> None:
    """Delete the indexes of the settings."""
    found = httpx.get(f"{settings.hosts[0]}/{settings.prefix}-*", timeout=30).json()
    for name in found:
        httpx.delete(f"{settings.hosts[0]}/{name}", timeout=30).raise_for_status()
