"""How faithful a fast mode is: how often it would have written the token that the exact mode (fp32) wrote.

The exact mode writes; the mode of the settings then reads the same prompts and is asked, behind each token that the exact mode wrote, for its own best
one. What it would have written before does not count again, so one other word costs one token and not the rest of the text. Both go
through the engine, several requests at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assistant.answer import prompt_passages
from assistant.bootstrap import Application, load_models
from core.ports import GenerationOptions
from core.prompts import Prompt, render
from core.settings import Settings
from core.types import AdapterRef, Language, Query
from engines.compute import number_format
from engines.local_generator import LocalGenerator
from eval.bank import caller, sample_bank
from eval.statistics.shares import Interval, wilson
from eval.table import bank_items
from eval.together import together
from examples.samplebank.facts import Facts
from examples.samplebank.loans import applications

#: the least share of tokens on which a fast mode may agree with the exact one
GOAL = 0.99
_EXACT = {"dtype": "float32"}
_LOANS = "loan-risk"


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and the adapter that answers it; None is the base model."""

    language: Language
    adapter: AdapterRef | None
    prompt: Prompt


@dataclass
class Counts:
    """Texts and how many of them would have been the same to the end; tokens, the end of a text among them, and on how many both modes agree."""

    texts: int = 0
    equal: int = 0
    tokens: int = 0
    agreed: int = 0

    def add(self, exact: Sequence[int | None], other: Sequence[int | None]) -> None:
        agreed = sum(one == two for one, two in zip(exact, other, strict=True))
        self.texts += 1
        self.equal += agreed == len(exact)
        self.tokens += len(exact)
        self.agreed += agreed

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.texts + other.texts, self.equal + other.equal, self.tokens + other.tokens, self.agreed + other.agreed)

    @property
    def share(self) -> float:
        """Of the tokens."""
        return self.agreed / self.tokens if self.tokens else 1.0

    @property
    def interval(self) -> Interval:
        """As if the tokens of a text were independent of each other."""
        return wilson(self.agreed, self.tokens)


def total(counts: Iterable[Counts]) -> Counts:
    """All together."""
    return sum(counts, Counts())


def document(counts: Counts) -> dict[str, Any]:
    """As JSON."""
    return {**asdict(counts), "share": counts.share, "interval": list(counts.interval)}


def measure(
    settings: Settings, seed: int, count: int, longest: int, *, at_once: int = 1, advance: Callable[[], None] = lambda: None,
    notify: Callable[[str], None] = lambda _: None,
) -> dict[tuple[str, Language], Counts]:  # fmt: skip
    """The counts per adapter (``base`` is none) and language. One mode is in memory at a time.

    Args:
        seed: of the sample bank that is asked about.
        count: prompts of each adapter and language, at most.
        longest: tokens of a text, at most.
        advance: called twice for each prompt.
    """
    asked, texts = _exact(_locally(settings, _EXACT), seed, count, longest, at_once, advance, notify)
    notify(f"{len(asked)} prompts; the same in {number_format(settings.models.dtype)}")
    generator = LocalGenerator.load(settings.models, settings.generation, settings.home / "cache", notify)
    try:
        best = partial(_best, generator)
        counts: dict[tuple[str, Language], Counts] = {}
        for one, exact, other in zip(asked, texts, together(best, list(zip(asked, texts, strict=True)), at_once, advance), strict=True):
            counts.setdefault((str(one.adapter or "base"), one.language), Counts()).add(exact, other)
        return counts
    finally:
        generator.close()


def _locally(settings: Settings, models: Mapping[str, Any]) -> Settings:
    """What is compared are the formats of the engine in process, whatever writes the answers."""
    generation = settings.generation.model_copy(update={"engine": "local"})
    return settings.model_copy(update={"models": settings.models.model_copy(update=dict(models)), "generation": generation})


def _best(generator: LocalGenerator, one: tuple[Asked, Sequence[int | None]]) -> list[int | None]:
    asked, exact = one
    return generator.best_tokens(asked.prompt, asked.adapter, exact)


def _exact(
    settings: Settings, seed: int, count: int, longest: int, at_once: int, advance: Callable[[], None], notify: Callable[[str], None]
) -> tuple[list[Asked], list[list[int | None]]]:
    """The prompts, and what the exact mode writes for each."""
    notify(f"taking in the sample bank of seed {seed}")
    with (
        load_models(settings, notify) as models,
        tempfile.TemporaryDirectory() as folder,
        sample_bank(seed, settings, models, Path(folder)) as application,
    ):
        asked = list(prompts(application, seed, count))
        options = GenerationOptions(longest)
        assert isinstance(application.generator, LocalGenerator)
        write = partial(_write, application.generator, options)
        return asked, list(together(write, asked, at_once, advance))


def _write(generator: LocalGenerator, options: GenerationOptions, asked: Asked) -> list[int | None]:
    return generator.written(asked.prompt, asked.adapter, options)


def prompts(application: Application, seed: int, count: int) -> Iterator[Asked]:
    """The bank's questions, and loan applications, over the passages that retrieval finds, as the service asks them; those of customers also for the base model."""
    registry, assistant = application.parts.catalogue.adapters, application.assistant
    for name, items in bank_items(application, seed, count).items():
        task = name.split(", ")[1]
        for item in items:
            prompt = render(item.question, item.passages, assistant.tasks[task].instruction)
            yield Asked(item.language, registry.get(task).ref, prompt)
            if not assistant.tasks[task].instruction:
                yield Asked(item.language, None, prompt)
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        for case in applications(Facts.draw(seed), language, count):
            found = assistant.retriever.search(Query(case.text, caller("risk"), application.today()), application.settings.retrieval.top_k)
            prompt = render(case.text, prompt_passages(assistant.packed(found.passages)), assistant.tasks[_LOANS].instruction)
            yield Asked(language, registry.get(_LOANS).ref, prompt)
