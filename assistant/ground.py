"""Is every sentence of an answer true to what it cites? Checked without another model, sentence by sentence.

Markers must name passages of the prompt; every number, rate, amount, date and code must occur in a cited passage, most
words must too, a figure must be of the kind that was asked for, and what comes from a table or a sentence must come from the row or the sentence
that was asked about, out of a passage that fits the question as well as any. What the question names must stand in some passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from assistant import kind_check, name_check, passage_check, sentence_check, table_check
from assistant.asked import source_text
from core.prompts import NOT_FOUND
from core.text.language import HAN, language_of
from core.text.markers import split_markers
from core.text.normalise import normalise
from core.text.numbers import Quantity, quantities, unsupported, without_quantities
from core.text.places import place_of
from core.text.sentences import sentences
from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.types import Check, Citation, Passage, Sentence

#: the name of the check that says that a sentence is not what the model wrote, and what it wrote
CORRECTION = "correction"
#: share of a sentence's words that must stand in what it cites
_WORDS = 0.6


class SentenceChecker(Protocol):
    """Checks the sentences of one answer in order."""

    def check(self, text: str) -> Sentence: ...


@dataclass
class Checker:
    """The checks of an ordinary answer to a question."""

    passages: Sequence[Passage]
    question: str
    _answered: set[int] = field(default_factory=set)  # passages that a sentence was taken from: what is added to it may be about anything

    def check(self, text: str) -> Sentence:
        """One sentence with its markers. It is shown as it was checked: normalised, so that nothing hidden stands between its digits.

        One that is right but for the row of a table, quotes one sentence for another, or cites the wrong passage is corrected where that is plain, and a
        check more says so.
        """
        marked = split_markers(normalise(text))
        found = self._checked(marked.text, marked.numbers)
        better = found if found.passed else self._recited(found) or self._corrected(found)
        if better is not None and better.passed:
            self._answered.update(better.citations)
            return better
        return found

    def _recited(self, found: Sentence) -> Sentence | None:
        """The sentence, corrected if need be, with the passage that the question fits best in the place of the one that the model cited."""
        failed = {check.name for check in found.checks if not check.passed}
        passage = passage_check.best(self.passages, self.question) if passage_check.NAME in failed and len(found.citations) == 1 else None
        if passage is None:
            return None
        moved = self._checked(found.text, (self.passages.index(passage) + 1,))
        better = moved if moved.passed else self._corrected(moved)
        return better and _told(better, f"the model cited passage {found.citations[0]}; the question fits passage {moved.citations[0]}")

    def _corrected(self, found: Sentence) -> Sentence | None:
        """What should stand instead of a sentence that fails for its place in its one passage, or of a figure that stands nowhere; None if nothing is plain."""
        failed = {check.name for check in found.checks if not check.passed}
        if len(found.citations) != 1:
            return None
        correction = None
        passage = self.passages[found.citations[0] - 1]
        if failed == {sentence_check.NAME}:
            correction = sentence_check.corrected(found.text, passage, self.question)
        elif failed in ({table_check.NAME}, {"numbers"}, {"numbers", "words"}):  # a currency that the passage does not have is a word of a wrong figure
            correction = table_check.corrected(found.text, passage, self.question)
        return _told(self._checked(correction.text, found.citations), correction.detail) if correction is not None else None

    def _checked(self, text: str, numbers: Sequence[int]) -> Sentence:
        valid = tuple(number for number in numbers if 1 <= number <= len(self.passages))
        cited = [self.passages[number - 1] for number in valid]
        sources = [source_text(passage) for passage in cited]
        wrong = unsupported(text, sources)
        checks = (
            self._markers(numbers, valid),
            numbers_check(text, wrong),
            words_check(text, sources),
            kind_check.check(text, "" if self._answered else self.question),  # what is added may be of any kind
            passage_check.check([] if self._answered else cited, self.passages, self.question),
            name_check.check(cited, self.passages, self.question),
            table_check.check(text, cited, self.question),
            sentence_check.check(text, [self.passages[number - 1] for number in valid if number not in self._answered], self.question),
        )
        return Sentence(text, valid, checks, len(quantities(text)), len(wrong))

    def _markers(self, numbers: Sequence[int], valid: Sequence[int]) -> Check:
        if not numbers:
            return Check("citation", False, "no passage is cited")
        foreign = [number for number in numbers if number not in valid]
        return Check("citation", not foreign, f"there is no passage {foreign[0]}" if foreign else f"cites {', '.join(map(str, valid))}")


def _told(sentence: Sentence, detail: str) -> Sentence:
    return replace(sentence, checks=(*sentence.checks, Check(CORRECTION, True, detail)))


def citations(sentences_kept: Sequence[Sentence], passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Where in the documents the kept sentences point, in the order of passages."""
    found: dict[int, Citation] = {}
    for sentence in sentences_kept:
        for number in sentence.citations:
            if number not in found:
                found[number] = cite(passages[number - 1], number, sentence.text)
    return tuple(found[number] for number in sorted(found))


def cite(passage: Passage, number: int, text: str) -> Citation:
    """The sentence or table row of the passage that the text was taken from; the whole passage if it is nowhere to the letter."""
    start, end = 0, len(passage.text)
    words = text.rstrip(".。 ")
    at = place_of(words, passage.text)
    if at < 0:
        at = passage.text.find(words)
    if at >= 0 and words:
        for span in sentences(passage.text):
            if span.start <= at < span.end:
                start, end = span.start, span.end
    quote = passage.text[start:end]
    return Citation(
        number, passage.document_id, passage.version, passage.title, passage.heading_path, passage.page, passage.start + start, passage.start + end, quote
    )


def says_not_found(text: str) -> bool:
    """Whether the model says that the passages hold no answer."""
    return split_markers(text).text.strip(" .。").lower().startswith(NOT_FOUND.strip(".").lower())


def numbers_check(text: str, wrong: Sequence[Quantity]) -> Check:
    if wrong:
        return Check("numbers", False, f"{', '.join(quantity.text for quantity in wrong)}: in no cited passage")
    return Check("numbers", True, "all found in the cited passages" if quantities(text) else "no numbers")


def words_check(text: str, sources: Sequence[str]) -> Check:
    """Whether most words stand in the sources; between languages, whether all do that are no figures.

    Words of two languages cannot be compared, and what was not compared was not checked: a sentence without figures would pass
    whatever it says. So in another language than all its sources only figures and what they hold to the letter, as names, pass.
    """
    foreign = bool(sources) and language_of(text) not in {language_of(source) for source in sources}
    # numbers have their own check, in which other ways of writing them count
    tokens = [token for token in index_tokens(without_quantities(text) if foreign else text) if token not in STOP_WORDS and not token[0].isdigit()]
    known = {token for source in sources for token in index_tokens(source)}
    # where a Chinese word is cut depends on its neighbours, so those are looked for in the text itself
    found = [token in known or (HAN.match(token) is not None and any(token in source for source in sources)) for token in tokens]
    if all(found):
        return Check("words", True, "all words in the cited passages" if tokens else "no words to compare")
    if foreign:
        return Check("words", False, "in another language than the cited passages: only figures and names can be checked")
    share = sum(found) / len(found)
    return Check("words", share >= _WORDS, f"{share:.0%} of the words in the cited passages")
