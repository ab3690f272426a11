"""Training groups from sample banks of training seeds: its own sections as passages, the questions' training wordings.

Seeds below :data:`FIRST_SEED` are never drawn here: examples, tests and evaluations use those.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from core.prompts import PromptPassage, heading_of
from core.text.language import HAN
from core.text.places import place_of
from core.text.tables import table_lines
from examples.samplebank import questions as sample_questions
from examples.samplebank import sources as sample_sources
from examples.samplebank.facts import Facts

FIRST_SEED, LAST_SEED = 100_000, 100_159
_LENGTH = 900


@dataclass(frozen=True, slots=True)
class _Section:
    document: str
    version: int
    language: str
    passage: PromptPassage


@dataclass(frozen=True, slots=True)
class _Bank:
    sections: tuple[_Section, ...]
    questions: tuple[sample_questions.SampleQuestion, ...]


@cache
def _bank(seed: int) -> _Bank:
    facts = Facts.draw(seed)
    sections: list[_Section] = []
    versions: dict[str, int] = {}
    for source in sample_sources.load(facts):
        document = str(source.metadata["id"])
        versions[document] = versions.get(document, 0) + 1
        sections.extend(_Section(document, versions[document], source.language, passage) for passage in _passages(source))
    return _Bank(tuple(sections), tuple(sample_questions.load(facts)))


def bank_group(rng: random.Random) -> tuple[tuple[PromptPassage, ...], list[tuple[str, int, str]], list[str]]:
    """Passages of one bank; questions as (wording, passage number, answer); wordings that the passages do not answer."""
    bank = _bank(rng.randint(FIRST_SEED, LAST_SEED))
    language = "zh" if rng.random() < 0.38 else "en"
    sections = [section for section in bank.sections if section.language == language]
    asked = [question for question in bank.questions if question.language == language]
    found = {question.id: _gold(question, sections) for question in asked}
    start = rng.choice([question for question in asked if found[question.id]])
    golds = found[start.id]
    assert golds
    chosen = [rng.choice(golds)]
    count = rng.choice([3, 4, 5] if language == "en" else [2, 3, 4])
    # neighbours of the same document and other documents' sections that hold an answer are the hardest distractors
    near = [section for section in sections if section.document == chosen[0].document and section not in chosen]
    far = [section for gold in found.values() for section in gold[:1] if section not in chosen]
    for _ in range(count - 1):
        pool = near if near and rng.random() < 0.45 else far
        section = rng.choice(pool)
        if section not in chosen and not _other_version(section, chosen):
            chosen.append(section)
    rng.shuffle(chosen)
    answers: list[tuple[str, int, str]] = []
    unanswerable: list[str] = []
    for question in asked:
        if len(question.train) < 2:
            continue
        wording, other = rng.sample(question.train, 2)
        places = [number for number, section in enumerate(chosen, 1) if section in found[question.id]]
        if len(places) == 1:
            answers += [(wording, places[0], question.answer[0]), (other, places[0], question.answer[0])]
        elif not places and (not question.answer or any(section.document == question.document for section in chosen) or rng.random() < 0.05):
            unanswerable.append(wording)
    return tuple(section.passage for section in chosen), answers, unanswerable


def _gold(question: sample_questions.SampleQuestion, sections: Sequence[_Section]) -> list[_Section]:
    """The sections that hold the answer; a question about several versions belongs to its own."""
    return [
        section
        for section in sections
        if question.answer
        and section.document == question.document
        and (question.version is None or section.version == question.version)
        and place_of(question.answer[0], section.passage.text) >= 0
    ]


def _other_version(section: _Section, chosen: Sequence[_Section]) -> bool:
    """Serving never shows two versions of a document together."""
    return any(other.document == section.document and other.version != section.version for other in chosen)


def _passages(source: sample_sources.Source) -> Iterator[PromptPassage]:
    """The document's sections, cut as ingest cuts them."""
    path: list[tuple[int, str]] = []
    gathered: list[str] = []

    def flush() -> Iterator[PromptPassage]:
        if gathered:
            yield PromptPassage(heading_of(source.title, [text for _, text in path]), "\n".join(gathered))
        gathered.clear()

    for element in source.elements:
        if element.kind == "heading":
            yield from flush()
            path = [(level, text) for level, text in path if level < element.level] + [(element.level, element.text)]
            continue
        for line in table_lines(element.rows[0], element.rows[1:]) if element.kind == "table" else [element.text]:
            if gathered and sum(map(_weight, gathered)) + _weight(line) > _LENGTH:
                yield from flush()
            gathered.append(line)
    yield from flush()


def _weight(text: str) -> int:
    return len(text) + 2 * len(HAN.findall(text)) + 1
