"""What the checks make of answers that adapters wrote to third-party questions: right and wrong ones before, and those that leave after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.ground import CORRECTION, Checker
from core.errors import BadInput
from eval.metrics import contains_answer
from eval.reading import ReadingItem


@dataclass
class Counts:
    """Answers that hold an accepted one and those that do not, refusals of the model left out; after the checks right ones that leave, how many of them
    corrected, and wrong ones."""

    right: int = 0
    wrong: int = 0
    right_after: int = 0
    corrected: int = 0
    wrong_after: int = 0

    def add(self, item: ReadingItem, answer: str, citations: Sequence[int]) -> None:
        """Check one answer as the service does; more than one sentence counts as one."""
        sentence = Checker(item.shown, item.question).check(answer + "".join(f" [{number}]" for number in citations))
        before, after = contains_answer(answer, item.answers), contains_answer(sentence.text, item.answers)
        self.right += before
        self.wrong += not before
        self.right_after += sentence.passed and after
        self.wrong_after += sentence.passed and not after
        self.corrected += sentence.passed and after and sentence.checks[-1].name == CORRECTION


def count(path: Path, sets: Mapping[str, Sequence[ReadingItem]]) -> dict[tuple[str, str], Counts]:
    """The counts per set and arm of a file that ``eval adapters --answers`` wrote; answers to other sets are passed over.

    Raises:
        BadInput: the file is not there or no such file, or has an answer to a question that the sets do not have.
    """
    items = {(name, item.id): item for name, some in sets.items() for item in some}
    counts: dict[tuple[str, str], Counts] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            entry: Any = json.loads(line)
            name, refused, key = entry["set"], entry["refused"], entry["id"]
            answer, citations, arm = str(entry["answer"]), [int(one) for one in entry["citations"]], str(entry["arm"])
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"line {number} of {path} is no answer as `eval adapters --answers` writes them", param="ANSWERS") from None
        if name in sets and not refused:
            if (name, key) not in items:
                raise BadInput(
                    f"line {number} of {path} answers question {key!r}, which is not among those of {name}; give the --count of that run", param="ANSWERS"
                )
            counts.setdefault((name, arm), Counts()).add(items[name, key], answer, citations)
    return counts


def _lines(path: Path) -> Iterable[str]:
    try:
        return path.read_text("utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", param="ANSWERS") from None
