"""What goes wrong between us and the database, in our own words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from core.errors import Unavailable

#: SQLSTATEs (PostgreSQL, appendix A) of transactions that others stood in the way of: lock not available, deadlock, serialisation failure
_OTHERS_IN_THE_WAY = ("55P03", "40P01", "40001")
_TOOK_TOO_LONG = "57014"
#: beginnings of those that are nobody's fault here: connection lost, no resources left, the server stops or starts
_SERVER_TROUBLE = ("08", "53", "57P", "58")
_NOT_ALLOWED = "42501"


class CatalogueUnavailable(Unavailable):
    """The database does not answer, or cannot be used as it is."""

    code = "catalogue_unavailable"


class CatalogueBusy(CatalogueUnavailable):
    """Other processes were in the way for longer than one waits; nothing was stored."""

    code = "catalogue_busy"


@contextmanager
def failures_said(lock_seconds: float) -> Iterator[None]:
    """Raises what the database cannot do now as an error of ours; mistakes in our own statements stay what they are.

    Raises:
        CatalogueBusy: others kept a lock, or all connections, for longer than ``lock_seconds``, or a statement took too long.
        CatalogueUnavailable: the server is gone, stops or is full, or does not let its user work.
    """
    try:
        yield
    except NoConnectionLeft as error:
        raise CatalogueBusy(
            f"all connections to the catalogue have been in use for {lock_seconds:g} s. Try again in a moment; catalogue.pool says how many there are."
        ) from error
    except DBAPIError as error:
        ours = _in_our_words(error, lock_seconds)
        if ours is None:
            raise
        raise ours from error


def reason(error: DBAPIError) -> str:
    """What the driver says, on one line and without our statement and its values."""
    return " ".join(str(error.orig).split()).rstrip(".?")


def _in_our_words(error: DBAPIError, lock_seconds: float) -> CatalogueUnavailable | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return CatalogueBusy(f"the catalogue is busy: other processes have been writing for {lock_seconds:g} s. Try again in a moment.")
        return None
    state = getattr(cause, "sqlstate", None) or ""
    if state in _OTHERS_IN_THE_WAY:
        return CatalogueBusy(f"the catalogue is busy: other processes have been writing for {lock_seconds:g} s. Try again in a moment.")
    if state == _TOOK_TOO_LONG:
        return CatalogueBusy("the catalogue is busy: a statement took longer than catalogue.statement_seconds. Try again in a moment.")
    if state == _NOT_ALLOWED:
        return CatalogueUnavailable(
            f"the catalogue does not let its user work: {reason(error)}. Make the user of catalogue.url the owner of the database and its tables."
        )
    if error.connection_invalidated or state.startswith(_SERVER_TROUBLE) or (not state and type(cause).__name__ == "OperationalError"):
        return CatalogueUnavailable(f"the catalogue does not answer: {reason(error)}. What was not acknowledged may not be stored; try again in a moment.")
    return None
