"""``python -m bench.postgres plans|claims URL``: how PostgreSQL runs the catalogue's statements once it has grown, and how fast workers claim jobs.

URL is that of an empty database, which it fills. ``plans`` calls the catalogue's own methods, takes the statements that they send, and has the server
explain them: (ANALYZE), so they are run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import event, text

from core.ports import Filter
from core.settings import Catalogue as CatalogueSettings
from engines.catalogue import Catalogue
from engines.catalogue.jobs import JobFile

EMBEDDER = "e" * 64
CLAIMS = 400

#: a bank of 2,500 documents in two versions, 100,000 chunks, 20,000 jobs and 5,000 that wait, 200,000 audit records
_GROW = r"""
INSERT INTO group_sets (names) SELECT format('["group-%s", "staff"]', n) FROM generate_series(1, 20) n;
INSERT INTO embedders VALUES (:embedder, 'grown', 384, now());
INSERT INTO documents SELECT 'document-' || n, now() FROM generate_series(1, 2500) n;
INSERT INTO versions (document_id, number, state, title, language, data_level, group_set_id, valid_from, recorded_at, file_name, media_type, content_digest,
                      metadata_digest, text)
  SELECT 'document-' || d, v, CASE WHEN d % 50 = 0 THEN 'withdrawn' ELSE 'ready' END, 'Document ' || d, 'en', 'internal', 1 + d % 20,
         date '2024-01-01' + 365 * (v - 1), now(), d || '.pdf', 'application/pdf', md5(d || ' ' || v) || md5(d::text), md5(d::text) || md5(v::text),
         repeat('The annual fee of the card is USD 45.00. ', 300)
  FROM generate_series(1, 2500) d, generate_series(1, 2) v;
INSERT INTO windows (version_id, valid_from, valid_until)
  SELECT id, valid_from, CASE WHEN number = 1 THEN valid_from + 365 END FROM versions WHERE state = 'ready';
INSERT INTO chunks SELECT md5(v.id || ' ' || n) || md5(n || ' ' || v.id), v.id, n, '["Fees", "Cards"]', n, n * 600, n * 600 + 600,
         repeat(md5(v.id || '-' || n) || ' ', 18), md5(n || ' text ' || v.id) || md5(v.id::text)
  FROM versions v, generate_series(1, 20) n;
INSERT INTO vectors SELECT id, :embedder, decode(repeat(md5(id), 96), 'hex') FROM chunks;
INSERT INTO changes (chunk_id, operation, at) SELECT id, 'put', now() FROM chunks ORDER BY version_id;
INSERT INTO jobs (id, state, principal, request, files, timings, attempts, created_at, started_at, heartbeat_at, finished_at)
  SELECT 'job-' || md5(n::text), CASE WHEN n % 20 = 0 THEN 'partly_done' ELSE 'done' END, 'caller-' || n % 40,
         '[{"name": "fees.pdf", "digest": "0", "metadata": {}}]', '[]', '{}', 1, now() - n * interval '1 minute', now(), now(), now()
  FROM generate_series(1, 20000) n;
INSERT INTO jobs (id, state, principal, request, files, timings, attempts, created_at)
  SELECT 'job-open-' || n, 'queued', 'caller-' || n % 40, '[{"name": "fees.pdf", "digest": "0", "metadata": {}}]', '[]', '{}', 0, now() FROM generate_series(1, 5000) n;
INSERT INTO audit (id, kind, at, principal, body)
  SELECT 'aud-' || md5((n / 2)::text), 'answer.started', now(), 'caller-' || n % 40, json_build_object('question', repeat('what does it cost? ', 20))
  FROM generate_series(1, 200000) n;
INSERT INTO adapters SELECT name, v, CASE WHEN v = 10 THEN 'active' ELSE 'retired' END, '/adapters/' || name, md5(name || v), '{"base": {}}', now(), now()
  FROM unnest(ARRAY['customer-service', 'loan-risk', 'compliance']) name, generate_series(1, 10) v;
ANALYZE;
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.postgres", description=__doc__)
    parser.add_argument("what", choices=["plans", "claims", "claimer"])
    parser.add_argument("url")
    given = parser.parse_args()
    catalogue = Catalogue.open(Path(), CatalogueSettings(url=SecretStr(given.url)))
    try:
        {"plans": plans, "claims": claims, "claimer": _claimer}[given.what](catalogue, given.url)
    finally:
        catalogue.close()


