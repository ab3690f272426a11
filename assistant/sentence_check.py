"""Does an answer out of running text stand in the sentence that the question is about?

A wrong clause is the mistake that no other check sees: what is quoted stands in the cited passage to the letter, and answers another
question. Where another sentence of the passage holds clearly more of the question's words and figures than the one that the answer
was taken from, the answer is not supported. Words of the title and the headings count for neither: they are about all its sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assistant.asked import Asked
from assistant.correction import Correction
from core.text.places import place_of
from core.text.sentences import sentences
from core.text.tables import BETWEEN_CELLS
from core.types import Check, Passage

NAME = "sentence"
#: so many more of the question's words make another sentence the one that was asked about
_REFUSED = 2
#: and so many that it may stand in the answer's place. A right answer would be spoilt where only refusing it was called for
_CORRECTED = 3


def check(text: str, cited: Sequence[Passage], question: str) -> Check:
    """Passes a text that stands in no sentence to the letter, in a table's row, or in a sentence that fits the question about as well as any other."""
    words = text.strip().rstrip(".。")
    problems: list[str] = []
    for passage in cited:
        asked = Asked.read(question, passage)
        holding = [span.text for span in sentences(passage.text) if place_of(words, span.text) >= 0]
        if not words or not holding or any(BETWEEN_CELLS in line for line in holding):
            continue
        mine = max((asked.named_by(line) for line in holding), key=len)
        best = max((asked.named_by(line) for line in _running_text(passage)), key=len)
        if len(best) < len(mine) + _REFUSED:
            return Check(NAME, True, "in a sentence that the question fits")
        problems.append(f"another sentence of the passage has {', '.join(sorted(best - mine))} of the question")
    return Check(NAME, False, problems[0]) if problems else Check(NAME, True, "not a sentence's words to the letter")


def corrected(text: str, cited: Passage, question: str) -> Correction | None:
    """The one sentence that fits the question best, by far, for another one that was quoted whole. None where two fit equally, or a part was quoted."""
    words = text.strip().rstrip(".。")
    asked = Asked.read(question, cited)
    held = {line: len(asked.named_by(line)) for line in _running_text(cited)}
    quoted = next((line for line in held if line.rstrip(".。") == words), None)
    best = [line for line, count in held.items() if count == max(held.values())]
    if quoted is None or len(best) != 1 or held[best[0]] < held[quoted] + _CORRECTED:
        return None
    return Correction(best[0], f"the model quoted '{quoted}'; corrected to the sentence of the passage that the question fits")


def _running_text(passage: Passage) -> Iterator[str]:
    return (span.text for span in sentences(passage.text) if BETWEEN_CELLS not in span.text)
