"""Sample banks of any seed, taken in and ready to be asked, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assistant.bootstrap import Application, LoadedModels, open_application
from core.errors import BankassistError
from core.settings import Settings
from core.types import FileState, Principal
from engines.parts import Parts
from examples.samplebank.build import write_bank
from ingest.parsing import ParserProcess
from ingest.pipeline import Pipeline
from ingest.sources import source_files

#: seeds from here on are for evaluations; training draws none of them
FIRST_SEED = 900_000

_GROUPS = {"customer": (), "staff": ("staff",), "risk": ("staff", "risk")}


def caller(role: str) -> Principal:
    """Somebody who asks, by role in the sample bank."""
    return Principal(f"eval:{role}", frozenset(_GROUPS[role]), frozenset({"ask", "generate", "eval"}))


def take_in(seed: int, folder: Path, parts: Parts, parser: ParserProcess, advance: Callable[[], None] = lambda: None, *, documents: Path | None = None) -> None:
    """Write the bank of a seed below the folder and ingest it.

    Args:
        documents: a folder with others, which are taken in behind it.

    Raises:
        BankassistError: a file was refused, which no file of a sample bank should be.
    """
    write_bank(seed, folder)
    pipeline = Pipeline(parts.catalogue, parts.files, lambda: parts.embedder, parser, parts.settings.ingest)
    for source in source_files([folder, *([documents] if documents else [])], {}):
        result = pipeline.ingest(source)
        if result.state is FileState.REFUSED:
            raise BankassistError(f"{source.name} of seed {seed} was refused: {result.reason}")
        advance()


@contextmanager
def sample_bank(seed: int, settings: Settings, models: LoadedModels, folder: Path) -> Iterator[Application]:
    """The bank of a seed with everything that answers need, in a new home below the folder."""
    home = settings.model_copy(update={"home": folder / "home"})
    with open_application(home, models=models) as application, ParserProcess(settings.ingest) as parser:
        take_in(seed, folder / "bank", application.parts, parser)
        yield application
