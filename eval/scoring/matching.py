"""Which passages hold which evidence: by document, version and place in its text, so that scores outlive another way of cutting documents into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from eval.suite.item import Evidence

#: of the evidence or of the passage, whichever is more
_LEAST_OVERLAP = 0.5


class Place(Protocol):
    """Code points of a version's text."""

    @property
    def document_id(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


def matches(place: Place, evidence: Evidence) -> bool:
    """Whether half of the evidence lies in the place, or half of the place in the evidence."""
    if place.document_id != evidence.document_id or place.version != evidence.version:
        return False
    shared = min(place.end, evidence.end) - max(place.start, evidence.start)
    shortest = min(place.end - place.start, evidence.end - evidence.start)
    return shared > 0 and shared >= _LEAST_OVERLAP * shortest


def held(place: Place, evidence: Sequence[Evidence]) -> frozenset[int]:
    """The positions of the evidence that a place holds."""
    return frozenset(position for position, one in enumerate(evidence) if matches(place, one))
