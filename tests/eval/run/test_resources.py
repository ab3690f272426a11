"""What a run takes of this process."""

from __future__ import annotations

import mmap
import sys
from dataclasses import replace

import pytest

from core.ports import AdapterWaits, GeneratorLoad, ServerLoad
from eval.run.document import Resources
from eval.run.resources import forget_peak, peak_mib, taken, together

NOTHING = GeneratorLoad(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_peak_is_that_of_the_run_and_of_real_pages() -> None:
    # from the system itself: what malloc gave back once it may give again, and then nothing is added
    with mmap.mmap(-1, 96 * 2**20) as gone:
        gone.write(bytes(96 * 2**20))
    forget_peak()
    before = peak_mib()
    assert before is not None
    with mmap.mmap(-1, 64 * 2**20) as there:
        for at in range(0, len(there), mmap.PAGESIZE):
            there[at] = 1
        after = peak_mib()
    assert after is not None
    assert 40 <= after - before <= 80  # other threads of these tests come and go


def test_waits_are_those_since_the_run_began() -> None:
    before = replace(NOTHING, adapters=AdapterWaits(2, 1.5, 7, 0.002))
    found = taken(replace(NOTHING, adapters=AdapterWaits(3, 2.0, 10, 0.003)), before)
    assert (found.adapter_loads, found.adapter_load_seconds, found.adapter_uses, found.adapter_use_seconds) == (1, 0.5, 3, 0.001)
    assert (found.peak_mib is None) is (sys.platform != "linux")


def test_a_generator_elsewhere_is_not_measured() -> None:
    found = taken(replace(NOTHING, server=ServerLoad(0, 0, 0, 0, 0, 0, 0.0, False)), NOTHING)
    assert (found.peak_mib, found.adapter_loads) == (None, None)
    assert found.reason.startswith("a generation server")
    assert taken(NOTHING, NOTHING).adapter_loads is None  # one without adapters


def test_two_stretches_of_a_run_make_one() -> None:
    first = Resources(peak_mib=900.0, adapter_loads=2, adapter_load_seconds=1.5, adapter_uses=10, adapter_use_seconds=0.01)
    second = Resources(peak_mib=700.0, adapter_loads=1, adapter_load_seconds=0.25, adapter_uses=3, adapter_use_seconds=0.002)
    assert together(None, second) == second
    assert together(first, second) == Resources(peak_mib=900.0, adapter_loads=3, adapter_load_seconds=1.75, adapter_uses=13, adapter_use_seconds=0.012)
    assert together(Resources(reason="why"), Resources(reason="why")) == Resources(reason="why")
