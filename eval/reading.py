"""Reading questions in third-party formats: SQuAD 2.0, CMRC2018 and TAT-QA, each with its passage among two distractors.

Nothing of these data is part of the project; the files are read where the caller says they lie.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.prompts import PromptPassage
from core.text.normalise import normalise
from core.text.tables import header_and_rows, table_lines
from core.types import Language, Passage


@dataclass(frozen=True, slots=True)
class ReadingItem:
    """``gold`` holds the numbers of the passages that answer; ``answers`` are the accepted ones, none when there is no answer."""

    id: str
    language: Language
    question: str
    passages: tuple[PromptPassage, ...]
    gold: frozenset[int]
    answers: tuple[str, ...]

    @property
    def shown(self) -> tuple[Passage, ...]:
        """The passages as the checks take them, with no place in any document."""
        return tuple(Passage(n, "", "", 1, one.heading, (), None, 0, len(one.text), one.text) for n, one in enumerate(self.passages, start=1))


@dataclass(frozen=True, slots=True)
class _Question:
    id: str
    text: str
    passage: PromptPassage
    group: str  # questions on the same article or table
    answers: tuple[str, ...]


def squad2(path: Path, count: int, seed: int) -> list[ReadingItem]:
    """SQuAD 2.0 (English); a third of the questions cannot be answered from their passage."""
    questions = list(_squad_questions(json.loads(path.read_text("utf8"))["data"]))
    answerable = [question for question in questions if question.answers]
    unanswerable = [question for question in questions if not question.answers]
    rng = random.Random(seed)
    return _with_distractors(answerable, count - count // 3, questions, "en", rng) + _with_distractors(unanswerable, count // 3, questions, "en", rng)


def cmrc2018(path: Path, count: int, seed: int) -> list[ReadingItem]:
    """CMRC2018 (Chinese); all can be answered."""
    questions = list(_squad_questions(json.loads(path.read_text("utf8"))["data"]))
    rng = random.Random(seed)
    return _with_distractors(questions, count, questions, "zh", rng)


def tatqa(path: Path, count: int, seed: int) -> list[ReadingItem]:
    """TAT-QA: questions whose one answer stands in a cell or beside the table; those that need arithmetic are left out."""
    questions = list(_tatqa_questions(json.loads(path.read_text("utf8"))))
    rng = random.Random(seed)
    return _with_distractors(questions, count, questions, "en", rng)


SETS: Mapping[str, tuple[str, Callable[[Path, int, int], list[ReadingItem]]]] = {
    "squad2": ("squad2/dev_part.json", squad2),
    "cmrc2018": ("cmrc2018/cmrc2018_dev.json", cmrc2018),
    "tatqa": ("tatqa_dev.json", tatqa),
}


def _with_distractors(candidates: Sequence[_Question], count: int, pool: Sequence[_Question], language: Language, rng: random.Random) -> list[ReadingItem]:
    """So many questions, each passage among two others that do not hold its answer: one of the same article where there is one, one of another.

    A question whose answer stands nearly everywhere (a single letter, "the") has no such others and is left out.
    """
    items: list[ReadingItem] = []
    for question in rng.sample(candidates, len(candidates)):
        if len(items) == count:
            break
        others = [other for other in pool if other.passage != question.passage and not any(answer in other.passage.text for answer in question.answers)]
        near = [other.passage for other in others if other.group == question.group] if language == "en" else []
        far = [other.passage for other in others if other.group != question.group]
        if not far:
            continue
        second = rng.choice(far)
        first = rng.choice(near or [passage for passage in far if passage != second] or far)
        passages = [question.passage, first, second]
        rng.shuffle(passages)
        gold = frozenset({passages.index(question.passage) + 1}) if question.answers else frozenset()
        items.append(ReadingItem(question.id, language, question.text, tuple(passages), gold, question.answers))
    return items


def _squad_questions(data: Sequence[Mapping[str, Any]]) -> Iterator[_Question]:
    for article in data:
        title = str(article["title"]).replace("_", " ")
        for paragraph in article["paragraphs"]:
            passage = PromptPassage(title, normalise(paragraph["context"]))
            for entry in paragraph["qas"]:
                answers = tuple(dict.fromkeys(normalise(answer["text"]) for answer in entry["answers"]))
                yield _Question(str(entry["id"]), normalise(entry["question"]), passage, title, answers)


def _tatqa_questions(data: Sequence[Mapping[str, Any]]) -> Iterator[_Question]:
    for number, entry in enumerate(data):
        header, rows = header_and_rows(entry["table"]["table"])
        paragraphs = [str(paragraph["text"]) for paragraph in entry["paragraphs"]]
        text = normalise("\n".join([*table_lines(header, rows), *paragraphs]))
        passage = PromptPassage(f"Annual report, note {number + 1}", text)
        for question in entry["questions"]:
            if question["answer_type"] == "span" and question["answer_from"] != "text" and len(question["answer"]) == 1:
                answer = normalise(" ".join(str(question["answer"][0]).split()))
                if answer and answer in text:
                    yield _Question(str(question["uid"]), normalise(question["question"]), passage, str(number), (answer,))
