"""Citation markers in an answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text.markers import Marked, marker, split_markers


@pytest.mark.parametrize(
    ("text", "plain", "numbers"),
    [
        ("", "", ()),
        ("no marker", "no marker", ()),
        ("CHF 4.00 per month [2]", "CHF 4.00 per month", (2,)),
        ("每月4.00瑞士法郎 [2]。", "每月4.00瑞士法郎。", (2,)),
        ("a [3][1] and b [3].", "a and b.", (3, 1)),
        ("[12]", "", (12,)),
        ("a [0]", "a", (0,)),
        ("a [1234] [x] [] 【1】 [1, 2]", "a [1234] [x] [] 【1】 [1, 2]", ()),
    ],
    ids=["empty", "none", "one", "Chinese", "twice", "alone", "zero", "no markers"],
)
def test_markers_are_split_off_in_order(text: str, plain: str, numbers: tuple[int, ...]) -> None:
    assert split_markers(text) == Marked(plain, numbers)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 999), unique=True))
def test_what_marker_writes_is_read_again(numbers: list[int]) -> None:
    assert split_markers("费用 fee" + "".join(map(marker, numbers))) == Marked("费用 fee", tuple(numbers))
