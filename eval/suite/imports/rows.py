"""What every form is read into: documents, questions about them, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from core.text.language import HAN, language_of
from core.types import Language
from eval.suite.item import RefusalReason


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document that comes with its questions; each paragraph becomes a line."""

    title: str
    paragraphs: tuple[str, ...]
    language: Language


@dataclass(frozen=True, slots=True)
class Found:
    """Where an answer stands: words of a document, after ``before`` in its paragraph, if that is known. Without words, all of the document."""

    document_id: str
    words: str = ""
    paragraph: str = ""
    before: str | None = None
    suffices: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A question. ``place`` says where it was read; no ``found`` and a ``reason``: it is to be refused."""

    place: str
    id: str
    group_id: str
    question: str
    answers: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    reason: RefusalReason | None = None
    lang: str = ""
    topic: str = ""
    adapter: str | None = None
    groups: tuple[str, ...] = ()
    as_of: date | None = None
    must_not_cite: tuple[str, ...] = ()


class Bad(NamedTuple):
    """A row that cannot become an item, and why."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass
class Read:
    """All of some files. Documents that the rows name and that are not here are those of a catalogue."""

    documents: dict[str, SourceDocument] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)


def lang_of(text: str) -> str:
    """``mixed`` where a Chinese question has words of Latin script too."""
    if language_of(text) == "en":
        return "mixed" if HAN.search(text) else "en"
    return "mixed" if any(word.isascii() and word.isalpha() and len(word) > 2 for word in text.split()) else "zh"


def text_of(value: object, name: str) -> str:
    """A text that must be there.

    Raises:
        ValueError: it is missing, empty or no text.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text, got {value!r}"[:120])
    return value.strip()


def value_of(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        raise ValueError(f"{name} is missing")
    return text_of(values[name], name)
