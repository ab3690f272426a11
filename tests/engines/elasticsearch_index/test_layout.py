"""What an index is made of, and what of another one is no such index."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

import pytest

from core.settings import Elasticsearch
from core.text.tokens import tokens_digest
from engines.catalogue.validity import Window
from engines.elasticsearch_index.layout import alias, day_ranges, index_number, mapping, misfits
from engines.elasticsearch_index.search import inner_product

WANTED = mapping(Elasticsearch(), "e" * 64, 384)


def test_an_index_is_named_for_its_embedder_and_numbered() -> None:
    name = alias(Elasticsearch(prefix="bank-1"), "0123456789abcdef")
    assert name == "bank-1-0123456789ab"
    numbers = {"bank-1-0123456789ab-000007": 7, "bank-1-0123456789ab-7": None, "bank-1-0123456789ab": None, "other-000001": None}
    assert {one: index_number(name, one) for one in numbers} == numbers


def test_windows_are_ranges_of_days_open_where_they_have_no_limit() -> None:
    windows = (Window(None, date(2026, 2, 1)), Window(date(2026, 3, 1), None), Window(date(2027, 1, 1), date(2028, 1, 1)), Window(None, None))
    assert day_ranges(windows) == [{"lt": "2026-02-01"}, {"gte": "2026-03-01"}, {"gte": "2027-01-01", "lt": "2028-01-01"}, {}]


def test_what_the_server_adds_is_no_difference() -> None:
    there = copy.deepcopy(WANTED)
    there["properties"]["vector"]["index_options"] |= {"m": 16, "ef_construction": 100}
    there["properties"]["vector"]["index"] = True
    del there["properties"]["state"]["type"]  # what an object is anyway
    assert misfits(there, WANTED) == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("properties", "vector", "dims"), 1024, "vector.dims is 1024, expected 384"),
        (("properties", "vector", "index_options", "type"), "bbq_hnsw", "vector.index_options.type is bbq_hnsw, expected int8_hnsw"),
        (("properties", "vector", "index_options"), None, "there is no field vector.index_options"),
        (("properties", "tokens", "analyzer"), "standard", "tokens.analyzer is standard, expected whitespace"),
        (("properties", "windows"), None, "there is no field windows"),
        (("properties", "other"), {"type": "text"}, "there is a field other"),
        (("dynamic",), "true", "the mapping is not strict"),
        (("_meta",), {}, "format is not given, expected 1"),
        (("_meta", "embedder"), "f" * 64, "embedder is ffffffffffff, expected eeeeeeeeeeee"),
        (("_meta", "tokens"), "0" * 16, f"tokeniser is 000000000000, expected {tokens_digest()[:12]}"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_made_otherwise_is_named(path: tuple[str, ...], value: Any, says: str) -> None:
    there = copy.deepcopy(WANTED)
    place = there
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert misfits(there, WANTED)[0] == says


def test_scores_are_inner_products_in_disguise() -> None:
    # 1 + 0.6; 1 + 0; 1 / (1 + 1)
    assert [inner_product(score) for score in (1.6, 1.0, 0.5)] == pytest.approx([0.6, 0.0, -1.0])
