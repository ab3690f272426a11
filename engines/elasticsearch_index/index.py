"""The index in a cluster: any number of processes search it, one at a time brings it up to the catalogue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from elasticsearch import helpers

from core.errors import Conflict, IndexRefused, IndexUnavailable, Unavailable
from core.ports import Filter, Legs, Vectors
from core.settings import Elasticsearch as Settings
from core.text.tokens import index_tokens
from engines.catalogue import Catalogue
from engines.catalogue.documents import IndexEntry
from engines.elasticsearch_index.bulk import put, remove, write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.layout import alias as alias_of
from engines.elasticsearch_index.layout import day_ranges, mapping, misfits
from engines.elasticsearch_index.making import Maker
from engines.elasticsearch_index.search import Searches
from engines.elasticsearch_index.state import State, check_catalogue, read_state, write_state

log = logging.getLogger(__name__)

#: changes that are applied under one lease, and seconds after which another process may take over from one that died: to be too early does no harm
STEP = 2_000
_LEASE_SECONDS, _MAKING_SECONDS = 10, 60
#: seconds between looks at what another process applies; and after which the stored state is read again although the catalogue has not changed
_POLL_SECONDS, _LOOK_AGAIN_SECONDS = 0.05, 10
#: how often what the cluster has no room for is sent again, where nobody waits for it; a search does not wait so long
_RETRIES = 6
#: seconds after a failed write before the next one is tried
_WRITE_AGAIN_SECONDS = 2


class ElasticsearchIndex:
    """One embedder's index of a catalogue.

    Raises:
        IndexUnavailable: the cluster does not answer.
        IndexRefused: credentials, version, an index that is made otherwise or for another catalogue, or one of which parts are lost. Nothing is changed.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, embedder: str, dimension: int) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._embedder = embedder
        self._dimension = dimension
        self._alias = alias_of(settings, embedder)
        self._cluster = Cluster(settings)
        self._maker = Maker(self._cluster, settings, catalogue, embedder, dimension)
        self._searches = Searches(self._cluster, settings, self._alias)
        self._lock = threading.Lock()
        self._state = State(0, None)
        self._looked = self._write_again = float("-inf")
        self._told = False
        self._behind = ""  # why the last write failed

    @classmethod
    def open(cls, settings: Settings, catalogue: Catalogue, embedder: str, dimension: int) -> ElasticsearchIndex:
        """The index, made from the catalogue where there is none yet."""
        index = cls(settings, catalogue, embedder, dimension)
        try:
            index.examine()
            index._make_where_none_is()
            index._follow_if_it_can(None)
            index._tell_missing()
        except BaseException:
            index.close()
            raise
        return index

    # -- the Index port --------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        return self._state.sequence

    def search(self, vector: Vectors | None, tokens: Sequence[str], only: Filter, depth: int) -> Legs:
        """At most ``depth`` hits per leg, best first, ties by chunk id."""
        try:
            return self._searches.search(vector, tokens, only, depth)
        except IndexUnavailable:
            self._looked = float("-inf")  # the next refresh does not take it for granted that it answers
            raise

    def refresh(self) -> int:
        """Bring the index up to the catalogue, or wait until another process has, but not for longer than a search may take. What cannot be written now is
        found later; searches go on in what is there."""
        return self._follow_if_it_can(self._settings.follow_seconds)

    # -- keeping it ------------------------------------------------------------------------------

    def snapshot(self, *, force: bool = False) -> bool:
        """Bring the index up to the catalogue, however long it takes; in the cluster that is lasting."""
        before = self.sequence
        return self._follow(None) != before or force

    def rebuild(self) -> int:
        """Make a new index beside the one that is searched, and switch.

        Raises:
            Conflict: another process is making it.
        """
        with self._making() as mine:
            if not mine:
                raise Conflict(f"another process is making the index {self._alias}; try again when it is done", code="index_busy")
            self._make()
        return self.count()

    def count(self) -> int:
        """Chunks that can be found."""
        with self._cluster.searching() as client:
            return int(client.count(index=self._alias, query={"exists": {"field": "chunk"}})["count"])

    def chunk_ids(self) -> list[str]:
        """The chunks that can be found, in order of id."""
        with self._cluster.writing() as client:
            query = {"query": {"exists": {"field": "chunk"}}, "_source": False}
            return sorted(hit["_id"] for hit in helpers.scan(client, index=self._alias, query=query, size=5_000))

    def differences(self, entries: Sequence[IndexEntry]) -> Mapping[str, str]:
        """What the index holds otherwise of entries of the catalogue; those that it lacks are not among them."""
        ids = [entry.chunk_id for entry in entries]
        with self._cluster.writing() as client:
            hits = client.search(index=self._alias, query={"ids": {"values": ids}}, size=len(ids), source={"exclude_vectors": False})["hits"]["hits"]
        there = {hit["_id"]: hit["_source"] for hit in hits if hit["_source"]}  # nothing is left of one that was removed
        found = {entry.chunk_id: _difference(entry, there[entry.chunk_id]) for entry in entries if entry.chunk_id in there}
        return {chunk_id: what for chunk_id, what in found.items() if what}

    def refused(self) -> Mapping[str, str]:
        return self._state.refused

    @property
    def trouble(self) -> str:
        return f"changes since {self.sequence} are not found yet: {self._behind}" if self._behind else ""

    def close(self) -> None:
        self._cluster.close()

    def examine(self) -> str:
        """Whether the cluster, and the index where it is there, can be used; says what they are. Nothing is changed."""
        version = self._cluster.version()
        what = f"Elasticsearch {version} at {self._cluster.hosts}"
        name = self._current()
        if name is None:
            return f"{what}, no index {self._alias} yet: the first start makes it"
        with self._cluster.searching() as client:
            there = client.indices.get_mapping(index=name)[name]["mappings"]
            health = client.cluster.health(index=name, timeout="0s")["status"]
        if wrong := misfits(there, mapping(self._settings, self._embedder, self._dimension)):
            raise IndexRefused(
                f"the index {name} at {self._cluster.hosts} is not as the settings want it: {'; '.join(wrong[:3])}. "
                "`bankassist index rebuild --to elasticsearch` makes a new one beside it and switches; or set back what was changed"
            )
        if health == "red":
            raise IndexRefused(
                f"the index {name} at {self._cluster.hosts} is red: a part of it is on no node. Bring the lost node back (`GET _cluster/allocation/explain` says more), "
                "or make it anew: `bankassist index rebuild --to elasticsearch`"
            )
        state = read_state(self._cluster, self._alias)
        check_catalogue(self._alias, state, self._catalogue)
        refused = f", {len(state.refused)} chunks refused" if state.refused else ""
        return f"{what}, {name} ({health}) at change {state.sequence}{refused}"

    # -- inside ----------------------------------------------------------------------------------

    def _current(self) -> str | None:
        """The index behind the alias."""
        names = [name for name, aliases in self._maker.existing().items() if self._alias in aliases]
        if names:
            return names[-1]
        with self._cluster.searching() as client:
            if client.indices.exists(index=self._alias):
                raise IndexRefused(
                    f"{self._alias} at {self._cluster.hosts} is there and was not made by this program. Choose another elasticsearch.prefix, or remove it"
                )
        return None

    def _make_where_none_is(self) -> None:
        told = False
        while self._current() is None:
            with self._making() as mine:
                if mine:
                    if self._current() is None:
                        log.info("making the index %s", self._alias)
                        self._make()
                    return
            if not told:
                log.warning("another process is making the index %s; this one waits for it", self._alias)
                told = True
            time.sleep(0.25)

    @contextmanager
    def _making(self) -> Iterator[bool]:
        """Whether this process alone may make the index; as long as it lives, and not much longer."""
        name, done = f"{self._alias} making", threading.Event()

        def renew() -> None:
            while not done.wait(_MAKING_SECONDS / 4):
                with suppress(Unavailable):
                    self._catalogue.leases.renew(name, _MAKING_SECONDS)

        with self._catalogue.leases.hold(name, _MAKING_SECONDS) as mine:
            keeper = threading.Thread(target=renew, daemon=True)
            if mine:
                keeper.start()
            try:
                yield mine
            finally:
                done.set()
                if mine:
                    keeper.join()

    def _make(self) -> None:
        @contextmanager
        def caught_up(alias: str) -> Iterator[None]:
            mine = False
            while not mine:
                with self._catalogue.leases.hold(self._alias, _LEASE_SECONDS) as mine:
                    if mine:
                        while self._step(alias, read_state(self._cluster, alias), self._catalogue.documents.head()):
                            pass
                        yield
                if not mine:
                    time.sleep(_POLL_SECONDS)

        self._maker.make(caught_up)
        with self._lock:
            self._look()

    def _look(self) -> State:
        state = read_state(self._cluster, self._alias)
        if state != self._state:
            check_catalogue(self._alias, state, self._catalogue)
        self._state, self._looked = state, time.monotonic()
        return state

    def _follow_if_it_can(self, seconds: float | None) -> int:
        try:
            return self._follow(seconds)
        except _CannotWrite as problem:
            if self._behind != problem.message:
                log.warning("the index stays at change %d for now: %s", self.sequence, problem.message)
            self._behind = problem.message
            self._write_again = time.monotonic() + _WRITE_AGAIN_SECONDS
            return self.sequence

    def _follow(self, seconds: float | None) -> int:
        end = None if seconds is None else time.monotonic() + seconds
        head = self._catalogue.documents.head()
        if head == self._state.sequence and time.monotonic() < self._looked + _LOOK_AGAIN_SECONDS:
            return head
        if not self._lock.acquire(timeout=-1 if seconds is None else seconds):  # another thread of this process waits for the cluster, and perhaps for long
            return self._state.sequence
        try:
            while self._look().sequence < head:
                if end is not None and time.monotonic() > end:
                    log.warning("the index is at change %d of %d; searches do not wait for the rest", self._state.sequence, head)
                    break
                if end is not None and time.monotonic() < self._write_again:
                    break
                with self._catalogue.leases.hold(self._alias, _LEASE_SECONDS) as mine:
                    if mine:
                        self._step(self._alias, self._look(), head, retries=_RETRIES if end is None else 1, seconds=seconds)
                if not mine:
                    time.sleep(_POLL_SECONDS)
            else:
                self._behind = ""
            return self._state.sequence
        finally:
            self._lock.release()

    def _step(self, alias: str, state: State, head: int, *, retries: int = _RETRIES, seconds: float | None = None) -> bool:
        """Apply the next changes, have them searchable, and only then say so. Whether there were any."""
        until = min(head, state.sequence + STEP)
        if until <= state.sequence:
            return False
        limit = None if seconds is None else min(seconds, self._settings.write_seconds)
        documents = self._catalogue.documents
        changed = documents.changed_chunks(state.sequence, until)
        entries = {entry.chunk_id: entry for entry in documents.index_entries(self._embedder, changed)}
        operations = (put(entries[chunk_id], until) if chunk_id in entries else remove(chunk_id, until) for chunk_id in changed)
        try:
            refused = write(self._cluster, alias, operations, retries, limit)
            with self._cluster.writing(limit) as client:
                shards = client.indices.refresh(index=alias)["_shards"]
            if shards["failed"]:
                raise IndexUnavailable(f"{shards['failed']} parts of the index {alias} cannot show what was written yet")
            for chunk_id, why in refused.items():
                log.warning("chunk %s is not in the index: %s", chunk_id, why)
            kept = {chunk_id: why for chunk_id, why in state.refused.items() if chunk_id not in entries and chunk_id not in changed}
            write_state(self._cluster, alias, State(until, documents.mark(until), {**kept, **refused}), limit)
        except IndexUnavailable as problem:
            raise _CannotWrite(problem.message) from problem
        self._tell_missing(changed)
        return True

    def _tell_missing(self, changed: Sequence[str] | None = None) -> None:
        """Say once that chunks cannot be found because another model embedded them."""
        if not self._told and (missing := self._catalogue.documents.without_vectors(self._embedder, changed)):
            self._told = True
            log.warning("%d chunks are not found: another model embedded them. Ingest their files again, or set models.embedding back", missing)


class _CannotWrite(IndexUnavailable):
    """Searches may go on all the same."""


def _difference(entry: IndexEntry, there: Mapping[str, object]) -> str:
    wrong = {
        "groups": there.get("groups") != sorted(entry.groups),
        "validity": there.get("windows") != day_ranges(entry.windows),
        "vector": not np.allclose(np.array(there.get("vector"), np.float32), entry.vector, rtol=0, atol=1e-6),
        "words": there.get("tokens") != " ".join(index_tokens(entry.text)),
    }
    return ", ".join(name for name, is_wrong in wrong.items() if is_wrong)
