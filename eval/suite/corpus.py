"""The texts that a suite's evidence points into: of the sample bank of a seed and the suite's own documents, parsed without a model, or of a catalogue."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from core.errors import BadInput, NotFound
from core.metadata import default_document_id, parse_metadata
from core.settings import Ingest
from core.types import PUBLIC
from engines.catalogue import Catalogue
from eval.suite.manifest import CorpusDocument, CorpusNeeds
from examples.samplebank.build import write_bank
from ingest.parsing import parse
from ingest.readers.raw import Limits
from ingest.sources import source_files


@dataclass(frozen=True, slots=True)
class CorpusVersion:
    """A version of a document as the catalogue has it, or would have it once ingested."""

    document_id: str
    version: int
    text: str
    groups: frozenset[str]
    valid_from: date | None = None
    valid_until: date | None = None

    @property
    def digest(self) -> str:
        return text_digest(self.text)

    @property
    def named(self) -> CorpusDocument:
        return CorpusDocument(document_id=self.document_id, version=self.version, digest=self.digest)

    def applies(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day < self.valid_until)

    def readable(self, groups: Iterable[str]) -> bool:
        return bool(self.groups & {PUBLIC, *groups})


def text_digest(text: str) -> str:
    """The digest of a version in a suite's manifest."""
    return hashlib.sha256(text.encode()).hexdigest()


class Corpus:
    """Versions by document id and number."""

    def __init__(self, versions: Iterable[CorpusVersion]) -> None:
        self.versions: Mapping[tuple[str, int], CorpusVersion] = {(one.document_id, one.version): one for one in versions}

    def of(self, document_id: str) -> Sequence[CorpusVersion]:
        """The versions of a document, oldest first."""
        return sorted((one for (name, _), one in self.versions.items() if name == document_id), key=lambda one: one.version)

    def in_force(self, document_id: str, day: date) -> CorpusVersion | None:
        """The version that applies on a day: the latest recorded where several do."""
        return next((one for one in reversed(self.of(document_id)) if one.applies(day)), None)

    def missing(self, needed: Sequence[CorpusDocument]) -> Iterator[str]:
        """What of the needed documents is not here, or is here with another text."""
        for document in needed:
            found = self.versions.get((document.document_id, document.version))
            if found is None:
                yield f"there is no version {document.version} of {document.document_id}"
            elif found.digest != document.digest:
                yield f"version {document.version} of {document.document_id} has another text: {found.digest[:12]} instead of {document.digest[:12]}"


def corpus_of_folders(folders: Sequence[Path], settings: Ingest) -> Corpus:
    """What ingesting the folders into an empty catalogue would give.

    Raises:
        BadInput: a file was refused.
    """
    limits = Limits(settings.max_pages, settings.max_text)
    versions: list[CorpusVersion] = []
    numbers: Counter[str] = Counter()
    for source in source_files(folders, {}):
        metadata = parse_metadata(dict(source.metadata), source.name)
        document_id = metadata.document_id or default_document_id(source.name)
        numbers[document_id] += 1
        text = parse(source.name, source.load(), limits).text
        versions.append(CorpusVersion(document_id, numbers[document_id], text, frozenset(metadata.groups), metadata.valid_from, metadata.valid_until))
    return Corpus(versions)


def corpus_of_bank(seed: int, documents: Path | None, settings: Ingest) -> Corpus:
    """The sample bank of a seed, and documents beside it."""
    with tempfile.TemporaryDirectory(prefix="bankassist-suite-") as folder:
        write_bank(seed, Path(folder))
        return corpus_of_folders([Path(folder), *([documents] if documents else [])], settings)


def corpus_of_catalogue(catalogue: Catalogue, document_ids: Iterable[str]) -> Corpus:
    """All versions of these documents that the catalogue has and that were not withdrawn."""
    versions: list[CorpusVersion] = []
    for document_id in sorted(set(document_ids)):
        try:
            infos = catalogue.documents.versions(document_id)
        except NotFound:
            continue
        versions += [
            CorpusVersion(
                document_id, info.number, catalogue.documents.text(document_id, info.number), frozenset(info.groups), info.valid_from, info.valid_until
            )
            for info in infos
            if info.withdrawn_at is None
        ]
    return Corpus(versions)


def require(corpus: Corpus, needs: CorpusNeeds) -> None:
    """Raises BadInput unless the corpus has every document of the manifest, with the same text."""
    if problems := list(corpus.missing(needs.documents)):
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadInput(f"the corpus is not the suite's: {'; '.join(problems[:3])}{more}", code="other_corpus", param="SUITE")
