"""Does the answer cite the passage that the question is about?

The yearly rent of a deposit box is in no list of term deposit rates, though that is a passage with "deposit" and "large" in it. Where another passage that
the model was shown holds more of the question's words and figures, title and headings included, than any that the answer cites, it is not supported.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.asked import Asked, source_text
from core.types import Check, Passage

NAME = "passage"
#: so many more of the question's words make another passage the one that was asked about
_MORE = 2


def check(cited: Sequence[Passage], shown: Sequence[Passage], question: str) -> Check:
    """Passes where nothing is cited, and where what is cited holds about as much of the question as any passage that was shown."""
    if not cited:
        return Check(NAME, True, "no passage is cited")
    mine = max((_held(passage, question) for passage in cited), key=len)
    other = max(shown, key=lambda passage: len(_held(passage, question)))
    best = _held(other, question)
    if len(best) < len(mine) + _MORE:
        return Check(NAME, True, "no other passage fits the question better")
    return Check(NAME, False, f"another passage, of {other.title}, has {', '.join(sorted(best - mine))} of the question")


def best(shown: Sequence[Passage], question: str) -> Passage | None:
    """The one passage that holds most of the question; None where two hold as much."""
    held = [len(_held(passage, question)) for passage in shown]
    most = [passage for passage, count in zip(shown, held, strict=True) if count == max(held)]
    return most[0] if len(most) == 1 else None


def _held(passage: Passage, question: str) -> frozenset[str]:
    return Asked.read(question, passage).held_by(source_text(passage))
