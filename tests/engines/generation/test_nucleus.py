"""Sampling from the likeliest tokens only."""

from __future__ import annotations

import pytest
import torch

from engines.generation.engine import _choose, _nucleus


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.01, [0.0, 0.5, 0.0, 0.0]),
        (0.5, [0.0, 0.5, 0.0, 0.0]),
        (0.6, [0.25, 0.5, 0.0, 0.0]),
        (0.9, [0.25, 0.5, 0.0, 0.1875]),
        (0.999, [0.25, 0.5, 0.0625, 0.1875]),
    ],
)
def test_the_fewest_tokens_that_have_the_share_together_stay(top_p: float, kept: list[float]) -> None:
    assert _nucleus(torch.tensor([0.25, 0.5, 0.0625, 0.1875]), top_p).tolist() == kept


def test_nothing_behind_them_is_ever_drawn() -> None:
    logits = torch.tensor([0.25, 0.5, 0.0625, 0.1875]).log()
    random = torch.Generator().manual_seed(1)
    assert {_choose(logits, 1.0, 0.6, random) for _ in range(300)} == {0, 1}
    assert {_choose(logits, 1.0, 1.0, random) for _ in range(300)} == {0, 1, 2, 3}
