"""The sample bank's questions, each beside the pieces of its document that a check can be tried on. No index and no model takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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
