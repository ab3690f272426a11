"""The tables of the catalogue, the only source of truth. Alembic's migrations create them; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

#: SQLite numbers rows by itself only for INTEGER keys
_Key = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets time zones, so every value is UTC on the way in and aware on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

documents = Table("documents", metadata, Column("id", String(128), primary_key=True), Column("created_at", Moment, nullable=False))

# a set of groups is stored once; chunks and indexes refer to it by number
group_sets = Table("group_sets", metadata, Column("id", Integer, primary_key=True), Column("names", Text, nullable=False, unique=True))

versions = Table(
    "versions",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("document_id", ForeignKey("documents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # ready, withdrawn
    Column("title", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("product", Text),
    Column("data_level", String(16), nullable=False),
    Column("group_set_id", ForeignKey("group_sets.id"), nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("recorded_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
    Column("file_name", Text, nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("metadata_digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    UniqueConstraint("document_id", "number"),
)

# when a version is the one in force: its own dates less those of versions recorded later
windows = Table(
    "windows",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False, index=True),
    Column("valid_from", Date),
    Column("valid_until", Date),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("heading_path", JSON, nullable=False),
    Column("page", Integer),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("input_digest", String(64), nullable=False, index=True),  # of the text that is embedded
)

embedders = Table(
    "embedders",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id"), primary_key=True),
    Column("embedder", ForeignKey("embedders.digest"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little endian, unit length
)

# append only: what indexes follow
changes = Table(
    "changes",
    metadata,
    Column("sequence", _Key, primary_key=True),
    Column("chunk_id", String(64), nullable=False),
    Column("operation", String(8), nullable=False),  # put, delete
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

#: written out, because a database uses a partial index only where it sees this condition in the statement
OPEN_JOB = text("state IN ('queued', 'running')")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("principal", Text, nullable=False),
    Column("readable", JSON),  # the groups whose documents the uploader may read; null is all
    Column("request", JSON, nullable=False),
    Column("files", JSON, nullable=False),
    Column("timings", JSON, nullable=False),
    Column("reason", Text),
    Column("worker", Text),
    Column("attempts", Integer, nullable=False),  # workers that began the file under way
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("heartbeat_at", Moment),
    Column("finished_at", Moment),
    Index("ix_jobs_open", "created_at", "id", sqlite_where=OPEN_JOB, postgresql_where=OPEN_JOB),  # the few that are not at an end, oldest first
    Index("ix_jobs_created_at", "created_at"),
    Index("ix_jobs_principal_created_at", "principal", "created_at"),
)

adapters = Table(
    "adapters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(16), nullable=False),  # candidate, gated, active, retired
    Column("path", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("activated_at", Moment),
    Column("gated_at", Moment),
    Column("verdict", JSON),  # by which it passed its gate, as it was read
    Column("verdict_digest", String(64)),  # of the verdict's file
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", _Key, primary_key=True),
    Column("id", String(64), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("principal", Text, nullable=False),
    Column("body", JSON, nullable=False),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_digest", String(64), nullable=False, unique=True),
    Column("groups", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

# who may write an index's snapshot at the moment
leases = Table(
    "leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
)
