"""Documents, their versions and chunks: the part of the catalogue that ingest writes and indexes follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Connection, Insert, Row, Select, and_, delete, exists, func, insert, or_, select, update

from core.errors import DocumentRefused, NotFound
from core.ports import Filter, Vectors
from core.types import Chunk, Language, Passage
from engines.catalogue.database import Database
from engines.catalogue.locks import now, take_lock
from engines.catalogue.tables import changes, chunks, documents, embedders, group_sets, vectors, versions, windows
from engines.catalogue.validity import Window, windows_in_force

#: SQLite takes at most 32,766 values in one statement
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to store, with everything that is known of it. ``groups`` is never empty."""

    document_id: str
    title: str
    language: Language
    product: str | None
    data_level: str
    groups: tuple[str, ...]
    valid_from: date | None
    valid_until: date | None
    file_name: str
    media_type: str
    content_digest: str
    metadata_digest: str
    text: str


@dataclass(frozen=True, slots=True)
class Published:
    """``created`` is False when a version in force had the same bytes and metadata already, and vectors of the embedder."""

    document_id: str
    version: int
    created: bool
    chunks: int


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """``in_force`` is what the versions that the reader may know of leave of its validity."""

    document_id: str
    number: int
    state: str
    title: str
    language: Language
    product: str | None
    data_level: str
    groups: tuple[str, ...]
    valid_from: date | None
    valid_until: date | None
    in_force: tuple[Window, ...]
    recorded_at: datetime
    withdrawn_at: datetime | None
    file_name: str
    media_type: str
    content_digest: str
    chunks: int


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A chunk as an index needs it. A chunk without a window in force is not searchable."""

    chunk_id: str
    groups: tuple[str, ...]
    windows: tuple[Window, ...]
    vector: Vectors
    text: str


class Documents:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- writing ---------------------------------------------------------------------------------

    def unchanged(self, document_id: str, content_digest: str, metadata_digest: str, embedder: str) -> Published | None:
        """The version with the same bytes and metadata that is in force on some day and can be found with the embedder, if there is one.

        A folder may hold several versions of a document: taken in again, none of them is news.
        """
        with self._database.read() as connection:
            same = _same(connection, document_id, content_digest, metadata_digest)
            return same.published(False) if same and not _without_vectors(connection, embedder, chunks.c.version_id == same.key) else None

    def withdrawn(self, document_id: str, content_digest: str, metadata_digest: str) -> int | None:
        """The number of a withdrawn version with the same bytes and metadata, if there is one: somebody took it out, and taking a folder in
        again must not bring it back."""
        same = and_(versions.c.document_id == document_id, versions.c.content_digest == content_digest, versions.c.metadata_digest == metadata_digest)
        with self._database.read() as connection:
            number: int | None = connection.scalar(select(func.max(versions.c.number)).where(same, versions.c.state == "withdrawn"))
        return number

    def known_vectors(self, embedder: str, input_digests: Sequence[str]) -> dict[str, Vectors]:
        """Vectors that exist already for the same embedded text, by its digest."""
        found: dict[str, Vectors] = {}
        with self._database.read() as connection:
            for part in _batches(input_digests):
                rows = connection.execute(
                    select(chunks.c.input_digest, vectors.c.vector)
                    .join(vectors, vectors.c.chunk_id == chunks.c.id)
                    .where(vectors.c.embedder == embedder, chunks.c.input_digest.in_(part))
                )
                found.update({digest: _vector(data) for digest, data in rows})
        return found

    def publish(
        self,
        version: NewVersion,
        pieces: Sequence[tuple[Chunk, str]],
        embedder: str,
        embedded: Vectors,
        *,
        readable: frozenset[str] | None = None,
        id_was_chosen: bool = True,
    ) -> Published:
        """Store a version, its chunks (each with the digest of its embedded text) and their vectors in one transaction.

        The version is in force from its ``valid_from``; what it supersedes is no longer found from that day on. A version that
        was embedded with another model gets the vectors that it lacks.

        Args:
            readable: the groups whose documents the uploader may read; None is all.
            id_was_chosen: the document is meant; else its id comes from a file's name alone, which another file may have too.

        Raises:
            DocumentRefused: the document has a version that the uploader may not read, or is made of another file (code ``document_taken``).
        """
        with self._database.write() as connection:
            take_lock(connection, _lock_of(version.document_id))
            moment = now(connection)
            _refuse_taken(connection, version, readable, id_was_chosen)
            if same := _same(connection, version.document_id, version.content_digest, version.metadata_digest):
                vectors_by_text = {digest: row for (_, digest), row in zip(pieces, embedded, strict=True)}
                lacking = connection.execute(_without_vectors_query(embedder, chunks.c.version_id == same.key)).all()
                if all(chunk.input_digest in vectors_by_text for chunk in lacking):
                    ids = [chunk.id for chunk in lacking]
                    _insert_vectors(connection, ids, embedder, [vectors_by_text[chunk.input_digest] for chunk in lacking])
                    _log(connection, ids, "put", moment)
                    return same.published(bool(ids))
            if connection.scalar(select(documents.c.id).where(documents.c.id == version.document_id)) is None:
                connection.execute(insert(documents).values(id=version.document_id, created_at=moment))
            number = 1 + (connection.scalar(select(func.max(versions.c.number)).where(versions.c.document_id == version.document_id)) or 0)
            version_id = _new_key(
                connection,
                insert(versions).values(
                    document_id=version.document_id,
                    number=number,
                    state="ready",
                    title=version.title,
                    language=version.language,
                    product=version.product,
                    data_level=version.data_level,
                    group_set_id=_group_set(connection, version.groups),
                    valid_from=version.valid_from,
                    valid_until=version.valid_until,
                    recorded_at=moment,
                    file_name=version.file_name,
                    media_type=version.media_type,
                    content_digest=version.content_digest,
                    metadata_digest=version.metadata_digest,
                    text=version.text,
                ),
            )
            _insert_chunks(connection, version_id, [_chunk_id(version.document_id, number, chunk) for chunk, _ in pieces], pieces, embedder, embedded)
            _renew_windows(connection, version.document_id, moment)
        return Published(version.document_id, number, True, len(pieces))

    def add_embedder(self, digest: str, name: str, dimension: int) -> None:
        """Make an embedder known; vectors refer to it."""
        known = select(embedders.c.digest).where(embedders.c.digest == digest)
        with self._database.read() as connection:
            if connection.scalar(known) is not None:
                return
        with self._database.write() as connection:
            take_lock(connection, "embedders")
            if connection.scalar(known) is None:
                connection.execute(insert(embedders).values(digest=digest, name=name, dimension=dimension, created_at=now(connection)))

    def dimension(self, embedder: str) -> int | None:
        """That of an embedder's vectors; None where nothing was embedded with it yet."""
        with self._database.read() as connection:
            found: int | None = connection.scalar(select(embedders.c.dimension).where(embedders.c.digest == embedder))
        return found

    def withdraw(self, document_id: str, number: int | None = None, readable: frozenset[str] | None = None) -> int:
        """Take a document, or one version of it, out of every answer at once; returns how many versions were withdrawn.

        Args:
            readable: the groups whose documents the caller may read; None is all.

        Raises:
            NotFound: no such document or version, or it was withdrawn before, or the caller may not read all of what is not withdrawn.
        """
        with self._database.write() as connection:
            take_lock(connection, _lock_of(document_id))
            moment = now(connection)
            which = and_(versions.c.document_id == document_id, versions.c.state == "ready", *([versions.c.number == number] if number is not None else []))
            allowed = all(_may_read(readable, row.names) for row in _ready(connection, document_id))
            count = connection.execute(update(versions).where(which).values(state="withdrawn", withdrawn_at=moment)).rowcount if allowed else 0
            if not count:
                raise NotFound(
                    f"no document {document_id!r}{f' version {number}' if number is not None else ''} that is not withdrawn already", code="document_not_found"
                )
            _renew_windows(connection, document_id, moment)
        return count

    # -- reading ---------------------------------------------------------------------------------

    def newest(self, readable: frozenset[str] | None = None, after: str = "", limit: int = 100) -> list[VersionInfo]:
        """The newest version of each document in order of id, those of withdrawn documents too.

        Args:
            readable: the newest of those versions that these groups may read; None means all.
        """
        query = (
            select(versions.c.document_id, group_sets.c.names)
            .join(group_sets, group_sets.c.id == versions.c.group_set_id)
            .where(versions.c.document_id > after)
            .distinct()
            .order_by(versions.c.document_id)
        )
        with self._database.read() as connection:
            known = (document_id for document_id, names in connection.execute(query) if _may_read(readable, names))
            ids = list(islice((document_id for document_id, _ in groupby(known)), limit))
            return [_infos(connection, document_id, readable)[-1] for document_id in ids]

    def versions(self, document_id: str, readable: frozenset[str] | None = None) -> list[VersionInfo]:
        """All versions of a document that the groups may read, oldest first.

        Raises:
            NotFound: no such document, or none of it is for these groups: the caller cannot tell which.
        """
        with self._database.read() as connection:
            infos = _infos(connection, document_id, readable)
        if not infos:
            raise NotFound(f"no document {document_id!r}", code="document_not_found")
        return infos

    def version(self, document_id: str, number: int, readable: frozenset[str] | None = None) -> VersionInfo:
        """One version.

        Raises:
            NotFound: as :meth:`versions`.
        """
        for info in self.versions(document_id, readable):
            if info.number == number:
                return info
        raise NotFound(f"document {document_id!r} has no version {number}", code="document_not_found")

    def text(self, document_id: str, number: int) -> str:
        """The normalised text that offsets refer to."""
        with self._database.read() as connection:
            text = connection.scalar(select(versions.c.text).where(versions.c.document_id == document_id, versions.c.number == number))
        if text is None:
            raise NotFound(f"document {document_id!r} has no version {number}", code="document_not_found")
        return str(text)

    def chunk_places(self, document_id: str, number: int) -> list[tuple[str, int, int]]:
        """The chunks of a version in order: id, start and end in its text."""
        query = (
            select(chunks.c.id, chunks.c.start, chunks.c.end)
            .join(versions, versions.c.id == chunks.c.version_id)
            .where(versions.c.document_id == document_id, versions.c.number == number)
            .order_by(chunks.c.ordinal)
        )
        with self._database.read() as connection:
            return [(row.id, row.start, row.end) for row in connection.execute(query)]

    def readable_passages(self, chunk_ids: Sequence[str], only: Filter) -> dict[str, Passage]:
        """The chunks that may be shown, by id: what the index returns is looked up here, so withdrawal and lost rights work at once."""
        in_force = and_(
            or_(windows.c.valid_from.is_(None), windows.c.valid_from <= only.as_of), or_(windows.c.valid_until.is_(None), windows.c.valid_until > only.as_of)
        )
        query = (
            select(chunks, versions.c.document_id, versions.c.number, versions.c.title, versions.c.data_level, group_sets.c.names)
            .join(versions, versions.c.id == chunks.c.version_id)
            .join(group_sets, group_sets.c.id == versions.c.group_set_id)
            .join(windows, windows.c.version_id == versions.c.id)
            .where(chunks.c.id.in_(chunk_ids), versions.c.state == "ready", in_force)
        )
        with self._database.read() as connection:
            return {
                row.id: Passage(
                    rank=0,
                    chunk_id=row.id,
                    document_id=row.document_id,
                    version=row.number,
                    title=row.title,
                    heading_path=tuple(row.heading_path),
                    page=row.page,
                    start=row.start,
                    end=row.end,
                    text=row.text,
                    data_level=row.data_level,
                )
                for row in connection.execute(query)
                if _may_read(only.groups, row.names)
            }

    def counts(self) -> Mapping[str, int]:
        """Documents that can be found, versions and chunks."""
        with self._database.read() as connection:
            return {
                "documents": connection.scalar(select(func.count(versions.c.document_id.distinct())).where(versions.c.state == "ready")) or 0,
                "versions": connection.scalar(select(func.count()).select_from(versions)) or 0,
                "chunks": connection.scalar(select(func.count()).select_from(chunks)) or 0,
            }

    def digest(self) -> str:
        """Names the content: every version with its bytes, its metadata and whether it was withdrawn, whatever catalogue they lie in."""
        found = hashlib.sha256()
        columns = (versions.c.document_id, versions.c.number, versions.c.content_digest, versions.c.metadata_digest, versions.c.state)
        with self._database.read() as connection:
            for row in connection.execute(select(*columns).order_by(versions.c.document_id, versions.c.number)):
                found.update(f"{json.dumps(list(row))}\n".encode())
        return found.hexdigest()

    # -- what indexes follow ---------------------------------------------------------------------

    def head(self) -> int:
        """The sequence number of the last change; 0 in an empty catalogue."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(changes.c.sequence))) or 0

    def mark(self, sequence: int) -> str | None:
        """Names the change with a sequence number apart from those of other catalogues; None without such a change."""
        with self._database.read() as connection:
            row = connection.execute(select(changes.c.chunk_id, changes.c.at).where(changes.c.sequence == sequence)).first()
        return f"{row.chunk_id} {row.at.isoformat()}" if row else None

    def changed_chunks(self, after: int, until: int) -> list[str]:
        """The chunks changed after one sequence number and up to another, each once."""
        with self._database.read() as connection:
            query = select(changes.c.chunk_id).where(changes.c.sequence > after, changes.c.sequence <= until).distinct().order_by(changes.c.chunk_id)
            return list(connection.scalars(query))

    def index_entries(self, embedder: str, chunk_ids: Sequence[str] | None = None) -> Iterator[IndexEntry]:
        """The searchable ones of the given chunks (None: of all) that have a vector of the embedder, as they are now, in order of id."""
        with self._database.read() as connection:
            if chunk_ids is None:
                chunk_ids = list(
                    connection.scalars(select(chunks.c.id).join(windows, windows.c.version_id == chunks.c.version_id).distinct().order_by(chunks.c.id))
                )
            for part in _batches(chunk_ids):
                yield from _entries(connection, embedder, part)

    def without_vectors(self, embedder: str, chunk_ids: Sequence[str] | None = None) -> int:
        """How many of the given chunks (None: of all) are in force but cannot be found, because another model embedded them."""
        in_force = chunks.c.version_id.in_(select(windows.c.version_id))
        with self._database.read() as connection:
            if chunk_ids is None:
                return _without_vectors(connection, embedder, in_force)
            return sum(_without_vectors(connection, embedder, and_(in_force, chunks.c.id.in_(part))) for part in _batches(chunk_ids))


class _Same(NamedTuple):
    """A stored version with the same bytes and metadata."""

    key: int
    document_id: str
    number: int
    chunks: int

    def published(self, created: bool) -> Published:
        return Published(self.document_id, self.number, created, self.chunks)


def _lock_of(document_id: str) -> str:
    """The lock under which one transaction at a time changes a document."""
    return f"document {document_id}"


def _same(connection: Connection, document_id: str, content_digest: str, metadata_digest: str) -> _Same | None:
    same = and_(versions.c.document_id == document_id, versions.c.content_digest == content_digest, versions.c.metadata_digest == metadata_digest)
    row = connection.execute(
        select(versions.c.id, versions.c.number)
        .where(same, versions.c.state == "ready", versions.c.id.in_(select(windows.c.version_id)))
        .order_by(versions.c.number.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    count = connection.scalar(select(func.count()).select_from(chunks).where(chunks.c.version_id == row.id)) or 0
    return _Same(row.id, document_id, row.number, count)


def _without_vectors_query(embedder: str, which: ColumnElement[bool]) -> Select[tuple[str, str]]:
    has_vector = exists().where(vectors.c.chunk_id == chunks.c.id, vectors.c.embedder == embedder)
    return select(chunks.c.id, chunks.c.input_digest).where(which, ~has_vector).order_by(chunks.c.ordinal)


def _without_vectors(connection: Connection, embedder: str, which: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(_without_vectors_query(embedder, which).subquery())) or 0


def _may_read(readable: frozenset[str] | None, names: str) -> bool:
    """Whether groups (None: all) may read what has the stored set of groups."""
    return readable is None or not readable.isdisjoint(json.loads(names))


def _ready(connection: Connection, document_id: str) -> Sequence[Row[str, str]]:
    """The versions of a document that are not withdrawn."""
    return connection.execute(
        select(versions.c.content_digest, group_sets.c.names)
        .join(group_sets, group_sets.c.id == versions.c.group_set_id)
        .where(versions.c.document_id == document_id, versions.c.state == "ready")
    ).all()


def _refuse_taken(connection: Connection, version: NewVersion, readable: frozenset[str] | None, id_was_chosen: bool) -> None:
    ready = _ready(connection, version.document_id)
    if not all(_may_read(readable, row.names) for row in ready):
        raise DocumentRefused(f"document_id {version.document_id} is not free for this key; give another document_id", code="document_taken")
    if ready and not id_was_chosen and version.content_digest not in {row.content_digest for row in ready}:
        raise DocumentRefused(
            f"another file of the name {version.file_name} is document {version.document_id}; "
            "give that document_id to make this a new version of it, or another one to make it a document of its own",
            code="document_taken",
        )


def _new_key(connection: Connection, statement: Insert) -> int:
    key = connection.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])


def _group_set(connection: Connection, groups: Iterable[str]) -> int:
    names = json.dumps(sorted(set(groups)), ensure_ascii=False)
    known = select(group_sets.c.id).where(group_sets.c.names == names)
    if (found := connection.scalar(known)) is None:
        take_lock(connection, f"group set {names}")
        found = connection.scalar(known)
    return found if found is not None else _new_key(connection, insert(group_sets).values(names=names))


def _chunk_id(document_id: str, number: int, chunk: Chunk) -> str:
    return hashlib.sha256(json.dumps([document_id, number, chunk.ordinal, chunk.text]).encode()).hexdigest()


def _insert_chunks(connection: Connection, version_id: int, ids: Sequence[str], pieces: Sequence[tuple[Chunk, str]], embedder: str, embedded: Vectors) -> None:
    connection.execute(
        insert(chunks),
        [
            {
                "id": chunk_id,
                "version_id": version_id,
                "ordinal": chunk.ordinal,
                "heading_path": list(chunk.heading_path),
                "page": chunk.page,
                "start": chunk.start,
                "end": chunk.end,
                "text": chunk.text,
                "input_digest": digest,
            }
            for chunk_id, (chunk, digest) in zip(ids, pieces, strict=True)
        ],
    )
    _insert_vectors(connection, ids, embedder, embedded)


def _insert_vectors(connection: Connection, ids: Sequence[str], embedder: str, embedded: Iterable[Vectors]) -> None:
    rows = [{"chunk_id": chunk_id, "embedder": embedder, "vector": row.astype("<f4").tobytes()} for chunk_id, row in zip(ids, embedded, strict=True)]
    if rows:
        connection.execute(insert(vectors), rows)


def _log(connection: Connection, ids: Iterable[str], operation: str, moment: datetime) -> None:
    """Append changes. Their numbers follow the order of the commits: a follower that has seen 2 would never ask for a 1 that is committed later."""
    rows = [{"chunk_id": chunk_id, "operation": operation, "at": moment} for chunk_id in ids]
    if rows:
        take_lock(connection, "change log")
        connection.execute(insert(changes), rows)


def _renew_windows(connection: Connection, document_id: str, moment: datetime) -> None:
    """Compute again when each version is in force, and log every chunk for which that changed."""
    rows = connection.execute(
        select(versions.c.id, versions.c.state, versions.c.valid_from, versions.c.valid_until)
        .where(versions.c.document_id == document_id)
        .order_by(versions.c.number)
    ).all()
    in_force = _in_force(rows)
    for row in rows:
        stored = connection.execute(select(windows.c.valid_from, windows.c.valid_until).where(windows.c.version_id == row.id).order_by(windows.c.id)).all()
        before = tuple(Window(*window) for window in stored)
        after = in_force.get(row.id, ())
        if before != after:
            connection.execute(delete(windows).where(windows.c.version_id == row.id))
            if after:
                connection.execute(insert(windows), [{"version_id": row.id, "valid_from": window.start, "valid_until": window.end} for window in after])
            _log(
                connection,
                connection.scalars(select(chunks.c.id).where(chunks.c.version_id == row.id).order_by(chunks.c.ordinal)),
                "put" if after else "delete",
                moment,
            )


def _in_force(rows: Sequence[Any]) -> dict[int, tuple[Window, ...]]:
    """When versions of one document, oldest first, are in force, by their keys; withdrawn ones never are."""
    ready = [row for row in rows if row.state == "ready"]
    return dict(zip([row.id for row in ready], windows_in_force([Window(row.valid_from, row.valid_until) for row in ready]), strict=True))


def _infos(connection: Connection, document_id: str, readable: frozenset[str] | None) -> list[VersionInfo]:
    """The versions that groups (None: all) may read, oldest first, as if there were no others."""
    count = select(func.count()).where(chunks.c.version_id == versions.c.id).scalar_subquery()
    found = connection.execute(
        select(*(column for column in versions.c if column is not versions.c.text), group_sets.c.names, count.label("chunks"))
        .join(group_sets, group_sets.c.id == versions.c.group_set_id)
        .where(versions.c.document_id == document_id)
        .order_by(versions.c.number)
    )
    rows = [row for row in found if _may_read(readable, row.names)]
    in_force = _in_force(rows)
    return [
        VersionInfo(
            document_id=row.document_id,
            number=row.number,
            state=row.state,
            title=row.title,
            language=row.language,
            product=row.product,
            data_level=row.data_level,
            groups=tuple(json.loads(row.names)),
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            in_force=in_force.get(row.id, ()),
            recorded_at=row.recorded_at,
            withdrawn_at=row.withdrawn_at,
            file_name=row.file_name,
            media_type=row.media_type,
            content_digest=row.content_digest,
            chunks=row.chunks,
        )
        for row in rows
    ]


def _entries(connection: Connection, embedder: str, chunk_ids: Sequence[str]) -> list[IndexEntry]:
    query = (
        select(
            chunks.c.id,
            chunks.c.heading_path,
            chunks.c.text,
            versions.c.title,
            group_sets.c.names,
            vectors.c.vector,
            windows.c.valid_from,
            windows.c.valid_until,
        )
        .join(versions, versions.c.id == chunks.c.version_id)
        .join(group_sets, group_sets.c.id == versions.c.group_set_id)
        .join(windows, windows.c.version_id == versions.c.id)
        .join(vectors, and_(vectors.c.chunk_id == chunks.c.id, vectors.c.embedder == embedder))
        .where(chunks.c.id.in_(chunk_ids), versions.c.state == "ready")
        .order_by(chunks.c.id, windows.c.id)
    )
    entries: dict[str, IndexEntry] = {}
    for row in connection.execute(query):
        known = entries.get(row.id)
        in_force = (*(known.windows if known else ()), Window(row.valid_from, row.valid_until))
        entries[row.id] = IndexEntry(row.id, tuple(json.loads(row.names)), in_force, _vector(row.vector), searched_text(row.title, row.heading_path, row.text))
    return list(entries.values())


def searched_text(title: str, heading_path: Sequence[str], text: str) -> str:
    """What both legs index of a chunk: its title, headings and text."""
    return "\n".join([title, " > ".join(heading_path), text])


def _vector(data: bytes) -> Vectors:
    return np.frombuffer(data, "<f4")


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
