"""The sample bank's questions, each beside the pieces of its document that a check can be tried on. No index and no model takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from core.text.tables import BETWEEN_CELLS
from core.types import Passage
from examples.samplebank import questions as sample_questions
from examples.samplebank import sources as sample_sources
from examples.samplebank.facts import Facts
from examples.samplebank.questions import SampleQuestion
from examples.samplebank.sources import Source

#: headings above a piece, and its text
Piece = tuple[tuple[str, ...], str]


def asked_of(seeds: Sequence[int], cut: Callable[[Source], Iterable[Piece]]) -> Iterator[tuple[SampleQuestion, Passage]]:
    """Every question of the banks of some seeds with every piece of the document, and of the version where it names one, that it is about."""
    for seed in seeds:
        facts = Facts.draw(seed)
        versions: dict[str, int] = {}
        pieces: list[tuple[str, int, Passage]] = []
        for source in sample_sources.load(facts):
            document = str(source.metadata["id"])
            versions[document] = versions.get(document, 0) + 1
            for headings, text in cut(source):
                pieces.append((document, versions[document], Passage(1, "", document, 1, source.title, headings, None, 0, len(text), text)))
        for question in sample_questions.load(facts):
            for document, version, passage in pieces:
                if question.document == document and version == (question.version or version):
                    yield question, passage


def sections(source: Source, *, tables: bool = True) -> Iterator[Piece]:
    """What stands below each heading."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    for element in source.elements:
        if element.kind == "heading":
            if lines:
                yield tuple(text for _, text in path), "\n".join(lines)
            lines = []
            path = [(level, text) for level, text in path if level < element.level] + [(element.level, element.text)]
        elif element.kind != "table":
            lines.append(element.text)
        elif tables:
            lines.extend(BETWEEN_CELLS.join(row) for row in element.rows)
    if lines:
        yield tuple(text for _, text in path), "\n".join(lines)
