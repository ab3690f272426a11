"""Which questions a run asks, in which order, and what that will cost."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eval.run.arms import applies, in_order
from eval.suite.item import Item


class Job(NamedTuple):
    """One call."""

    item: Item
    arm: str
    rep: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.item.id, self.arm, self.rep


def sample(items: Sequence[Item], limit: int | None, seed: int) -> tuple[Item, ...]:
    """So many items, in their order: of each task and language as many as its share (largest remainders), drawn by the seed. The same for the same seed."""
    if limit is None or limit >= len(items):
        return tuple(items)
    strata: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        strata[f"{item.task} {item.lang}"].append(item)
    shares = {name: limit * len(found) / len(items) for name, found in strata.items()}
    counts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(strata, key=lambda name: (counts[name] - shares[name], name))
    for name in by_remainder[: limit - sum(counts.values())]:
        counts[name] += 1
    chosen = {item.id for name, found in strata.items() for item in random.Random(f"{seed} {name}").sample(found, counts[name])}
    return tuple(item for item in items if item.id in chosen)


def jobs(items: Sequence[Item], arms: Sequence[str], reps: int) -> Iterator[Job]:
    """All calls: an item's arms side by side, those that read the same first, and items of one caller together, since what was read for one caller is used for
    no other."""
    ordered = in_order(arms)
    for item in sorted(items, key=lambda one: sorted(one.caller.groups)):
        for rep in range(reps):
            for arm in ordered:
                if applies(arm, item):
                    yield Job(item, arm, rep)


def left_out(items: Sequence[Item], arms: Sequence[str]) -> dict[str, int]:
    """How many items each arm says nothing of."""
    counts = Counter(arm for item in items for arm in arms if not applies(arm, item))
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of what is still to be answered. ``prompt_tokens`` are counted for some items by the model's tokenizer and taken for all; the model reads fewer, since
    what arms have in common is read once. ``seconds`` is None where nothing is known yet."""

    answers: Mapping[str, int]
    prompt_tokens: int | None
    most_completion_tokens: int
    seconds: float | None
    source: str

    @property
    def document(self) -> dict[str, Any]:
        return {
            "answers": dict(self.answers),
            "total": sum(self.answers.values()),
            "prompt_tokens": self.prompt_tokens,
            "most_completion_tokens": self.most_completion_tokens,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "seconds_from": self.source,
        }
