"""The adapters against the bare base model: on a bank of a seed that no training saw, and on third-party questions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assistant.answer import Assistant, Request, prompt_passages
from assistant.bootstrap import Application
from assistant.ground import CORRECTION
from core.errors import BadInput
from core.text.places import place_of
from core.types import AdapterRef, AnswerKind, Query
from eval.bank import caller
from eval.drafts import Record, Scores, drafts, score
from eval.reading import SETS, ReadingItem
from eval.run.arms import WithoutAdapter
from eval.statistics.estimates import mean_difference
from eval.statistics.shares import Interval, mcnemar
from eval.together import together
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts
from examples.samplebank.loans import applications

#: applications to rate, per language
LOANS = 12
_SEED = 11
#: behind an adapter's name, the arm that can write only numbers and markers of its sources
_BOUND = ", sources only"


@dataclass(frozen=True, slots=True)
class Row:
    """One set of questions under one arm, and every answer."""

    set: str
    arm: str
    records: tuple[Record, ...]

    @property
    def scores(self) -> Scores:
        return score(self.records)


@dataclass(frozen=True, slots=True)
class LoanRow:
    """Loan ratings under one arm: the share of applications with a rating that passed every check, and with the right one; wrong ones that passed, and
    proposals of which something was corrected."""

    language: str
    arm: str
    count: int
    proposed: float
    right: float
    wrong: int
    corrected: int


def third_party(data: Path, count: int, names: Sequence[str] = tuple(SETS)) -> dict[str, list[ReadingItem]]:
    """Sets of :data:`eval.reading.SETS`, so many questions each.

    Raises:
        BadInput: a file is not there.
    """
    sets: dict[str, list[ReadingItem]] = {}
    for name in names:
        place, load = SETS[name]
        path = data / place
        if not path.exists():
            raise BadInput(f"{path} does not exist; --data names the folder that holds {', '.join(place for place, _ in SETS.values())}", param="--data")
        sets[name] = load(path, count, _SEED)
    return sets


def bank_items(application: Application, seed: int, count: int) -> dict[str, list[ReadingItem]]:
    """The sample bank's questions by task and language, at most so many of each, every one with the passages that retrieval finds for it."""
    sets: dict[str, list[ReadingItem]] = {}
    assistant = application.assistant
    questions = list(sample_questions.load(Facts.draw(seed)))
    random.Random(_SEED).shuffle(questions)
    for question in questions:
        name = f"bank, {question.task}, {question.language}"
        if len(sets.get(name, ())) >= count:
            continue
        query = Query(question.ask, caller(question.caller), question.as_of or application.today())
        found = assistant.retriever.search(query, application.settings.retrieval.top_k)
        passages = assistant.packed(found.passages)
        gold = frozenset(
            number
            for number, passage in enumerate(passages, start=1)
            if question.answer
            and passage.document_id == question.document
            and passage.version == (question.version or passage.version)
            and place_of(question.answer[0], passage.text) >= 0
        )
        item = ReadingItem(question.id, question.language, question.ask, tuple(prompt_passages(passages)), gold, question.answer)
        sets.setdefault(name, []).append(item)
    return dict(sorted(sets.items()))


def compare(
    sets: Mapping[str, Sequence[ReadingItem]],
    application: Application,
    adapter: AdapterRef,
    advance: Callable[[], None] = lambda: None,
    *,
    at_once: int = 1,
    sources_only: bool = False,
) -> Iterator[Row]:
    """Every set answered by the bare base model and by an adapter, from the same prompts; with ``sources_only`` by the adapter once more, bound to the
    numbers and markers that there are."""
    instruction = application.assistant.tasks[adapter.name].instruction
    for name, items in sets.items():
        for arm, bound in ((None, False), (adapter, False), *([(adapter, True)] if sources_only else ())):
            found = drafts(items, application.generator, arm, instruction, advance, at_once=at_once, sources_only=bound)
            yield Row(name, "base" if arm is None else f"{adapter.name}{_BOUND}" if bound else adapter.name, tuple(found))


@dataclass(frozen=True, slots=True)
class Marks:
    """How many answers of the free adapter have something, how many of the bound one, and of one of them only."""

    first: int
    second: int
    only_first: int
    only_second: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> Marks:
        counts = Counter(pairs)
        return cls(counts[True, True] + counts[True, False], counts[True, True] + counts[False, True], counts[True, False], counts[False, True])

    @property
    def chance(self) -> float:
        return mcnemar(self.only_first, self.only_second)


