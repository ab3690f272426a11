"""Counting how faithful a mode is; the modes themselves are asked in tests/engines/test_local_generator.py."""

from __future__ import annotations

import pytest

from engines.compute import number_format
from eval.fidelity import Counts, document, total


def test_tokens_and_whole_texts_are_counted_and_the_end_is_a_token() -> None:
    english, chinese = Counts(), Counts()
    english.add([5, 6, None], [5, 6, None])
    english.add([5, 6, None], [5, 9, 7])  # another word, and no end where there was one
    chinese.add([8], [8])
    assert english == Counts(texts=2, equal=1, tokens=6, agreed=4)
    assert total([english, chinese]) == Counts(texts=3, equal=2, tokens=7, agreed=5)
    assert english.share == pytest.approx(4 / 6)
    # Wilson's interval of 4 of 6
    assert document(english)["interval"] == pytest.approx([0.3000, 0.9032], abs=1e-4)


def test_a_text_with_more_tokens_than_were_given_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Counts().add([1, 2], [1])


def test_the_format_is_named_as_it_is() -> None:
    assert number_format("bfloat16") == "bfloat16"
    assert number_format("auto") in ("bfloat16", "float32")
