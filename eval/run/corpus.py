"""What a suite is asked over: the sample bank of its seed in a home of its own, kept for the next run, or the catalogue of the settings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from adapters.registry import register_released
from assistant.answer import Assistant
from assistant.bootstrap import Application, LoadedModels, open_application
from core.errors import NotFound
from core.settings import Catalogue as CatalogueSettings
from core.settings import Index as IndexSettings
from core.settings import Settings, make_home
from engines.catalogue import Catalogue
from engines.catalogue.adapters import AdapterRegistry
from engines.parts import open_parts
from eval.bank import take_in
from eval.run.digests import digest_of, folder_digest
from eval.run.record import Record
from eval.suite.corpus import corpus_of_catalogue, require
from eval.suite.file import Suite
from ingest.parsing import ParserProcess

#: below the cache folder of the settings' home
_FOLDER = "eval"


def cache_folder(settings: Settings) -> Path:
    """Where evaluations keep what may be used again."""
    return settings.home / "cache" / _FOLDER


@contextmanager
def opened(settings: Settings, models: LoadedModels, suite: Suite, notify: Callable[[str], None] = lambda _: None) -> Iterator[Application]:
    """The application over the suite's corpus. Adapters are those of the settings' home, whatever the corpus.

    Raises:
        BadInput: the corpus lacks a document of the suite, or has it with another text.
        BankassistError: a document of the suite was refused.
    """
    needs = suite.manifest.corpus
    if needs.sample_bank is None:
        with open_application(settings, notify, models) as application:
            _check(application.parts.catalogue, suite)
            yield application
        return
    make_home(settings)
    home = settings.model_copy(update={"home": bank_home(settings, models, suite, notify), "catalogue": CatalogueSettings(), "index": IndexSettings()})
    catalogue = Catalogue.open(settings.home, settings.catalogue)
    try:
        register_released(catalogue.adapters, models.generator.base_digest)
        with open_application(home, notify, models) as application:
            _check(application.parts.catalogue, suite)
            yield replace(application, assistant=_with_adapters(application.assistant, catalogue.adapters))
    finally:
        catalogue.close()


def bank_home(settings: Settings, models: LoadedModels, suite: Suite, notify: Callable[[str], None] = lambda _: None) -> Path:
    """The home with the sample bank and the suite's own documents; made where it is not there yet, and then there as a whole or not at all."""
    seed = suite.manifest.corpus.sample_bank
    assert seed is not None
    made_of = {
        "seed": seed,
        "documents": folder_digest(suite.documents) if suite.documents else None,
        "sources": [folder_digest_of(package) for package in ("examples", "ingest")],
        "ingest": settings.ingest.model_dump(mode="json"),
        "embedder": models.embedder.digest,
    }
    parent = cache_folder(settings) / "banks"
    place = parent / f"{seed}-{digest_of(made_of)[:16]}"
    if place.is_dir():
        return place / "home"
    notify(f"taking in the sample bank of seed {seed}{' and the documents of the suite' if suite.documents else ''}: once")
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=parent))
    try:
        fresh = settings.model_copy(update={"home": building / "home", "catalogue": CatalogueSettings(), "index": IndexSettings()})
        with open_parts(fresh, notify, models.embedder) as parts, ParserProcess(settings.ingest) as parser:
            take_in(seed, building / "bank", parts, parser, documents=suite.documents)
            parts.index.refresh()
        shutil.rmtree(building / "bank")
        with suppress(OSError):  # another process was faster: its home is as good
            building.rename(place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return place / "home"


def readers(catalogue: Catalogue, records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """The groups that may read each version that was retrieved or cited, by ``ID@VERSION``; without those that the catalogue does not have."""
    found: dict[str, tuple[str, ...]] = {}
    seen = {one.document_id for record in records for one in record.retrieved} | {one.document_id for record in records for one in record.cited}
    for document in sorted(seen):
        with suppress(NotFound):
            found |= {f"{document}@{info.number}": tuple(sorted(info.groups)) for info in catalogue.documents.versions(document)}
    return found


def folder_digest_of(package: str) -> str:
    """Of the Python and data files of a package that write or read documents."""
    folder = Path(str(files(package)))
    names = [path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".md", ".yaml", ".toml")]
    return digest_of([[path.relative_to(folder).as_posix(), path.read_text("utf8")] for path in names])


def _check(catalogue: Catalogue, suite: Suite) -> None:
    needs = suite.manifest.corpus
    require(corpus_of_catalogue(catalogue, [document.document_id for document in needs.documents]), needs)


def _with_adapters(assistant: Assistant, registry: AdapterRegistry) -> Assistant:
    return replace(assistant, router=replace(assistant.router, registry=registry))
