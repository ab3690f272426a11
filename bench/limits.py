"""What this machine can do at best: the figures that no program beats."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from engines.compute import generation_dtype

_RUNS = 7


def measure() -> dict[str, float]:
    """Memory bandwidth in GB/s (reading 512 MB), and in the number format that the service takes here the bytes of a weight and the matrix rate in
    GFLOP/s (1,024 rows by the model's widest layer)."""
    dtype = generation_dtype("auto")
    data = torch.ones(128 * 1024 * 1024, dtype=torch.float32)
    read = _fastest(lambda: data.sum())
    left, right = torch.randn(1024, 576).to(dtype), torch.randn(1536, 576).to(dtype)
    multiplied = _fastest(lambda: torch.nn.functional.linear(left, right))
    return {
        "memory_gb_per_s": round(data.nbytes / read / 1e9, 1),
        "matrix_gflop_per_s": round(2 * left.shape[0] * right.numel() / multiplied / 1e9, 1),
        "bytes_per_weight": dtype.itemsize,
    }


def _fastest(run: Callable[[], object]) -> float:
    run()
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def answer_limit(limits: dict[str, float], body: int, head: int, prompt_tokens: int, answer_tokens: int) -> float:
    """Seconds: every prompt token multiplies by every weight of the body once, every answer token reads all weights once, those of the head too."""
    multiplied = 2 * body * prompt_tokens / (limits["matrix_gflop_per_s"] * 1e9)
    return multiplied + limits["bytes_per_weight"] * (body + head) * answer_tokens / (limits["memory_gb_per_s"] * 1e9)
