"""An index is made beside the one that is searched, and takes its place in one step at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from core.errors import IndexUnavailable
from core.settings import Elasticsearch as Settings
from engines.catalogue import Catalogue
from engines.elasticsearch_index.bulk import Operation, put, write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.layout import alias as alias_of
from engines.elasticsearch_index.layout import index_name, index_number, index_settings, mapping
from engines.elasticsearch_index.state import State, write_state

log = logging.getLogger(__name__)

#: seconds that a cluster may take to have all first copies ready, or to merge what was loaded
_READY_SECONDS, _MERGE_SECONDS = 60, 3600


class Maker:
    """Makes the index of one embedder of a catalogue."""

    def __init__(self, cluster: Cluster, settings: Settings, catalogue: Catalogue, embedder: str, dimension: int) -> None:
        self._cluster = cluster
        self._settings = settings
        self._catalogue = catalogue
        self._embedder = embedder
        self._dimension = dimension
        self._alias = alias_of(settings, embedder)
        #: it is written by this name, so that an index that somebody deletes meanwhile is not made by writing
        self._next = f"{self._alias}-next"

    def make(self, caught_up: Callable[[str], AbstractContextManager[None]]) -> None:
        """Make an index from the whole catalogue and have it searched instead of the present one, which is deleted.

        Args:
            caught_up: brings the index of an alias up to the catalogue; until the end of its block nobody else applies changes.
        """
        there = self.existing()
        for name, of in there.items():
            if self._alias not in of:  # left by one that was cut short
                self._delete(name)
        name = index_name(self._alias, 1 + max((index_number(self._alias, one) or 0 for one in there), default=0))
        wanted = mapping(self._settings, self._embedder, self._dimension)
        with self._cluster.writing() as client:
            client.indices.create(index=name, aliases={self._next: {}}, mappings=wanted, settings=index_settings(self._settings))
        try:
            self._fill(name)
            with caught_up(self._next):
                self._switch(name, [one for one, of in there.items() if self._alias in of])
        except BaseException:
            with suppress(IndexUnavailable):
                self._delete(name)
            raise

    def existing(self) -> dict[str, frozenset[str]]:
        """The indexes of ours that there are, each with its aliases."""
        with self._cluster.searching() as client:
            found: Mapping[str, Any] = client.indices.get(
                index=f"{self._alias}-*", features=["aliases", "mappings"], expand_wildcards=["open", "closed"], allow_no_indices=True
            ).body
        return {
            name: frozenset(one["aliases"])
            for name, one in sorted(found.items())
            if index_number(self._alias, name) is not None and "bankassist" in (one["mappings"].get("_meta") or {})
        }

    def _fill(self, name: str) -> None:
        head = self._catalogue.documents.head()  # before the entries are read, which are then at least as new
        refused = write(self._cluster, self._next, self._operations(head))
        for chunk_id, why in refused.items():
            log.warning("chunk %s is not in the index: %s", chunk_id, why)
        with self._cluster.writing(_MERGE_SECONDS) as client:
            client.indices.refresh(index=name)
            client.indices.forcemerge(index=name, max_num_segments=1)  # one graph is searched faster than many
        with self._cluster.writing(_READY_SECONDS + 5) as client:
            settings = {"number_of_replicas": self._settings.replicas, "refresh_interval": None}
            client.indices.put_settings(index=name, settings=settings)
            client.cluster.health(index=name, wait_for_status="yellow", timeout=f"{_READY_SECONDS}s")
        write_state(self._cluster, self._next, State(head, self._catalogue.documents.mark(head), refused))

    def _operations(self, version: int) -> Iterator[Operation]:
        return (put(entry, version) for entry in self._catalogue.documents.index_entries(self._embedder))

    def _switch(self, name: str, before: list[str]) -> None:
        actions: list[dict[str, Any]] = [
            {"add": {"index": name, "alias": self._alias}},
            {"remove": {"index": name, "alias": self._next, "must_exist": True}},
            *({"remove": {"index": old, "alias": self._alias, "must_exist": True}} for old in before),
        ]
        with self._cluster.writing() as client:
            client.indices.update_aliases(actions=actions)
        for old in before:
            with suppress(IndexUnavailable):  # it is searched no more; the next one made removes it
                self._delete(old)

    def _delete(self, name: str) -> None:
        with self._cluster.writing() as client:
            client.indices.delete(index=name, ignore_unavailable=True)
