"""An open catalogue, and versions to put into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from core.types import Chunk
from engines.catalogue import Catalogue
from engines.catalogue.documents import NewVersion, Published

EMBEDDER = "e" * 64

FEES = NewVersion(
    document_id="fees",
    title="Fees",
    language="en",
    product=None,
    data_level="internal",
    groups=("staff",),
    valid_from=None,
    valid_until=None,
    file_name="fees.txt",
    media_type="text/plain",
    content_digest="bytes 1",
    metadata_digest="metadata 1",
    text="A card costs CHF 45.00.",
)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a catalogue that knows the embedder and nothing else; a copy is opened faster than a new one is made."""
    home = tmp_path_factory.mktemp("empty")
    made = Catalogue.open(home)
    made.documents.add_embedder(EMBEDDER, "hand-made", 2)
    made.close()
    return home / "catalogue.db"


@pytest.fixture
def catalogue(empty: Path, tmp_path: Path) -> Iterator[Catalogue]:
    shutil.copy(empty, tmp_path)
    opened = Catalogue.open(tmp_path)
    yield opened
    opened.close()


def publish(
    catalogue: Catalogue,
    version: NewVersion,
    texts: Sequence[str] = ("A card costs CHF 45.00.",),
    embedder: str = EMBEDDER,
    *,
    readable: frozenset[str] | None = None,
    id_was_chosen: bool = True,
) -> Published:
    """One chunk per text, each with a vector of its own."""
    pieces = [(Chunk(place, ("Cards",), 1, 0, len(text), text), f"digest of {text}") for place, text in enumerate(texts)]
    vectors = np.array([[1.0, place] for place in range(len(texts))], np.float32)
    return catalogue.documents.publish(version, pieces, embedder, vectors, readable=readable, id_was_chosen=id_was_chosen)


def dated(number: int, start: date | None, end: date | None) -> NewVersion:
    """Another version of the fees, valid from one day to another."""
    return replace(FEES, content_digest=f"bytes {number}", valid_from=start, valid_until=end)
