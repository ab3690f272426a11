"""What the check of names sees: questions of one bank with the product of another in them, beside the passages that answer the right ones. No model takes part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.name_check import check
from core.text.places import place_of
from core.types import Language, Passage
from eval.pieces import asked_of, sections
from examples.samplebank.facts import Facts
from examples.samplebank.questions import SampleQuestion

#: names of products in facts end so
_PRODUCT = ".name"
_NOT_PRODUCTS = ("bank.name", "zh.desk.name")
_OTHER_BANKS = 6


@dataclass
class Counts:
    """Questions beside the passage that answers them, and how many were refused; the same with a product that is in no passage, and how many were seen."""

    right: int = 0
    refused: int = 0
    wrong: int = 0
    seen: int = 0


def count(seeds: Sequence[int]) -> dict[Language, Counts]:
    """The counts per language over the banks of some seeds."""
    counts: dict[Language, Counts] = {"en": Counts(), "zh": Counts()}
    for seed in seeds:
        names = {language: dict(_exchanged(seed, language)) for language in counts}
        for question, passage in asked_of([seed], sections):
            if any(place_of(answer, passage.text) >= 0 for answer in question.answer):
                _try(question, passage, names[question.language], counts[question.language])
    return counts


def _try(question: SampleQuestion, passage: Passage, names: dict[str, str], counts: Counts) -> None:
    counts.right += 1
    counts.refused += not check([passage], [passage], question.ask).passed
    asked = question.ask
    for mine, other in names.items():
        asked = asked.replace(mine, other)
    if asked != question.ask:
        counts.wrong += 1
        counts.seen += not check([passage], [passage], asked).passed


def _exchanged(seed: int, language: Language) -> Iterator[tuple[str, str]]:
    """The names of a bank's products, and what other banks call theirs."""
    facts = Facts.draw(seed)
    for key in facts.values:
        if key.endswith(_PRODUCT) and key not in _NOT_PRODUCTS:
            mine = facts.fill(f"{{{key}}}", language)
            others = (Facts.draw(seed + number).fill(f"{{{key}}}", language) for number in range(1, _OTHER_BANKS + 1))
            if other := next((name for name in others if name != mine), None):
                yield mine, other
