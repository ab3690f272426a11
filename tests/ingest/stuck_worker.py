"""A worker that stops dead in the middle of its second file: ``python -m tests.ingest.stuck_worker HOME embed|store``."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ingest.worker
from core.ports import Vectors
from core.settings import load_settings
from engines.catalogue.jobs import Jobs
from engines.parts import open_parts
from tests.embedder import HashedEmbedder


def _stop_dead() -> None:
    sys.stdout.write("stuck\n")
    sys.stdout.flush()
    while True:
        signal.pause()


class _StuckEmbedder(HashedEmbedder):
    calls = 0

    def embed_passages(self, texts: Sequence[str], progress: Any = None) -> Vectors:
        self.calls += 1
        if self.calls == 2:
            _stop_dead()
        return self.embed_queries(texts)


def _stuck_store(self: Jobs, job_id: str, worker: str, results: Sequence[Any]) -> bool:
    if len(results) == 2:
        _stop_dead()
    return _STORE(self, job_id, worker, results)


_STORE = Jobs.store

if __name__ == "__main__":
    home, where = sys.argv[1:]
    embedder: Any = HashedEmbedder() if where == "store" else _StuckEmbedder()
    if where == "store":
        setattr(Jobs, "store", _stuck_store)  # noqa: B010, mypy refuses the plain assignment
    vars(ingest.worker)["open_parts"] = functools.partial(open_parts, embedder=embedder)
    ingest.worker.work(load_settings(home=Path(home)), until_idle=True)
