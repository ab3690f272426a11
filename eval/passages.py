"""What the checks of passages and of kinds see, on third-party questions of which each has its passage among two distractors. No model takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant import kind_check, passage_check
from eval.reading import SETS, ReadingItem

_SEED = 5


@dataclass
class Counts:
    """Questions and how many of them were refused though the right passage is cited; distractors cited instead, and how many were seen;
    right answers of which the kind was judged, and how many of them were refused."""

    right: int = 0
    refused: int = 0
    wrong: int = 0
    seen: int = 0
    judged: int = 0
    kinds_refused: int = 0

    def add(self, item: ReadingItem) -> None:
        """Cite each passage in turn."""
        for passage in item.shown if item.answers else ():
            failed = not passage_check.check([passage], item.shown, item.question).passed
            if passage.rank in item.gold:
                self.right += 1
                self.refused += failed
            else:
                self.wrong += 1
                self.seen += failed
        for answer in item.answers[:1]:
            found = kind_check.check(answer, item.question)
            self.judged += found.detail == kind_check.RIGHT or not found.passed
            self.kinds_refused += not found.passed


def count(data: Path, questions: int, names: Sequence[str] = tuple(SETS)) -> dict[str, Counts]:
    """The counts per set; the folder is the one of :func:`eval.table.third_party`."""
    counts: dict[str, Counts] = {}
    for name in names:
        place, load = SETS[name]
        counts[name] = Counts()
        for item in load(data / place, questions, _SEED):
            counts[name].add(item)
    return counts
