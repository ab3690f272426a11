"""The best hits with ties by chunk id, also where the list ends."""

from __future__ import annotations

import pytest

from core.ports import Hit
from engines.ties import with_ties


@pytest.mark.parametrize(
    ("ranking", "depth", "expected"),
    [
        pytest.param("", 3, "", id="none"),
        pytest.param("c3 a2 b1", 2, "c3 a2", id="no ties"),
        pytest.param("c3 b3 a3", 5, "a3 b3 c3", id="fewer than asked for"),
        pytest.param("z9 e1 d1 c1 b1 a1", 2, "z9 a1", id="ties over the end"),
        pytest.param("e1 d1 c1 b1 a1", 3, "a1 b1 c1", id="nothing but ties"),
        pytest.param("z9 c5 b5 a5 y1", 3, "z9 a5 b5", id="ties that end behind the end"),
    ],
)
def test_the_smallest_ids_of_a_tie_are_kept(ranking: str, depth: int, expected: str) -> None:
    hits = [Hit(hit[0], float(hit[1])) for hit in ranking.split()]
    assert [f"{hit.chunk_id}{hit.score:.0f}" for hit in with_ties(lambda count: hits[:count], depth)] == expected.split()
