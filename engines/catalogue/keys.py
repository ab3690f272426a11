"""API keys: shown once, stored as digests. A key carries the groups whose documents it may read and the scopes of what it may do."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from core.errors import BadInput, NotAuthenticated, NotFound
from core.metadata import GROUP
from core.types import Principal
from engines.catalogue.database import Database
from engines.catalogue.tables import api_keys

#: what a key may be allowed to do
SCOPES = {
    "ask": "questions and searches",
    "generate": "generation without retrieval, and answers without checks",
    "documents": "read the list of documents and their text",
    "ingest": "upload and withdraw documents, see jobs",
    "adapters": "see adapters",
    "eval": "scores in search results",
    "admin": "everything of all callers: jobs, metrics",
}


@dataclass(frozen=True, slots=True)
class KeyInfo:
    id: str
    name: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, groups: Sequence[str], scopes: Sequence[str]) -> str:
        """Make a key and return it; it cannot be shown again.

        Raises:
            BadInput: an unknown scope, or none, or a group that no document can have.
        """
        for group in groups:
            if not re.fullmatch(GROUP, group):
                raise BadInput(
                    f"{group!r} is no name of a group: it has at most 64 lower-case letters, digits, `.`, `_` and `-`, such as staff", param="groups"
                )
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise BadInput(f"unknown scope {unknown[0]!r}; there are {', '.join(SCOPES)}", param="scopes")
        if not scopes:
            raise BadInput(f"a key needs at least one scope of {', '.join(SCOPES)}", param="scopes")
        secret = f"ba_{secrets.token_urlsafe(32)}"
        with self._database.write() as connection:
            connection.execute(
                insert(api_keys).values(
                    id=secrets.token_hex(4),
                    name=name,
                    secret_digest=_digest(secret),
                    groups=sorted(set(groups)),
                    scopes=sorted(set(scopes)),
                    created_at=datetime.now(UTC),
                )
            )
        return secret

    def authenticate(self, secret: str) -> Principal:
        """Who holds this key.

        Raises:
            NotAuthenticated: no such key, or it was revoked.
        """
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.secret_digest == _digest(secret), api_keys.c.revoked_at.is_(None))).first()
        if row is None:
            raise NotAuthenticated("the API key is wrong or was revoked. Send `Authorization: Bearer ba_...`; `bankassist keys create` makes a key.")
        return Principal(f"{row.name} ({row.id})", frozenset(row.groups), frozenset(row.scopes))

    def all(self) -> list[KeyInfo]:
        with self._database.read() as connection:
            return [_info(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))]

    def revoke(self, key_id: str) -> None:
        """End a key at once.

        Raises:
            NotFound: no such key, or it was revoked before.
        """
        with self._database.write() as connection:
            if not connection.execute(
                update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=datetime.now(UTC))
            ).rowcount:
                raise NotFound(f"no key {key_id!r} that is not revoked already; `bankassist keys list` shows the ids", code="key_not_found")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()  # a random 256-bit secret needs no slow hash


def _info(row: Row[Any]) -> KeyInfo:
    return KeyInfo(row.id, row.name, tuple(row.groups), tuple(row.scopes), row.created_at, row.revoked_at)
