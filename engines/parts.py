"""The stateful engines of one home folder, opened when first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import IndexRefused
from core.settings import Settings
from engines.catalogue import Catalogue
from engines.embedder import SentenceEmbedder
from engines.fallback_index import FallbackIndex
from engines.files import FileStore
from engines.index_store import IndexStore
from engines.local_index.index import LocalIndex
from engines.models import locate

if TYPE_CHECKING:
    from engines.elasticsearch_index.index import ElasticsearchIndex

Engine = Literal["local", "elasticsearch"]


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
    def index(self) -> IndexStore:
        """The one of the settings."""
        if self.settings.index.engine == "elasticsearch" and self.settings.index.when_down == "local":
            return FallbackIndex(lambda: self.open_index("elasticsearch"), self.open_index("local"))
        return self.open_index(self.settings.index.engine)

    def open_index(self, engine: Engine, *, anew: bool = False) -> IndexStore:
        """An index of this catalogue, whatever the settings say; who opens it closes it.

        Args:
            anew: it is opened to be rebuilt, so whatever is there need not be as it should.
        """
        if engine == "local":
            return LocalIndex(self.catalogue, self.settings.home / "index", self.embedder_digest, self._dimension())
        kind = self._elasticsearch()
        opened = kind if anew else kind.open
        return opened(self.settings.elasticsearch, self.catalogue, self.embedder_digest, self._dimension())

    def examine_index(self) -> str:
        """What and how the index in Elasticsearch is. Nothing is changed, and the model is loaded only where nothing was embedded with it yet.

        Raises:
            IndexUnavailable: it does not answer.
            IndexRefused: it cannot be used as it is.
        """
        kind = self._elasticsearch()
        index = kind(self.settings.elasticsearch, self.catalogue, self.embedder_digest, self._dimension())
        try:
            return index.examine()
        finally:
            index.close()

    def _dimension(self) -> int:
        return self.catalogue.documents.dimension(self.embedder_digest) or self.embedder.dimension

    def _elasticsearch(self) -> type[ElasticsearchIndex]:
        try:
            from engines.elasticsearch_index.index import ElasticsearchIndex
        except ImportError as error:
            raise IndexRefused(
                f"the index is in Elasticsearch, and its client is not installed ({error.name}): pip install -c constraints.txt 'bankassist[elastic]'"
            ) from error
        return ElasticsearchIndex

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
