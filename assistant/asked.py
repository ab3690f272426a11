"""What a question names: its words and figures, and which of them a passage, or a piece of one, holds."""

from __future__ import annotations

from dataclasses import dataclass

from core.text.language import HAN
from core.text.numbers import Quantity, quantities, states
from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.types import Passage

#: more figures than a question has; a text of nothing else shall not keep the checks busy
_FIGURES = 32


def source_text(passage: Passage) -> str:
    """What a citation of the passage covers: its title and headings, and its text."""
    return f"{passage.title}\n{' > '.join(passage.heading_path)}\n{passage.text}"


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a question that say something, its figures, and the words that the passage's title and headings have too."""

    words: frozenset[str]
    figures: tuple[Quantity, ...]
    of_passage: frozenset[str]

    @classmethod
    def read(cls, question: str, passage: Passage) -> Asked:
        tokens = (token for token in index_tokens(question) if token not in STOP_WORDS)
        words = frozenset(token for token in tokens if not HAN.match(token) or len(token) > 1)
        figures = {(one.value, one.unit): one for one in reversed(quantities(question))}  # each once, as it stands first
        return cls(words, tuple(figures.values())[-_FIGURES:], _of(words, "\n".join((passage.title, *passage.heading_path))))

    def held_by(self, text: str) -> frozenset[str]:
        """What of the question stands in a text: words, and figures in whatever form."""
        stated = quantities(text)
        return _of(self.words, text) | {figure.text for figure in self.figures if any(states(one, figure) for one in stated)}

    def named_by(self, text: str) -> frozenset[str]:
        """What of the question stands in a piece of the passage and not in its title and headings: "deposit" in Term deposit rates tells no column from another."""
        return self.held_by(text) - self.of_passage


def _of(words: frozenset[str], text: str) -> frozenset[str]:
    """Those of the words that stand in a text; where a Chinese word is cut depends on its neighbours, so it is looked for in the text itself."""
    known = set(index_tokens(text))
    return frozenset(word for word in words if word in known or (HAN.match(word) and word in text))
