"""Which document is asked about: a few again and again, most of them seldom, as Zipf found of words."""

from __future__ import annotations

import random


def draw(count: int, documents: int, exponent: float, seed: int) -> list[int]:
    """``count`` numbers of documents from 0 on. Document k is asked about in proportion to 1 / (k + 1) ** exponent."""
    weights = [1 / (number + 1) ** exponent for number in range(documents)]
    return random.Random(seed).choices(range(documents), weights, k=count)


def goal(seconds_without: float, hit_rate: float, share: float) -> float:
    """Seconds at most with a cache that spares the share ``hit_rate`` of all tokens, if it is to reach a share of what that could save: 1 / (1 - hit rate) times faster."""
    return seconds_without * (1 - hit_rate) / share
