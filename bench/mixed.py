"""Eight rows in a batch: with different adapters, with adapters of different ranks and modules, and what changing the adapter costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from bench.both import RANK, Both, Job, at_once, opened
from bench.frame import Row, Spread
from bench.random_adapters import ALL_LINEAR, ATTENTION, QUERY_VALUE
from bench.service import Home
from core.types import AdapterRef
from engines.generation.decoder import Span

_ROWS = 8
_STEPS = 16
_REPEATS = 3
_RANKS = (4, 8, 16, 32, 64)
_TARGETS = {"q, v": QUERY_VALUE, "q, k, v, o": ATTENTION, "all linear layers": ALL_LINEAR}
#: of a switch: how often each adapter follows itself and another one, and in how many groups that is done, each of which gives a median
_PAIRS, _GROUPS = 40, 7


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with opened(home, limits) as both:
        rows = [*_adapters(both), *_curve(both)]
        both.ours.close()  # from here on its model is ours alone
        return [*rows, _switch(both, limits)]


def _adapters(both: Both) -> list[Row]:
    prompts = [both.prompt(128) for _ in range(_ROWS)]
    runs: dict[str, Callable[[int], object]] = {}
    for different in (0, 1, 2, 4, 8):
        jobs = [Job(prompt, number % different if different else None) for number, prompt in enumerate(prompts)]
        runs[f"ours {different}"] = partial(both.write_all, jobs)
        runs[f"peer {different}"] = partial(both.peft, jobs)
    found = milliseconds(runs)
    least = 1000 * both.reading()
    note = f"rank {RANK} on q, k, v, o; {_STEPS} steps behind prompts of 128 tokens that were read before"
    rows = []
    for different in (0, 1, 2, 4, 8):
        name = "a step of 8 rows, " + (f"{different} adapter{'s' if different > 1 else ''}" if different else "base model")
        times = 1.5 if different == 8 else None
        ours, peer = found[f"ours {different}"], found[f"peer {different}"]
        rows.append(both.row(name, ours, least, unit="ms", peer_name="PEFT adapter_names", peer=peer, times=times, note=note))
    one, base = found["ours 1"], found["ours 0"]
    return [
        *rows,
        both.row(
            "a step of 8 rows, 8 adapters against one", found["ours 8"], least, unit="ms", peer_name="ours with one adapter", peer=one,
            goal=1.1 * one.median, note="the figures from above; goal: within 10%",
        ),
        both.row(
            f"a step of 8 rows, rank {RANK} on q, k, v, o against the bare base", one, least, unit="ms", peer_name="ours, base model", peer=base,
            goal=base.median / 0.9, note="the figures from above; goal: 0.9 of its speed",
        ),
    ]  # fmt: skip


def _curve(both: Both) -> list[Row]:
    prompts = [both.prompt(128) for _ in range(_ROWS)]

    def writing(adapter: AdapterRef) -> Callable[[int], object]:
        return lambda tokens: at_once(both.ours, [(prompt, adapter) for prompt in prompts], tokens)

    runs = {
        f"a step of 8 rows, one adapter of rank {rank} on {name}": writing(both.adapter(rank, targets)) for name, targets in _TARGETS.items() for rank in _RANKS
    }
    return [both.row(name, spread, 1000 * both.reading(), unit="ms") for name, spread in milliseconds(runs).items()]


def milliseconds(runs: Mapping[str, Callable[[int], object]], *, repeats: int = _REPEATS, now: Callable[[], float] = time.perf_counter) -> dict[str, Spread]:
    """Of one step of each: a run is told how many tokens to write, and what the first one takes is taken off. All in turn; the first round warms up,
    and so does a token before each: an adapter that had to make room for others is read again."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(1 + repeats):
        for name, run in runs.items():
            run(1)
            started = now()
            run(1)
            middle = now()
            run(1 + _STEPS)
            ended = now()
            if round_number:
                found[name].append(1000 * ((ended - middle) - (middle - started)) / _STEPS)
    return {name: Spread.of(values) for name, values in found.items()}


def _switch(both: Both, limits: dict[str, float]) -> Row:
    """Steps of one token at the same place with eight resident adapters, A A B B C C ...: every second one follows another adapter."""
    decoder = both.ours._decoder
    adapters = [both.ours._adapters.get(adapter) for adapter in both.adapters]
    context = list(range(1000, 1128))
    place = len(context)

    def step(number: int) -> float:
        started = time.perf_counter()
        decoder.step([Span(0, place, [1000], adapters[number % len(adapters)])])
        return 1000 * (time.perf_counter() - started)

    with torch.inference_mode():
        decoder.reserve(1, 256)
        decoder.step([Span(0, 0, context)])
        for number in range(len(adapters)):
            step(number)
        groups: list[Sequence[float]] = []
        for _ in range(_GROUPS):
            after_another, after_itself = zip(*((step(number), step(number)) for number in range(_PAIRS)), strict=True)
            groups.append((statistics.median(after_another), statistics.median(after_itself)))
        decoder.reserve(0, 0)
    stay = statistics.median(after_itself for _, after_itself in groups)
    copied = 1000 * adapters[0].nbytes / (limits["memory_gb_per_s"] * 1e9)
    return Row(
        "change of the adapter between two steps", "ms", Spread.of([after_another - after_itself for after_another, after_itself in groups]), goal=0.2,
        note=f"{len(adapters)} resident adapters of rank {RANK}; a step of one token takes {stay:.2f} ms when its adapter was the last one's too; the medians of {_GROUPS} groups of "
        f"{_PAIRS} of each; reading the adapter's weights once takes {copied:.2f} ms; {both.mode}",
    )  # fmt: skip
