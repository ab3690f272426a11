"""The stateful engines of one home folder, opened when first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from core.settings import Settings
from engines.catalogue import Catalogue
from engines.embedder import SentenceEmbedder
from engines.files import FileStore
from engines.local_index.index import LocalIndex
from engines.models import locate


class Parts:
    """Catalogue, file store, embedder and index that belong together. Use it through :func:`open_parts`."""

    def __init__(self, settings: Settings, notify: Callable[[str], None], embedder: SentenceEmbedder | None = None) -> None:
        self.settings = settings
        self._notify = notify
        self._embedder = embedder
        self.cache: Path = settings.home / "cache"
        self.catalogue = Catalogue.open(settings.home, settings.catalogue)
        self.files = FileStore(settings.catalogue.files or settings.home / "files")

    @cached_property
    def embedder(self) -> SentenceEmbedder:
        return self._embedder or SentenceEmbedder.load(self.settings.models, self.cache, self._notify)

    @cached_property
    def embedder_digest(self) -> str:
        """Known without loading the model."""
        if self._embedder is not None:
            return self._embedder.digest
        return locate(self.settings.models.embedding, self.cache, self._notify).digest

    @cached_property
    def index(self) -> LocalIndex:
        return LocalIndex(self.catalogue, self.settings.home / "index", self.embedder_digest, self.embedder.dimension)

    def close(self) -> None:
        if "index" in self.__dict__:
            self.index.close()
        self.catalogue.close()


@contextmanager
def open_parts(settings: Settings, notify: Callable[[str], None] = lambda _: None, embedder: SentenceEmbedder | None = None) -> Iterator[Parts]:
    """Open the home folder of the settings; everything is closed at the end of the block.

    Args:
        embedder: one that is loaded already, for several home folders in one process.
    """
    parts = Parts(settings, notify, embedder)
    try:
        yield parts
    finally:
        parts.close()
