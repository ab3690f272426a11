"""A parser without its child process, for tests of what comes after parsing."""

from __future__ import annotations

from core.settings import Ingest
from ingest.blocks import ParsedDocument
from ingest.parsing import ParserProcess, parse
from ingest.readers.raw import Limits


class ParserHere(ParserProcess):
    """Parses in this process, and counts."""

    def __init__(self, settings: Ingest) -> None:
        super().__init__(settings)
        self.count = 0

    def parse(self, name: str, content: bytes) -> ParsedDocument:
        self.count += 1
        return parse(name, content, Limits(10, 10_000))
