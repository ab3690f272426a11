"""The generation engine against PEFT: one request, and many."""

from __future__ import annotations

import statistics
import time
from functools import partial

from bench.both import Both, Job, opened
from bench.frame import Row, Spread, in_turn
from bench.service import Home

_REPEATS = 3
_CALLERS = 16


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with opened(home, limits) as both:
        return [_first_token(both), _single(both), *_eight(both), *_callers(both)]


def _first_token(both: Both) -> Row:
    """Nothing of the prompt was read before."""
    found = in_turn({"ours": lambda: both.write(Job(both.prompt(640), None), 1), "peer": lambda: both.peft([Job(both.prompt(640), None)], 1)}, repeats=_REPEATS)
    limit = both.multiplying(both.tokens(640))
    return both.row(
        "first token of one request of 640 tokens, base model", found["ours"], limit, peer_name="transformers' generate", peer=found["peer"], goal=2 * limit,
        note=f"{both.tokens(640)} tokens with the chat template; goal: twice what the matrix rate allows",
    )  # fmt: skip


def _single(both: Both) -> Row:
    job = Job(both.prompt(128), None)
    found = in_turn({"ours": partial(both.write, job, 65), "peer": partial(both.peft, [job], 65)}, repeats=_REPEATS)
    name = "64 tokens one after another, base model, 128 tokens of context"
    return both.row(name, found["ours"], both.reading(64), peer_name="transformers' generate", peer=found["peer"], times=2.5)


def _eight(both: Both) -> list[Row]:
    def apart() -> list[Job]:
        return [Job(both.prompt(640), number % 4) for number in range(8)]

    def together() -> list[Job]:
        prompt = both.prompt(640)
        return [Job(prompt, number % 4) for number in range(8)]

    rows = []
    for name, jobs, times, prompts in (
        ("8 requests of 640 + 64 tokens, 4 adapters, nothing shared", apart, 1.7, 8),
        ("the same about the same passages", together, 3, 1),
    ):
        found = in_turn({"ours": lambda: both.write_all(jobs(), 64), "peer": lambda: both.peft(jobs(), 64)}, repeats=1, warm_up=0)  # noqa: B023, run in here
        limit = both.reading(64) + prompts * both.multiplying(both.tokens(640))
        rows.append(both.row(name, found["ours"], limit, peer_name="PEFT adapter_names", peer=found["peer"], times=times, note="one run"))
    return rows


def _callers(both: Both) -> list[Row]:
    jobs = [Job(both.prompt(640, about=number % 4), number % 4) for number in range(_CALLERS)]
    started = time.perf_counter()
    first = both.write_all(jobs, 32)
    ours = time.perf_counter() - started
    peers_first, started = [], time.perf_counter()
    for job in jobs:
        waited = time.perf_counter() - started
        peers_first.append(waited + both.peft([job], 32))
    peer = time.perf_counter() - started
    least = both.reading(2 * 32) + 4 * both.multiplying(both.tokens(640))
    name, sequence = f"{_CALLERS} callers, 640 + 32 tokens, 4 adapters, 4 sets of passages", "transformers + PEFT in sequence"
    return [
        both.row(f"{name}: all done", Spread.of([ours]), least, peer_name=sequence, peer=Spread.of([peer]), times=4, note="one run, nothing read before"),
        both.row(
            f"{name}: first token, p95",
            Spread.of([_p95(first)]),
            4 * both.multiplying(both.tokens(640)),
            peer_name=sequence,
            peer=Spread.of([_p95(peers_first)]),
        ),
    ]


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
