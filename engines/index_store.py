"""An index together with what its keeper does to it: both engines have this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.ports import Index
from engines.catalogue.documents import IndexEntry


class IndexStore(Index, Protocol):
    def snapshot(self, *, force: bool = False) -> bool:
        """Make lasting what the catalogue has changed since, all of it; whether there was anything to do (``force``: also where it is little)."""

    def rebuild(self) -> int:
        """Make the index anew from the catalogue, without embedding anything; returns the number of chunks. Searches go on in the old one meanwhile."""

    def chunk_ids(self) -> list[str]:
        """The chunks that can be found, in order of id."""

    def differences(self, entries: Sequence[IndexEntry]) -> Mapping[str, str]:
        """What the index holds otherwise of entries of the catalogue, by chunk id: ``groups``, ``validity``, ``vector``, ``words``."""

    def refused(self) -> Mapping[str, str]:
        """Chunks that the index would not take, each with the reason."""

    @property
    def trouble(self) -> str:
        """What is not as it should be although searches are answered; empty when nothing is."""

    def close(self) -> None: ...
