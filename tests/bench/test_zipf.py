"""Which documents are asked about, and what a cache has to save of it."""

from __future__ import annotations

import pytest

from bench.zipf import draw, goal


def test_documents_are_asked_about_as_zipf_says() -> None:
    # 1, 1/2 and 1/3 are 6, 3 and 2 of 11
    drawn = draw(110_000, 3, 1.0, seed=1)
    for document, expected in enumerate((60_000, 30_000, 20_000)):
        assert drawn.count(document) == pytest.approx(expected, abs=1000)  # six deviations
    squared = draw(110_000, 2, 2.0, seed=1)  # 1 and 1/4
    assert squared.count(0) == pytest.approx(88_000, abs=1000)


def test_the_same_seed_draws_the_same() -> None:
    assert draw(50, 40, 1.0, seed=1) == draw(50, 40, 1.0, seed=1) != draw(50, 40, 1.0, seed=2)


def test_what_a_cache_has_to_reach() -> None:
    # three quarters are spared: four times faster at best, 2.8 times at 70% of that
    assert goal(1.4, hit_rate=0.75, share=0.7) == pytest.approx(1.4 / 2.8)
