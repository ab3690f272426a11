"""What the check of sentences sees: every sentence of a passage that answers a question, offered in the right one's place. No model takes part.

On banks that nobody saw, and on third-party questions (SQuAD 2.0 in English, CMRC2018 in Chinese).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from assistant.sentence_check import check, corrected
from core.text.places import place_of
from core.text.sentences import sentences
from core.types import Passage
from eval.pieces import asked_of, sections
from eval.reading import SETS

_THIRD_PARTY = ("squad2", "cmrc2018")
_SEED = 5


@dataclass
class Counts:
    """Answers, how many of them were refused, and how many of their sentences, quoted whole, were replaced by a wrong one; wrong sentences quoted whole,
    how many were seen, and of those corrected to one that holds the answer and to another wrong one."""

    right: int = 0
    refused: int = 0
    spoilt: int = 0
    wrong: int = 0
    seen: int = 0
    mended: int = 0
    missed: int = 0

    def add(self, question: str, passage: Passage, accepted: Sequence[str]) -> None:
        """Offer the answer and every sentence of the passage that does not hold it; a passage in which none holds it is left out."""
        spans = list(dict.fromkeys(span.text for span in sentences(passage.text)))
        answer = next((one for one in accepted if any(place_of(one, text) >= 0 for text in spans)), None)
        if answer is None:
            return
        right = {text for text in spans if any(place_of(one, text) >= 0 for one in accepted)}
        corrections = {text: corrected(text, passage, question) for text in spans}
        self.right += 1
        self.refused += not check(answer, [passage], question).passed
        self.spoilt += all((other := corrections[text]) is not None and other.text not in right for text in right)
        for text in spans:
            if text not in right:
                correction = corrections[text]
                self.wrong += 1
                self.seen += not check(text, [passage], question).passed
                self.mended += correction is not None and correction.text in right
                self.missed += correction is not None and correction.text not in right


def count_banks(seeds: Sequence[int]) -> dict[str, Counts]:
    """The counts per language over the running text of some banks' documents."""
    counts = {"bank, en": Counts(), "bank, zh": Counts()}
    for question, passage in asked_of(seeds, partial(sections, tables=False)):
        counts[f"bank, {question.language}"].add(question.ask, passage, question.answer)
    return counts


def count_third_party(data: Path, count: int) -> dict[str, Counts]:
    """The same of the passages of third-party questions; the folder is the one of :func:`eval.table.third_party`."""
    counts: dict[str, Counts] = {}
    for name in _THIRD_PARTY:
        place, load = SETS[name]
        counts[name] = Counts()
        for item in load(data / place, count, _SEED):
            for number in item.gold:
                counts[name].add(item.question, item.shown[number - 1], item.answers)
    return counts