def plans(catalogue: Catalogue, _url: str) -> None:
    """Print the plan of every statement of the calls that a service and its workers make most."""
    _refuse_used(catalogue)
    with catalogue.database.write() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in filter(str.strip, _GROW.split(";\n")):
            connection.execute(text(re.sub(r"::", r"\\:\\:", statement)), {"embedder": EMBEDDER} if ":embedder" in statement else {})
    secret = [catalogue.keys.create(f"caller {number}", ["staff"], ["ask"]) for number in range(200)][100]
    with catalogue.database.read() as connection:
        some = connection.scalars(text("SELECT id FROM chunks ORDER BY id LIMIT 100")).all()
        digests = connection.scalars(text("SELECT input_digest FROM chunks ORDER BY id LIMIT 40")).all()
    documents, jobs = catalogue.documents, catalogue.jobs
    head = documents.head()
    calls: dict[str, Callable[[], object]] = {
        "each request: whose key is it": lambda: catalogue.keys.authenticate(secret),
        "each answer, for each task: which adapter is active": lambda: catalogue.adapters.get("compliance"),
        "each search: has anything changed": documents.head,
        "each search: which of the 5 best candidates may be shown": lambda: documents.readable_passages(
            some[::20], Filter(frozenset({"staff"}), date(2026, 1, 1))
        ),
        "each worker, four times a second: is there a job": lambda: jobs.claim("nobody"),
        "follower: what changed, and those chunks": lambda: (documents.changed_chunks(head - 20, head), list(documents.index_entries(EMBEDDER, some[:20]))),
        "each file: is it news, and which vectors are known": lambda: (
            documents.unchanged("document-7", "a", "b", EMBEDDER),
            documents.known_vectors(EMBEDDER, digests),
        ),
        "jobs of a caller": lambda: jobs.recent("caller-7"),
        "jobs of everybody": jobs.recent,
        "metrics: jobs that wait": jobs.waiting,
        "records of an answer": lambda: catalogue.audit.show("aud-" + _md5("5000")),
    }
    console = Console(highlight=False, width=180)
    for name, call in calls.items():
        console.print(f"\n{name}", style="bold")
        with _statements(catalogue) as sent:
            call()
        for statement, values in sent:
            if "clock_timestamp" in statement or not statement.startswith("SELECT"):
                continue
            with catalogue.database.write() as connection:
                lines = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", values).scalars().all()
            console.print("\n".join(f"  {line[:170]}" for line in lines), markup=False)


def claims(catalogue: Catalogue, url: str) -> None:
    """Jobs claimed and finished a second by 1 and by 4 workers, each a process."""
    _refuse_used(catalogue)
    for workers in (1, 4):
        for _ in range(CLAIMS):
            catalogue.jobs.create("bench", [JobFile("a.md", "0", {})])
        command = [sys.executable, "-m", "bench.postgres", "claimer", url]
        processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        started = time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [int(process.communicate()[0]) for process in processes]
        seconds = time.perf_counter() - started
        assert sum(counts) == CLAIMS, counts
        Console(highlight=False).print(f"{workers} workers: {CLAIMS / seconds:.0f} jobs claimed and finished a second, each worker {counts}")


def _claimer(catalogue: Catalogue, _url: str) -> None:
    catalogue.jobs.waiting()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    count = 0
    name = f"worker {time.monotonic_ns()}"
    while (job := catalogue.jobs.claim(name)) is not None:
        assert catalogue.jobs.finish(job.id, name, [], {}) is not None
        count += 1
    sys.stdout.write(f"{count}\n")


def _refuse_used(catalogue: Catalogue) -> None:
    if catalogue.documents.head() or catalogue.jobs.recent():
        sys.exit("this database holds a catalogue; name an empty one")


@contextmanager
def _statements(catalogue: Catalogue) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the server in the block."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        sent.append((statement, values))

    event.listen(catalogue.database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(catalogue.database.engine, "before_cursor_execute", note)


def _md5(value: str) -> str:
    import hashlib

    return hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    main()
