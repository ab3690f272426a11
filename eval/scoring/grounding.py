"""Does the answer stand in what it cites? Computed anew from the texts of the record, not taken from the product's own checks.

Of answers only. It is shown beside :func:`kept`: an assistant that drops every sentence which it cannot support has little wrong and says little.
"""

from __future__ import annotations

from functools import lru_cache

from assistant.name_check import names_of, spelled, stands_in
from core.text.language import language_of
from core.text.numbers import Line, lines_of, unsupported_in
from eval.metrics import answer_tokens
from eval.run.record import Checked, Record
from eval.scoring.answers import answered
from eval.scoring.citations import REFUSED
from eval.scoring.overlap import runs
from eval.scoring.score import Scored
from eval.scoring.stated import figures
from eval.suite.item import Item

#: tokens that are looked for together, and the share of such runs that makes a sentence a quotation
_RUN = 3
_LEAST = 0.5


def number_grounding(item: Item, record: Record) -> Scored:
    """The share of the numbers, dates, rates and codes of the answer that its cited passages (their headings too) or the question state."""
    if not answered(record):
        return REFUSED
    asked = [line for text in (item.question, *(turn.content for turn in item.history)) for line in _lines(text)]
    numbers = {one.n for one in record.cited}
    shown = [f"{passage.heading}\n{passage.text}" for passage in record.retrieved if passage.rank in numbers]
    cited = [line for text in shown for line in _lines(text)]
    said = record.text.split("\n")  # each line for itself: the word that begins the next one is no unit
    wrong = [one for line in said for one in unsupported_in(line, [*asked, *cited])]
    count = sum(len(figures(line)) for line in said)
    if not count:
        return Scored(None, "no numbers")
    return Scored(1 - len(wrong) / count, detail={"unsupported": [one.text for one in wrong]} if wrong else {})


def quote_grounding(_item: Item, record: Record) -> Scored:
    """The share of the sentences that quote what they cite: half of their runs of three tokens stand in one cited passage. A sentence in another language
    than all that it cites cannot be compared."""
    if not answered(record):
        return REFUSED
    judged = [quoted for sentence in record.sentences if (quoted := _is_quoted(sentence, record)) is not None]
    return Scored(sum(judged) / len(judged)) if judged else Scored(None, "no sentence that can be compared")


def entity_grounding(item: Item, record: Record) -> Scored:
    """The share of the names in the answer (of products and the like, as the product finds them in questions) that stand in one cited passage, its headings
    too, or in the question. An answer in another language than all that it cites cannot be compared; numbers and codes are :func:`number_grounding`'s."""
    if not answered(record):
        return REFUSED
    numbers = {one.n for one in record.cited}
    passages = [passage for passage in record.retrieved if passage.rank in numbers]
    if passages and all(language_of(passage.text) != language_of(record.text) for passage in passages):
        return Scored(None, "in another language than what it cites")
    sources = [item.question, *(turn.content for turn in item.history), *(f"{passage.heading}\n{passage.text}" for passage in passages)]
    names = list(dict.fromkeys(names_of(record.text)))
    if not names:
        return Scored(None, "no names")
    unknown = [name for name in names if not any(stands_in(name, source) for source in sources)]
    return Scored(1 - len(unknown) / len(names), detail={"unknown": list(map(spelled, unknown))} if unknown else {})


def kept(_item: Item, record: Record) -> Scored:
    """The share of the written sentences that left; 0 for a refusal of what can be answered."""
    if not answered(record):
        return Scored(0.0, "refused", {"dropped": record.dropped})
    return Scored(len(record.sentences) / (len(record.sentences) + record.dropped) if record.sentences else 0.0)


def _is_quoted(sentence: Checked, record: Record) -> bool | None:
    texts = [passage.text for passage in record.retrieved if passage.rank in sentence.citations]
    if texts and all(language_of(text) != language_of(sentence.text) for text in texts):
        return None
    tokens = answer_tokens(sentence.text)
    length = min(_RUN, len(tokens))
    if not length or (not texts and not sentence.citations and "citation" not in sentence.failed):
        return None  # nothing is said, or nothing had to be cited, as in the line that sums up a rating
    wanted = runs(tokens, length)
    return any(sum(count for run, count in wanted.items() if run in _runs(text, length)) >= _LEAST * wanted.total() for text in texts)


@lru_cache(maxsize=2048)
def _runs(text: str, length: int) -> frozenset[tuple[str, ...]]:
    return frozenset(runs(answer_tokens(text), length))


@lru_cache(maxsize=2048)
def _lines(text: str) -> tuple[Line, ...]:
    return tuple(lines_of(text))
