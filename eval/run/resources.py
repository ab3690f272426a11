"""What a run takes of this process: memory at most, and what requests waited for their adapters."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from core.ports import AdapterWaits, GeneratorLoad
from eval.run.document import Resources

#: of Linux alone
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc_pid_clear_refs(5)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_KIB = 1024

ELSEWHERE = Resources(reason="a service answered: its memory and its adapters are not this process's to measure")
_SERVER = Resources(reason="a generation server holds the model and its adapters: its memory is not this process's to measure")


def forget_peak() -> None:
    """Measure memory at most from here on, so that taking in the documents does not count. Where the system does not let, all since the start counts."""
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)


def taken(now: GeneratorLoad, before: GeneratorLoad) -> Resources:
    """Since :func:`forget_peak` and a generator's earlier ``load_now``."""
    if now.server is not None:
        return _SERVER
    waits = None if now.adapters is None else now.adapters.since(before.adapters or AdapterWaits())
    peak = peak_mib()
    return Resources(
        peak_mib=peak,
        adapter_loads=waits.loads if waits else None,
        adapter_load_seconds=round(waits.load_seconds, 6) if waits else None,
        adapter_uses=waits.uses if waits else None,
        adapter_use_seconds=round(waits.use_seconds, 6) if waits else None,
        reason="" if peak is not None else "this system does not tell a process's memory at most",
    )


def peak_mib() -> float | None:
    """Resident memory of this process at most, in MiB; None where the system does not tell."""
    try:
        found = _PEAK.search(_STATUS.read_text("ascii"))
    except OSError:
        return None
    return round(int(found[1]) / _KIB, 1) if found else None


def together(first: Resources | None, second: Resources) -> Resources:
    """Of two stretches of one run: the higher peak, and the sum of what was waited."""
    if first is None:
        return second
    names = ("adapter_loads", "adapter_load_seconds", "adapter_uses", "adapter_use_seconds")
    sums = {name: None if None in pair else round(sum(pair), 6) for name in names if (pair := (getattr(first, name), getattr(second, name)))}
    peaks = [one.peak_mib for one in (first, second) if one.peak_mib is not None]
    return Resources(peak_mib=max(peaks, default=None), reason=first.reason or second.reason, **sums)
