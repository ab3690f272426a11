"""Text as tokens come, with a tokenizer of one byte per token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.generation.text import TextStream
from tests.engines.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def pieces(text: str, stop: tuple[str, ...] = ()) -> tuple[list[str], TextStream]:
    stream = TextStream(TOKENIZER, stop)
    shown = []
    for token in TOKENIZER.encode(text):
        shown.append(stream.add(token))
        if stream.stopped:
            break
    return [*shown, stream.rest()], stream


def test_a_character_appears_with_its_last_byte() -> None:
    assert pieces("a年b")[0] == ["a", "", "", "年", "b", ""]


@given(st.text(max_size=30))
def test_pieces_join_to_the_text(text: str) -> None:
    shown, stream = pieces(text)
    assert "".join(shown) == stream.text == text


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one\ntwo", ("\n",), "one"),
        ("one END two", (" END",), "one"),
        ("one EN", ("END",), "one EN"),  # it never came
        ("费用。结束。再见", ("结束",), "费用。"),
        ("aXbYc", ("Y", "X"), "a"),
        ("abab abc", ("abc",), "abab "),
    ],
)
def test_nothing_from_a_stop_string_on_is_shown(text: str, stop: tuple[str, ...], expected: str) -> None:
    shown, stream = pieces(text, stop)
    assert "".join(shown) == stream.text == expected
