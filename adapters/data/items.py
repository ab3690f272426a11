"""Training groups: a few passages, and several questions about them with the text that the adapter must write.

All questions of a group share its passages, so that training reads them once. A fifth to a quarter of the questions have
no answer in the passages: about things that they leave open, or whose passage is not among them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.data.bank import bank_group
from adapters.data.loans import loan_group
from adapters.data.passages import PassageTemplate, RenderedPassage, load_all
from adapters.data.slots import Language
from core.prompts import NOT_FOUND, PromptPassage
from core.text.markers import marker
from core.text.places import place_of
from core.text.sentences import sentences

#: questions per group at most: more of them see the same passages too often, and attention between rows that may not see each other costs their square
MOST = 9
_REFUSALS = 0.22


@dataclass(frozen=True, slots=True)
class Item:
    question: str
    target: str


@dataclass(frozen=True, slots=True)
class Group:
    passages: tuple[PromptPassage, ...]
    items: tuple[Item, ...]


def groups(shares: Mapping[Literal["passages", "bank", "loans"], float], target: str, seed: int) -> Iterator[Group]:
    """An endless, repeatable stream of groups from the named sources."""
    rng = random.Random(f"groups {seed}")
    sources: Mapping[Literal["passages", "bank", "loans"], Callable[[random.Random], Group]] = {
        "passages": lambda rng: passage_group(rng, target),
        "bank": lambda rng: _numbered(*bank_group(rng), target, rng),
        "loans": lambda rng: Group(*_loan_items(rng)),
    }
    names = list(shares)
    while True:
        group = sources[rng.choices(names, [shares[name] for name in names])[0]](rng)
        if group.items:
            yield group


def passage_group(rng: random.Random, target: str) -> Group:
    """Two to four hand-written passages of one language; sometimes two of one kind that differ only in names and figures."""
    language: Language = "zh" if rng.random() < 0.38 else "en"
    templates = load_all(language)
    count = rng.choice([2, 3, 3, 4] if language == "en" else [2, 2, 3])
    chosen = rng.sample(templates, count + 1)
    absent = chosen.pop()
    passages = [template.render(rng) for template in chosen]
    if rng.random() < 0.2:
        passages[-1] = _twin(passages[0], chosen[0], rng)
    rng.shuffle(passages)
    answerable = [
        (number, ask, question.answer, passage)
        for number, passage in enumerate(passages, 1)
        for question in passage.questions
        if (ask := _fair(question.ask, passage, passages, rng))
    ]
    unanswerable = [question for passage in passages for question in passage.unanswerable]
    unanswerable += [rng.choice(question.ask) for question in absent.render(rng).questions[:3]]
    # the same question about a name that is not among the passages
    stranger = rng.choice(chosen).render(rng)
    unanswerable += [ask for question in stranger.questions[:4] if (ask := _foreign(question.ask, stranger, passages, rng))]
    prompt_passages = tuple(PromptPassage(passage.heading, passage.text) for passage in passages)
    answers = [(ask, number, answer) for number, ask, answer, _ in answerable]
    return _numbered(prompt_passages, answers, unanswerable, target, rng)


def _numbered(
    passages: tuple[PromptPassage, ...], answers: Sequence[tuple[str, int, str]], unanswerable: Sequence[str], target: str, rng: random.Random
) -> Group:
    answers, unanswerable = rng.sample(answers, len(answers)), rng.sample(unanswerable, len(unanswerable))
    most = min(MOST, round(len(answers) / (1 - _REFUSALS)))
    refusals = min(len(unanswerable), max(1, round(_REFUSALS * most)))
    items = [Item(ask, f" {NOT_FOUND}") for ask in unanswerable[:refusals]]
    for ask, number, answer in answers[: MOST - refusals]:
        text = answer if target == "span" else _clause(answer, passages[number - 1].text)
        items.append(Item(ask, written(text, passages[number - 1].text, number)))
    rng.shuffle(items)
    return Group(passages, tuple(items))


def written(answer: str, passage: str, number: int) -> str:
    """The answer as the model writes it: with a leading space where the passage has one before it, so that it copies the same tokens."""
    at = _place(answer, passage)
    before = passage[at - 1] if at > 0 else "\n"
    space = " " if before == " " or (before == "\n" and answer[0].isascii()) else ""
    return f"{space}{answer}{marker(number)}"


def _place(answer: str, passage: str) -> int:
    """Where the answer stands as words of its own, or at least its characters."""
    own = place_of(answer, passage)
    return own if own >= 0 else passage.find(answer)


def _clause(answer: str, passage: str) -> str:
    """The sentence, or the table row, that holds the answer."""
    at = _place(answer, passage)
    for line_start, line in _lines(passage):
        if line_start <= at < line_start + len(line):
            if " | " in line:
                return line
            for span in sentences(line):
                if line_start + span.start <= at < line_start + span.end and answer in span.text:
                    return span.text
            return line
    return answer


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _twin(passage: RenderedPassage, template: PassageTemplate, rng: random.Random) -> RenderedPassage:
    for _ in range(5):
        other = template.render(rng)
        if other.text != passage.text:
            return other
    return passage


def _fair(asks: Sequence[str], passage: RenderedPassage, passages: Sequence[RenderedPassage], rng: random.Random) -> str | None:
    """A wording that only this passage can answer: beside a twin, it must name something that the twin does not."""
    twins = [other for other in passages if other.id == passage.id and other is not passage]
    fair = [ask for ask in asks if not any(ask in twin_asks.ask for twin in twins for twin_asks in twin.questions)]
    return rng.choice(fair) if fair else None


def _foreign(asks: Sequence[str], stranger: RenderedPassage, passages: Sequence[RenderedPassage], rng: random.Random) -> str | None:
    """A wording about the stranger that none of the passages' own questions use, so it names something else."""
    own = {ask for passage in passages if passage.id == stranger.id for question in passage.questions for ask in question.ask}
    foreign = [ask for ask in asks if ask not in own]
    return rng.choice(foreign) if foreign and own else None


def _loan_items(rng: random.Random) -> tuple[tuple[PromptPassage, ...], tuple[Item, ...]]:
    passages, cases = loan_group(rng)
    return passages, tuple(Item(question, target) for question, target in cases)
