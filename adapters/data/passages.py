"""Hand-written passages with slots, and questions about them: what the adapters learn extraction from.

A file is a YAML list. One passage:

    - id: canal                     # unique among all files of its language
      heading: "The {place} Canal > Opening"
      slots: {place: place, opened: "year 1790..1930"}
      text: |
        The {place} Canal opened in {opened}. ...
      questions:                    # the answer stands in the text, to the letter
        - ask: ["When did the {place} Canal open?", "In what year was the canal at {place} opened?"]
          answer: "{opened}"
      unanswerable:                 # sounds as if the passage answered it, but it does not
        - "Who built the {place} Canal?"

The text may hold Markdown pipe tables; they become one line per row, as in every indexed document.
``python -m adapters.data.passages FILE ...`` checks files and prints one passage of each as a model would see it.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from adapters.data.slots import Language, draw_values
from core.text.tables import is_pipe_table, pipe_rows, table_lines

_SLOT = re.compile(r"\{([a-z_0-9]+)\}")
_KEYS = {"id", "heading", "slots", "text", "questions", "unanswerable"}


@dataclass(frozen=True)
class Question:
    """One thing that the passage says: several ways to ask it, and the words that answer it."""

    ask: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class PassageTemplate:
    id: str
    language: Language
    heading: str
    slots: Mapping[str, str]
    text: str
    questions: tuple[Question, ...]
    unanswerable: tuple[str, ...]

    def render(self, rng: random.Random) -> RenderedPassage:
        """The passage with values drawn for its slots."""
        values = draw_values(self.slots, self.language, rng)
        return RenderedPassage(
            id=self.id,
            language=self.language,
            heading=_fill(self.heading, values),
            text=_tables_to_lines(_fill(self.text, values)),
            questions=tuple(Question(tuple(_fill(ask, values) for ask in question.ask), _fill(question.answer, values)) for question in self.questions),
            unanswerable=tuple(_fill(question, values) for question in self.unanswerable),
        )


@dataclass(frozen=True)
class RenderedPassage:
    id: str
    language: Language
    heading: str
    text: str
    questions: tuple[Question, ...]
    unanswerable: tuple[str, ...]


@cache
def load_all(language: Language) -> tuple[PassageTemplate, ...]:
    """All committed passages of a language, in a stable order."""
    folder = files("adapters.data") / "passages" / language
    paths = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    templates = [template for path in paths for template in parse(path.read_text("utf8"), language, path.name)]
    seen: set[str] = set()
    for template in templates:
        if template.id in seen:
            raise ValueError(f"passage id {template.id!r} is used twice in {language}")
        seen.add(template.id)
    return tuple(templates)


def parse(text: str, language: Language, source: str) -> Iterator[PassageTemplate]:
    """The templates of one file.

    Raises:
        ValueError: names the file, the passage and what is wrong with it.
    """
    for number, entry in enumerate(yaml.safe_load(text) or []):
        name = entry.get("id", f"number {number + 1}")
        try:
            template = _template(entry, language)
            _check(template)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{source}, passage {name}: {error}") from error
        yield template


def _template(entry: Mapping[str, Any], language: Language) -> PassageTemplate:
    unknown = set(entry) - _KEYS
    if unknown or "id" not in entry or "text" not in entry:
        raise ValueError(f"expected the keys {sorted(_KEYS)}, got {sorted(entry)}")
    return PassageTemplate(
        id=str(entry["id"]),
        language=language,
        heading=str(entry.get("heading", "")),
        slots={str(name): str(spec) for name, spec in (entry.get("slots") or {}).items()},
        text=str(entry["text"]).strip(),
        questions=tuple(Question(tuple(str(ask) for ask in question["ask"]), str(question["answer"])) for question in entry["questions"]),
        unanswerable=tuple(str(question) for question in entry.get("unanswerable") or []),
    )


def _check(template: PassageTemplate) -> None:
    if len(template.questions) < 3:
        raise ValueError("needs at least three questions")
    used = set(_SLOT.findall(template.text))
    if unused := set(template.slots) - used:
        raise ValueError(f"slots never used in the text: {sorted(unused)}")
    for seed in range(5):
        rendered = template.render(random.Random(seed))
        if left := list(re.findall(r"\{[^}\s]*\}", rendered.text + rendered.heading)):
            raise ValueError(f"not a slot: {left}")
        for question in rendered.questions:
            if not question.ask:
                raise ValueError("a question without a wording")
            if question.answer not in rendered.text:
                raise ValueError(f"the answer {question.answer!r} does not stand in the text to the letter (seed {seed})")


def _fill(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ValueError(f"unknown slot {{{match[1]}}}; declared are {sorted(values)}")
        return values[match[1]]

    return _SLOT.sub(value, text)


def _tables_to_lines(text: str) -> str:
    lines = text.split("\n")
    out: list[str] = []
    position = 0
    while position < len(lines):
        if is_pipe_table(lines[position:]):
            end = position
            while end < len(lines) and "|" in lines[end]:
                end += 1
            header, *rows = pipe_rows(lines[position:end])
            out.extend(table_lines(header, rows))
            position = end
        else:
            out.append(lines[position].rstrip())
            position += 1
    return "\n".join(line for line in out if line)


def _main(paths: list[str]) -> int:
    for path in paths:
        language: Language = "zh" if Path(path).parent.name == "zh" else "en"
        templates = list(parse(Path(path).read_text("utf8"), language, path))
        questions = sum(len(template.questions) for template in templates)
        wordings = sum(len(question.ask) for template in templates for question in template.questions)
        unanswerable = sum(len(template.unanswerable) for template in templates)
        print(f"{path}: {len(templates)} passages, {questions} questions in {wordings} wordings, {unanswerable} unanswerable")
        if templates:
            example = templates[0].render(random.Random(7))
            print(f"  {example.heading}\n  {example.text}\n  Q: {example.questions[0].ask[0]}\n  A: {example.questions[0].answer}")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
