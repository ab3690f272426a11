"""How the index is made: names, mapping, and whether one that is there is such a one.

A document is a chunk. Its text is not among it: what is found is looked up in the catalogue. Of a chunk that was removed an empty document stays until the
index is made anew: it is found by nothing, and remembers the change. One more document, ``state``, says up to which change the index is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.settings import Elasticsearch as Settings
from core.text.tokens import tokens_digest
from engines.catalogue.validity import Window

FORMAT = 1
STATE = "state"  # no chunk's id, which are 64 hexadecimal digits
#: kinds that keep vectors whole, so that nothing need be compared again
WHOLE = ("hnsw", "flat")


def alias(settings: Settings, embedder: str) -> str:
    """What is searched: one for each embedder, so that vectors of two are never compared."""
    return f"{settings.prefix}-{embedder[:12]}"


def index_name(alias: str, number: int) -> str:
    return f"{alias}-{number:06d}"


def index_number(alias: str, name: str) -> int | None:
    """None of what is no index of the alias."""
    match = re.fullmatch(rf"{re.escape(alias)}-(\d{{6}})", name)
    return int(match[1]) if match else None


def mapping(settings: Settings, embedder: str, dimension: int) -> dict[str, Any]:
    return {
        "dynamic": "strict",
        "_meta": {"bankassist": FORMAT, "embedder": embedder, "tokens": tokens_digest()},
        "properties": {
            # for order among equal scores; `_id` cannot be sorted by
            "chunk": {"type": "keyword"},
            "groups": {"type": "keyword"},
            # a range per window in force, from its first day to the day before the day behind
            "windows": {"type": "date_range", "format": "strict_date"},
            # our own tokens with spaces between them: the same on every cluster, Chinese too
            "tokens": {"type": "text", "analyzer": "whitespace", "index_options": "freqs"},
            # always named: what Elasticsearch takes without (bbq_hnsw from 384 dimensions on) finds less
            # the inner product as the local index has it: `dot_product` refuses vectors that a model computed in bf16, whose length is 1 only to a thousandth
            "vector": {"type": "dense_vector", "dims": dimension, "similarity": "max_inner_product", "index_options": {"type": settings.vectors}},
            "state": {"type": "object", "enabled": False},
        },
    }


def index_settings(settings: Settings) -> dict[str, Any]:
    """While it is filled: nobody searches it, and it can be filled again."""
    return {
        "number_of_shards": settings.shards,
        "number_of_replicas": 0,
        "refresh_interval": "-1",
        # acknowledged is on disk, whatever a template of the cluster says
        "translog.durability": "request",
    }


def misfits(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a mapping has otherwise than wanted, in words; what Elasticsearch adds of itself is no difference."""
    meta, wanted_meta = there.get("_meta") or {}, wanted["_meta"]
    found = [
        f"{name} is {_shown(meta.get(key))}, expected {_shown(wanted_meta[key])}"
        for key, name in (("bankassist", "format"), ("embedder", "embedder"), ("tokens", "tokeniser"))
        if meta.get(key) != wanted_meta[key]
    ]
    if str(there.get("dynamic")) != "strict":
        found.append("the mapping is not strict")
    fields = there.get("properties", {})
    found += [f"there is a field {name}" for name in sorted(fields.keys() - wanted["properties"].keys())]
    for name, field in wanted["properties"].items():
        found += _field_misfits(name, fields.get(name), field)
    return found


def _field_misfits(name: str, there: Any, wanted: Mapping[str, Any]) -> list[str]:
    if not isinstance(there, Mapping):
        return [f"there is no field {name}"]
    found = []
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            found += _field_misfits(f"{name}.{key}", there.get(key), value)
        elif there.get(key, "object" if key == "type" else None) != value:
            found.append(f"{name}.{key} is {_shown(there.get(key))}, expected {_shown(value)}")
    return found


def _shown(value: Any) -> str:
    return value[:12] if isinstance(value, str) else "not given" if value is None else str(value)


def day_ranges(windows: tuple[Window, ...]) -> list[dict[str, str]]:
    """Windows as Elasticsearch's ranges of days; a side without limit is left out."""
    return [{side: day.isoformat() for side, day in (("gte", window.start), ("lt", window.end)) if day is not None} for window in windows]
