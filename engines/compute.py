"""How this machine computes: number format and threads."""

from __future__ import annotations

import ctypes
import os
import time
from functools import cache
from typing import Any, Literal

Dtype = Literal["float32", "bfloat16"]


def prepare(threads: int) -> None:
    """Set torch's threads (0: all cores) and have it take large pages, which saves a third of the time of fresh memory."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch when it is first imported
    # threads of torch's operations that wait for one another sleep soon: where anything else wants the processor, one that spins keeps from it the very
    # thread that it waits for
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import torch

    if threads:
        torch.set_num_threads(threads)


def give_back() -> None:
    """Have the C library return memory that it keeps for later: what a crowd needed would stay with the process (malloc_trim(3), glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def torch_dtype(setting: str) -> Any:
    """The torch dtype of a setting; ``auto`` is what multiplies matrices faster here.

    bf16 is 2.5 times faster on some CPUs and half as fast on others, and no feature flag tells which.
    """
    import torch

    return getattr(torch, _faster() if setting == "auto" else setting)


def generation_dtype(setting: str) -> Any:
    """The torch dtype that the generation model is loaded in: ``auto`` is bf16 wherever its steps are compiled."""
    import torch

    from engines.generation.compiled_forward import missing

    if setting == "auto" and missing() is None:
        return torch.bfloat16
    return torch_dtype(setting)


def number_format(setting: str) -> str:
    """The name of what :func:`generation_dtype` gives."""
    return str(generation_dtype(setting)).removeprefix("torch.") if setting == "auto" else setting


@cache
def _faster() -> Dtype:
    import torch

    if torch.cuda.is_available():
        return "bfloat16"
    seconds: dict[Dtype, float] = {}
    kinds: tuple[Dtype, Dtype] = ("float32", "bfloat16")
    for name in kinds:
        left = torch.randn(256, 576).to(getattr(torch, name))
        right = torch.randn(1536, 576).to(getattr(torch, name))
        runs = []
        for _ in range(12):
            start = time.perf_counter()
            torch.nn.functional.linear(left, right)
            runs.append(time.perf_counter() - start)
        seconds[name] = sorted(runs)[len(runs) // 2]
    return "bfloat16" if seconds["bfloat16"] < 0.9 * seconds["float32"] else "float32"
