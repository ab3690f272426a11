"""Adapters in memory: read from disk at first use, on the thread of whoever asks, so that the engine never waits for a file."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from core.ports import AdapterWaits
from core.types import AdapterRef
from engines.generation.lora import ReadyAdapter

log = logging.getLogger(__name__)


class ResidentAdapters:
    """Bounded by bytes; those longest unused go. A request that runs holds its own adapter, whatever is dropped here."""

    def __init__(self, load: Callable[[AdapterRef], ReadyAdapter], limit_bytes: int) -> None:
        self._load = load
        self._limit = limit_bytes
        self._loaded: OrderedDict[str, ReadyAdapter] = OrderedDict()
        self._lock = threading.Lock()
        self._dropped: SimpleQueue[str] = SimpleQueue()
        self._waits = AdapterWaits()

    @property
    def waits(self) -> AdapterWaits:
        """What :meth:`get` has taken until now."""
        return self._waits

    def get(self, adapter: AdapterRef) -> ReadyAdapter:
        """The adapter with these weights.

        Raises:
            Unavailable: it cannot be used; what was there before stays.
        """
        started = time.perf_counter()
        is_there = adapter.digest in self._loaded  # before it waits, perhaps for somebody else's reading
        with self._lock:
            if adapter.digest not in self._loaded:
                self._loaded[adapter.digest] = self._load(adapter)
                log.info("adapter %s loaded", adapter)
            self._loaded.move_to_end(adapter.digest)
            while len(self._loaded) > 1 and sum(one.nbytes for one in self._loaded.values()) > self._limit:
                self._dropped.put(self._loaded.popitem(last=False)[0])
            seconds, known = time.perf_counter() - started, self._waits
            if is_there:
                self._waits = replace(known, uses=known.uses + 1, use_seconds=known.use_seconds + seconds)
            else:
                self._waits = replace(known, loads=known.loads + 1, load_seconds=known.load_seconds + seconds)
            return self._loaded[adapter.digest]

    def dropped(self) -> list[str]:
        """Digests of those that went since the last call."""
        found = []
        while True:
            try:
                found.append(self._dropped.get_nowait())
            except Empty:
                return found
