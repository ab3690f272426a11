"""The generation engine against the strongest engines of others that run on such a machine: the same prompts, threads and numbers of tokens, greedy.

An engine takes part when its variable says where it is (CONTRIBUTING.md: how each is installed). Ours and the peer run in turn, one peer after another, so
that no two peers share the machine. Nothing is shared between prompts, and the peers read each prompt anew.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from itertools import starmap
from pathlib import Path

from bench.frame import Row, Spread, in_turn
from bench.limits import answer_limit
from bench.outside.ours import ADAPTERS, Asked, Ours
from bench.outside.peers import KNOWN, Known, Peer, Setup
from bench.service import Home
from core.settings import Settings

_REPEATS = 3
_REQUESTS = 8
_CONTEXT, _LONG, _WRITTEN = 128, 640, 64  # tokens


def absent() -> list[str]:
    """Variables that say nothing: the engines behind them take no part."""
    return sorted({known.variable for known in KNOWN} - {known.variable for known in present()})


def present() -> list[Known]:
    return [known for known in KNOWN if os.environ.get(known.variable)]


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    """Three rows for each engine that was given.

    Raises:
        RuntimeError: none was given, or one does not start.
    """
    if not present():
        raise RuntimeError(f"no outside engine to measure against: set {' or '.join(absent())} (CONTRIBUTING.md)")
    settings = Settings(home=home.folder)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(settings, Path(folder))
        try:
            cache = settings.home / "cache" / "outside"
            cache.mkdir(exist_ok=True)
            setup = Setup(ours.model, [Path(adapter.path) for adapter in ours.adapters], ours.threads, cache)
            asked = ours.requests(_LONG, _REQUESTS)
            expected = ours.expected(asked, _WRITTEN)
            rows = [row for known in present() for row in _against(known, setup, ours, asked, expected, limits)]
        finally:
            ours.close()
    if left_out := absent():
        rows[-1] = replace(rows[-1], note=f"{rows[-1].note}; left out in this run, not set: {', '.join(left_out)}")
    return rows


def _against(known: Known, setup: Setup, ours: Ours, asked: list[Asked], expected: list[str], limits: dict[str, float]) -> list[Row]:
    with known.start(Path(os.environ[known.variable]), setup) as peer:
        wrote = [ours.text(tokens) for tokens in peer(list(starmap(ours.job, asked)), _WRITTEN)]
        formats = f"ours in {ours.format}, {known.name}, {ours.threads} threads"
        equal = f"texts as transformers and PEFT write them in float32: ours {_equal(ours.write(asked, _WRITTEN), expected)}, peer {_equal(wrote, expected)}"
        single = _decoding(ours, peer)
        first = _seconds(ours, peer, _LONG, 1, 1)
        eight = _seconds(ours, peer, _LONG, _REQUESTS, _WRITTEN)

    def limit(prompt: int, written: int) -> float:
        return round(answer_limit(limits, ours.body, ours.head, prompt, written), 4)

    def row(name: str, found: dict[str, Spread], least: float, times: float | None, note: str) -> Row:
        goal = None if times is None else round(found["peer"].median / times, 4)
        return Row(f"{name}, against {known.name}", "s", found["ours"], known.name, found["peer"], limit=least, goal=goal, note=note)

    return [
        row(f"{_WRITTEN} tokens one after another, base model, {_CONTEXT} tokens of context", single, limit(0, _WRITTEN), known.least, formats),
        row(f"first token of {_LONG} tokens, base model", first, limit(_LONG, 1), None, formats),
        row(f"{_REQUESTS} requests of {_LONG} + {_WRITTEN} tokens, {ADAPTERS} adapters", eight, limit(_REQUESTS * _LONG, _WRITTEN), 1, f"{formats}; {equal}"),
    ]


def _seconds(ours: Ours, peer: Peer, tokens: int, requests: int, written: int) -> dict[str, Spread]:
    """All of the requests at once, on prompts that nobody has seen."""
    return in_turn(
        {
            "ours": lambda: ours.write(ours.requests(tokens, requests), written),
            "peer": lambda: peer(list(starmap(ours.job, ours.requests(tokens, requests))), written),
        },
        repeats=_REPEATS,
    )


def _decoding(ours: Ours, peer: Peer) -> dict[str, Spread]:
    """What the tokens after the first one take: an answer less the reading of its prompt."""
    whole, first = (_seconds(ours, peer, _CONTEXT, 1, written) for written in (1 + _WRITTEN, 1))
    return {side: Spread(*(value - first[side].median for value in (whole[side].median, whole[side].low, whole[side].high))) for side in whole}


def _equal(texts: list[str], expected: list[str]) -> str:
    """How many begin with what was to be written; the engines go on after its end, as they were told."""
    return f"{sum(text.startswith(wanted) for text, wanted in zip(texts, expected, strict=True))} of {len(expected)}"