@dataclass(frozen=True, slots=True)
class BoundRow:
    """One set, an adapter bound to its sources against the same one free: texts that differ; the mean change of token F1 over answerable questions and its
    interval; answers that hold an accepted one, that have a number of no passage, and refusals."""

    set: str
    count: int
    changed: int
    f1: float
    f1_interval: Interval
    holds: Marks
    invented: Marks
    refused: Marks

    @property
    def document(self) -> dict[str, Any]:
        return asdict(self) | {"invented_p": self.invented.chance, "refused_p": self.refused.chance}


def bound_against_free(rows: Sequence[Row]) -> list[BoundRow]:
    """Question by question what ``sources_only`` changes; nothing where it was not asked for."""
    free = {(row.set, row.arm): row for row in rows}
    pairs = [(free[row.set, row.arm.removesuffix(_BOUND)], row) for row in rows if row.arm.endswith(_BOUND)]
    found = [_bound(row.set, first.records, row.records) for first, row in pairs]
    if len(pairs) > 1:
        found.append(_bound("all", [one for first, _ in pairs for one in first.records], [one for _, row in pairs for one in row.records]))
    return found


def _bound(name: str, free: Sequence[Record], bound: Sequence[Record]) -> BoundRow:
    pairs = list(zip(free, bound, strict=True))
    f1, interval = mean_difference([two.f1 - one.f1 for one, two in pairs if one.item.answers])
    return BoundRow(
        name,
        len(pairs),
        sum(one.text != two.text for one, two in pairs),
        f1,
        interval,
        Marks.of((one.holds, two.holds) for one, two in pairs),
        Marks.of((one.invented, two.invented) for one, two in pairs),
        Marks.of((one.refused, two.refused) for one, two in pairs),
    )


def compare_loans(
    application: Application, seed: int, advance: Callable[[], None] = lambda: None, *, at_once: int = 1, sources_only: bool = False
) -> list[LoanRow]:
    """Loan applications through the whole path of the loan-risk task, by the bare base model and by the adapter; the third arm as in :func:`compare`."""
    free = _binding(application.assistant, "loan-risk", bound=False)
    arms = {"base": replace(free, router=WithoutAdapter(free.router)), "loan-risk": free}  # type: ignore[arg-type]
    if sources_only:
        arms[f"loan-risk{_BOUND}"] = _binding(free, "loan-risk", bound=True)
    rows = []
    for language in ("en", "zh"):
        cases = applications(Facts.draw(seed), language, LOANS)
        for arm, assistant in arms.items():
            requests = [Request(Query(case.text, caller("risk"), application.today()), "loan-risk") for case in cases]
            proposed = right = corrected = 0
            for case, answer in zip(cases, together(assistant.answer, requests, at_once, advance), strict=True):
                rating = answer.structured["rating"] if answer.kind is AnswerKind.ANSWERED and answer.structured else None
                proposed += rating is not None
                right += rating == case.rating
                corrected += rating is not None and any(check.name == CORRECTION for sentence in answer.sentences for check in sentence.checks)
            rows.append(LoanRow(language, arm, len(cases), proposed / len(cases), right / len(cases), proposed - right, corrected))
    return rows


def _binding(assistant: Assistant, name: str, *, bound: bool) -> Assistant:
    """The same, except for what a task says about numbers that no source has."""
    task = assistant.tasks[name]
    changed = task.model_copy(update={"grounding": task.grounding.model_copy(update={"sources_only": bound})})
    return replace(assistant, tasks={**assistant.tasks, name: changed})


def document(rows: Sequence[Row], loans: Sequence[LoanRow]) -> dict[str, Any]:
    """The table."""
    return {"rows": [{"set": row.set, "arm": row.arm, "scores": asdict(row.scores)} for row in rows], "loans": [asdict(row) for row in loans]}


def answers(row: Row) -> Iterator[dict[str, Any]]:
    """Every answer of a row as it was written, with what was asked and what it was judged to be."""
    for one in row.records:
        item = one.item
        yield {
            "set": row.set,
            "arm": row.arm,
            "id": item.id,
            "question": item.question,
            "accepted": list(item.answers),
            "gold": sorted(item.gold),
            "answer": one.text,
            "citations": list(one.citations),
            "refused": one.refused,
            "invented": one.invented,
        }
