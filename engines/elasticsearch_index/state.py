"""Up to which change of the catalogue an index is: a document of the index itself, so that both are always of one piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from core.errors import IndexRefused
from engines.catalogue import Catalogue
from engines.elasticsearch_index.bulk import write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.layout import STATE

#: reasons that are kept; more chunks than that are not refused one by one
_MOST_REASONS = 1_000


@dataclass(frozen=True, slots=True)
class State:
    """``last_change`` names the change of that number apart from those of other catalogues; ``refused`` are chunks that the index would not take."""

    sequence: int
    last_change: str | None
    refused: Mapping[str, str] = field(default_factory=dict)


def read_state(cluster: Cluster, alias: str) -> State:
    """As it was written last: reading by id sees it at once."""
    found = cluster.ask(lambda client, preference: client.get(index=alias, id=STATE, preference=preference))
    return State(**found["_source"]["state"])


def write_state(cluster: Cluster, alias: str, state: State, seconds: float | None = None) -> None:
    """One that says less than what is there is passed over."""
    shortened = State(state.sequence, state.last_change, dict(list(state.refused.items())[:_MOST_REASONS]))
    document = {"state": asdict(shortened)}
    operation = {"_op_type": "index", "_id": STATE, "_source": document, "version": state.sequence, "version_type": "external_gte"}
    write(cluster, alias, [operation], seconds=seconds)


def check_catalogue(alias: str, state: State, catalogue: Catalogue) -> None:
    """
    Raises:
        IndexRefused: the index follows another catalogue, or this one as it was not.
    """
    if state.last_change != catalogue.documents.mark(state.sequence):
        raise IndexRefused(
            f"the index {alias} follows another catalogue, or this one before it was restored: its last change, number {state.sequence}, is none of this catalogue. "
            "Give each catalogue an elasticsearch.prefix of its own, or make the index anew: `bankassist index rebuild --to elasticsearch`"
        )
