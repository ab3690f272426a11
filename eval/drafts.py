"""What an adapter, or the bare base model, writes for reading questions, and how good it is. No check drops anything here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assistant.ground import says_not_found
from core.ports import GenerationOptions, Generator, Sources
from core.prompts import render
from core.text.markers import split_markers
from core.text.numbers import unsupported
from core.types import AdapterRef, Draft
from eval.metrics import contains_answer, token_f1
from eval.reading import ReadingItem
from eval.together import together

#: as many as serving allows
MAX_TOKENS = 192
#: the bare base model goes on and on; its first sentences are read, which keeps a run affordable. What it writes behind them could hold an
#: answer by chance, and would cost it token F1
BASE_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Record:
    """One answer. ``invented`` says that it holds a number that is in no passage."""

    item: ReadingItem
    text: str
    refused: bool
    citations: tuple[int, ...]
    invented: bool

    @property
    def f1(self) -> float:
        """Token F1 against the accepted answers; a refusal counts 0."""
        return 0.0 if self.refused else token_f1(self.text, self.item.answers)

    @property
    def holds(self) -> bool:
        """Whether it has an accepted answer in full."""
        return not self.refused and contains_answer(self.text, self.item.answers)


@dataclass(frozen=True, slots=True)
class Scores:
    """Over all items of a set. A share with nothing to count is None.

    f1: mean token F1 over answerable questions, a refusal counting 0. contains: share of them whose answer holds an accepted one.
    citation: share of them that cite passages that answer, and no others. refusal: share of unanswerable questions refused.
    over_refusal: share of answerable ones refused. answered: share of all questions with an answer. invented: share of those
    answers with a number that is in no passage.
    """

    count: int
    f1: float | None
    contains: float | None
    citation: float | None
    refusal: float | None
    over_refusal: float | None
    answered: float | None
    invented: float | None


def drafts(
    items: Sequence[ReadingItem],
    generator: Generator,
    adapter: AdapterRef | None,
    instruction: str,
    advance: Callable[[], None] = lambda: None,
    *,
    at_once: int = 1,
    sources_only: bool = False,
) -> Iterator[Record]:
    """Generate greedily for each item."""

    def write(item: ReadingItem) -> Record:
        texts = tuple(f"{passage.heading}\n{passage.text}" for passage in item.passages)
        options = GenerationOptions(MAX_TOKENS if adapter else BASE_TOKENS, sources=Sources(item.question, texts) if sources_only else None)
        *_, draft = generator.generate(render(item.question, item.passages, instruction), adapter, options)
        assert isinstance(draft, Draft)
        return record(item, draft.text)

    return together(write, items, at_once, advance)


def record(item: ReadingItem, text: str) -> Record:
    marked = split_markers(text)
    refused = not marked.text or says_not_found(text)
    wrong = unsupported(marked.text, [f"{passage.heading}\n{passage.text}" for passage in item.passages]) if not refused else []
    return Record(item, marked.text, refused, marked.numbers, bool(wrong))


def score(records: Sequence[Record]) -> Scores:
    answerable = [one for one in records if one.item.answers]
    unanswerable = [one for one in records if not one.item.answers]
    given = [one for one in records if not one.refused]
    return Scores(
        count=len(records),
        f1=_mean([one.f1 for one in answerable]),
        contains=_mean([one.holds for one in answerable]),
        citation=_mean([not one.refused and bool(one.citations) and set(one.citations) <= one.item.gold for one in answerable]),
        refusal=_mean([one.refused for one in unanswerable]),
        over_refusal=_mean([one.refused for one in answerable]),
        answered=_mean([not one.refused for one in records]),
        invented=_mean([one.invented for one in given]),
    )


def _mean(values: Sequence[float | bool]) -> float | None:
    return sum(values) / len(values) if values else None
