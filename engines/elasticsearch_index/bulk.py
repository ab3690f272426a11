"""Writing many documents: by id and version, every item's answer looked at, what may succeed later sent again.

Versions are numbers of changes (``external_gte``): writing again changes nothing, and what is older than what is there is passed over. So a crash at any
point is repaired by writing again, and of two that write at the same time the one that knows more wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any

from elasticsearch import ApiError, helpers

from core.errors import IndexRefused, IndexUnavailable
from core.text.tokens import index_tokens
from engines.catalogue.documents import IndexEntry
from engines.elasticsearch_index.cluster import BUSY, Cluster, cause
from engines.elasticsearch_index.layout import day_ranges

Operation = dict[str, Any]

#: documents and bytes of one request: from here on larger ones were no faster, and a server holds several at once
BATCH = 500
_BATCH_BYTES = 10 * 1024 * 1024
#: requests under way at once: one leaves the cluster idle while the next is made ready
_SENDERS = 2
_TOO_LARGE = 413
#: of an item that names nothing but its own document
_DOCUMENT_FAULTS = (400, _TOO_LARGE)


def put(entry: IndexEntry, version: int) -> Operation:
    document = {
        "chunk": entry.chunk_id,
        "groups": sorted(entry.groups),
        "windows": day_ranges(entry.windows),
        "tokens": " ".join(index_tokens(entry.text)),
        "vector": helpers.pack_dense_vector(entry.vector.astype("f4")),
    }
    return {"_op_type": "index", "_id": entry.chunk_id, "_source": document, "version": version, "version_type": "external_gte"}


def remove(chunk_id: str, version: int) -> Operation:
    """No delete: Elasticsearch forgets the versions of those after a while, and makes an index for them where there is none, whatever ``require_alias`` says."""
    return {"_op_type": "index", "_id": chunk_id, "_source": {}, "version": version, "version_type": "external_gte"}


def write(cluster: Cluster, alias: str, operations: Iterable[Operation], retries: int = 6, seconds: float | None = None) -> dict[str, str]:
    """Write to the index behind the alias; an alias that is gone is never made an index by writing to it.

    Args:
        retries: how often items that the cluster has no room for now are sent again, each time after twice the pause.
        seconds: the time limit of each request; without one, that of the settings.

    Returns:
        the documents that the index will not take, by id, with the reason; all others are written when this returns.

    Raises:
        IndexUnavailable: the cluster does not take all of the rest. Some of it may be written.
        IndexRefused: the alias is gone, or writing is not allowed.
    """
    batches = _batches(operations)
    first, second = next(batches, []), next(batches, [])
    if not second:
        return _write(cluster, alias, first, retries, seconds) if first else {}
    refused: dict[str, str] = {}
    sent: deque[Future[dict[str, str]]] = deque()
    with ThreadPoolExecutor(_SENDERS) as pool:
        for batch in chain([first, second], batches):  # the next ones are made ready while the cluster works
            sent.append(pool.submit(_write, cluster, alias, batch, retries, seconds))
            if len(sent) > _SENDERS:
                refused |= sent.popleft().result()
        for one in sent:
            refused |= one.result()
    return refused


def _batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    rest = iter(operations)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _write(cluster: Cluster, alias: str, batch: Sequence[Operation], retries: int, seconds: float | None) -> dict[str, str]:
    refused: dict[str, str] = {}
    try:
        for identity, status, error in _answers(cluster, alias, batch, retries, seconds):
            if status in _DOCUMENT_FAULTS:
                refused[identity] = cause(error)
            elif status == 403:
                raise IndexRefused(f"Elasticsearch at {cluster.hosts} does not let {alias} be written: {cause(error)}")
            elif status == 404:
                raise IndexRefused(
                    f"Elasticsearch at {cluster.hosts} has no index {alias} any more; `bankassist index rebuild --to elasticsearch` makes it anew"
                )
            else:
                raise IndexUnavailable(f"Elasticsearch at {cluster.hosts} did not take a document of {alias}: {cause(error)} (status {status})")
    except IndexRefused as problem:
        if not (isinstance(problem.__cause__, ApiError) and problem.__cause__.status_code == _TOO_LARGE):
            raise
        if len(batch) == 1:
            return {batch[0]["_id"]: "the document is larger than the cluster, or a proxy before it, lets through (413)"}
        half = len(batch) // 2
        return _write(cluster, alias, batch[:half], retries, seconds) | _write(cluster, alias, batch[half:], retries, seconds)
    return refused


def _answers(cluster: Cluster, alias: str, batch: Sequence[Operation], retries: int, seconds: float | None) -> Iterator[tuple[str, int, Any]]:
    """The items that were not written: id, status, error. What is there in a newer version is well."""
    with cluster.writing(seconds) as client:
        results = list(
            helpers.streaming_bulk(
                client,
                batch,
                chunk_size=BATCH,
                max_chunk_bytes=_BATCH_BYTES,
                raise_on_error=False,
                max_retries=retries,
                initial_backoff=0.1,
                max_backoff=5,
                retry_on_status=BUSY,
                index=alias,
                require_alias=True,
            )
        )
    for well, result in results:
        (item,) = result.values()
        if not (well or item["status"] == 409):
            yield item["_id"], item["status"], item.get("error")
