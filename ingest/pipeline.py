"""One file after another: read, parse, cut, embed, store. A file is stored whole or not at all."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from core.errors import DocumentRefused
from core.metadata import default_document_id, metadata_digest, parse_metadata
from core.ports import Vectors
from core.settings import Ingest
from core.text.language import language_of
from core.types import Chunk, FileResult, FileState, Metadata
from engines.catalogue import Catalogue
from engines.catalogue.documents import NewVersion
from engines.embedder import SentenceEmbedder
from engines.files import FileStore
from ingest.blocks import ParsedDocument, title_of
from ingest.chunks import chunks_of, embedded_text
from ingest.parsing import ParserProcess


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest: the name that its document id may be made of, its bytes, what its owner says of it.

    ``place`` tells it from others of the same name. A folder's file is known by its name when it comes again; an uploaded one is not.
    """

    name: str
    load: Callable[[], bytes]
    metadata: Mapping[str, Any]
    place: str
    uploaded: bool = False
    size: Callable[[], int] | None = None  # bytes, known before they are read


@dataclass
class Stages:
    """Seconds spent per stage."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, stage: str, since: float) -> float:
        now = time.perf_counter()
        self.seconds[stage] += now - since
        return now

    @property
    def timings(self) -> dict[str, float]:
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}


class Pipeline:
    """The parts that every file of one run or job passes through.

    Args:
        embedder_digest: known before the embedder is loaded, which unchanged files do not need.
        readable: the groups whose documents the uploader may read; None is all.
        hold: called before a version is stored; raises where it must not be.
        restore: take in also what was withdrawn with the same bytes and metadata.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        embedder: Callable[[], SentenceEmbedder],
        parser: ParserProcess,
        settings: Ingest,
        embedder_digest: Callable[[], str] | None = None,
        readable: frozenset[str] | None = None,
        *,
        hold: Callable[[], None] = lambda: None,
        restore: bool = False,
    ) -> None:
        self._hold = hold
        self._restore = restore
        self._catalogue = catalogue
        self._files = files
        self._load_embedder = embedder
        self._embedder_digest = embedder_digest or (lambda: embedder().digest)
        self._readable = readable
        self._places: dict[str, str] = {}  # by document ids that were made of names
        self._parser = parser
        self._settings = settings
        self.stages = Stages()

    def ingest(self, source: SourceFile) -> FileResult:
        """Take one file in. Whatever is wrong with it is the result; an exception says that the catalogue or the machine is at fault."""
        try:
            return self._ingest(source)
        except DocumentRefused as error:
            return FileResult(printable(source.name), FileState.REFUSED, error.message, error.code)

    def _ingest(self, source: SourceFile) -> FileResult:
        started = time.perf_counter()
        if printable(source.name) != source.name:
            raise DocumentRefused("the file's name is not in UTF-8; give it another name", code="unreadable")
        metadata = parse_metadata(dict(source.metadata), source.name, self._readable)
        try:
            if source.size is not None:
                self._parser.check_size(source.size())
            content = source.load()
        except OSError as error:
            raise DocumentRefused(f"the file cannot be opened: {error.strerror or error}", code="unreadable") from error
        digest = hashlib.sha256(content).hexdigest()
        document_id = metadata.document_id or self._id_of_name(source)
        known = self._catalogue.documents.unchanged(document_id, digest, metadata_digest(metadata), self._embedder_digest())
        started = self.stages.add("read", started)
        if known is not None:
            return FileResult(source.name, FileState.UNCHANGED, document_id=document_id, version=known.version, chunks=known.chunks)
        if not self._restore and (number := self._catalogue.documents.withdrawn(document_id, digest, metadata_digest(metadata))) is not None:
            raise DocumentRefused(
                f"{document_id} was withdrawn with these bytes, as version {number}, and stays so; `bankassist ingest --restore` takes it in again",
                code="withdrawn",
            )

        parsed = self._parser.parse(source.name, content)
        started = self.stages.add("parse", started)
        title = metadata.title or title_of(parsed.blocks, PurePosixPath(source.name).stem)
        chunks = chunks_of(parsed, self._settings.chunk_characters, title)
        texts = [embedded_text(title, chunk.heading_path, chunk.text) for chunk in chunks]
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        started = self.stages.add("cut", started)
        embedder = self._load_embedder()
        started = self.stages.add("load model", started)
        vectors = self._vectors(embedder, texts, digests)
        started = self.stages.add("embed", started)
        self._hold()
        self._files.put(content)
        published = self._publish(document_id, metadata, title, source, digest, parsed, list(zip(chunks, digests, strict=True)), embedder, vectors)
        self.stages.add("store", started)
        return published

    def _id_of_name(self, source: SourceFile) -> str:
        document_id = default_document_id(source.name)
        first = self._places.setdefault(document_id, source.place)
        if first != source.place:
            raise DocumentRefused(
                f"{first} and {source.place} have the same name and would be one document; give one of them a document_id, in documents.toml or the metadata",
                code="document_taken",
            )
        return document_id

    def _vectors(self, embedder: SentenceEmbedder, texts: Sequence[str], digests: Sequence[str]) -> Vectors:
        """Embeds only texts that have no vector yet."""
        known = self._catalogue.documents.known_vectors(embedder.digest, digests)
        new = [position for position, digest in enumerate(digests) if digest not in known]
        rows = np.empty((len(texts), embedder.dimension), np.float32)
        if new:
            rows[new] = embedder.embed_passages([texts[position] for position in new])
        for position, digest in enumerate(digests):
            if digest in known:
                rows[position] = known[digest]
        return rows

    def _publish(
        self,
        document_id: str,
        metadata: Metadata,
        title: str,
        source: SourceFile,
        digest: str,
        parsed: ParsedDocument,
        pieces: Sequence[tuple[Chunk, str]],
        embedder: SentenceEmbedder,
        vectors: Vectors,
    ) -> FileResult:
        self._catalogue.documents.add_embedder(embedder.digest, embedder.name, embedder.dimension)
        version = NewVersion(
            document_id=document_id,
            title=title,
            language=metadata.language or language_of(parsed.text),
            product=metadata.product,
            data_level=metadata.data_level,
            groups=metadata.groups,
            valid_from=metadata.valid_from,
            valid_until=metadata.valid_until,
            file_name=PurePosixPath(source.name).name,
            media_type=parsed.media_type,
            content_digest=digest,
            metadata_digest=metadata_digest(metadata),
            text=parsed.text,
        )
        chosen = metadata.document_id is not None or not source.uploaded
        published = self._catalogue.documents.publish(version, pieces, embedder.digest, vectors, readable=self._readable, id_was_chosen=chosen)
        state = FileState.INDEXED if published.created else FileState.UNCHANGED
        return FileResult(source.name, state, document_id=document_id, version=published.version, chunks=published.chunks)


def printable(name: str) -> str:
    """The name with what is not UTF-8 in it written as escapes."""
    return name.encode("utf8", "backslashreplace").decode()
