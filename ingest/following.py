"""The index after documents were stored: it follows at once if it can. What is stored is safe whatever becomes of the index."""

from __future__ import annotations

import logging

from core.errors import IndexUnavailable
from engines.parts import Parts

log = logging.getLogger(__name__)


def follow(parts: Parts, *, force: bool = False) -> None:
    """Bring the index up to the catalogue; one that does not answer takes it from the change log as soon as it does."""
    try:
        parts.index.snapshot(force=force)
    except IndexUnavailable as error:
        log.warning("the documents are stored, and will be found once the index takes them: %s", error.message)
