"""Adapters in memory, and what was waited for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import pytest

from core.errors import Unavailable
from core.types import AdapterRef
from engines.generation.lora import ReadyAdapter
from engines.generation.resident import ResidentAdapters


@dataclass(frozen=True)
class Ready:
    digest: str
    activated: bool = False
    nbytes: int = 10


def ref(name: str) -> AdapterRef:
    return AdapterRef(name, 1, f"adapters/{name}", name)


def test_what_is_read_and_what_is_there_is_told_apart() -> None:
    adapters = ResidentAdapters(lambda one: Ready(one.digest), 20)
    for name in ("a", "b", "a", "c", "a", "b"):  # c pushes b out
        adapters.get(ref(name))
    waits = adapters.waits
    assert (waits.loads, waits.uses) == (4, 2)
    assert waits.load_seconds > 0 < waits.use_seconds
    adapters.get(ref("b"))
    since = adapters.waits.since(waits)
    assert (since.loads, since.load_seconds, since.uses) == (0, 0, 1)
    assert adapters.dropped() == ["b", "c"]


def test_whoever_waits_for_another_s_reading_waited_for_a_reading() -> None:
    reading, looked = threading.Event(), threading.Event()

    class Seen(OrderedDict[str, ReadyAdapter]):
        def __contains__(self, digest: object) -> bool:
            found = super().__contains__(digest)
            if reading.is_set():  # by the other one
                looked.set()
            return found

    def load(one: AdapterRef) -> Ready:
        reading.set()
        assert looked.wait(60)
        return Ready(one.digest)

    adapters = ResidentAdapters(load, 20)
    adapters._loaded = Seen()
    threads = [threading.Thread(target=adapters.get, args=(ref("a"),)) for _ in range(2)]
    threads[0].start()
    assert reading.wait(60)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert (adapters.waits.loads, adapters.waits.uses) == (2, 0)


def test_one_that_cannot_be_read_is_not_counted() -> None:
    def load(_: AdapterRef) -> Ready:
        raise Unavailable("changed", code="adapter_changed")

    adapters = ResidentAdapters(load, 20)
    with pytest.raises(Unavailable):
        adapters.get(ref("a"))
    assert (adapters.waits.loads, adapters.waits.uses) == (0, 0)
