"""The one normalisation of texts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text.normalise import normalise, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("  a \t b\u00a0\u3000c  ", "a b c"),
        ("a\r\nb\rc\n\nd\u2028e", "a\nb\nc\n\nd\ne"),
        ("２．５％ ＡＢＣ ﬁ", "2.5% ABC fi"),
        ("费用，利率：（年）；可以！吗？１～２", "费用，利率：（年）；可以！吗？1～2"),
        ("e\u0301", "é"),
        ("a\x00b\x07c\x85d", "a b c d"),
        ("\ud800 fee \udfff", "fee"),
    ],
    ids=["empty", "plain", "spaces", "line breaks", "widths", "Chinese punctuation", "composed", "control", "halves of surrogate pairs"],
)
def test_one_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u200e",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\u00ad",
        "\U000e0041",
        "\ufe0f",
        "\U000e0101",
        "\u034f",
        "\u115f",
        "\u3164",
        "\uffa0",
        "\u2800",
        "\u180e",
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_looks_like_nothing_is_dropped(hidden: str) -> None:
    assert normalise(f"pay{hidden}ment 费{hidden}用") == "payment 费用"


def test_hidden_characters_do_not_keep_an_accent_apart() -> None:
    assert normalise("e\u200b\u0301") == "é"


@pytest.mark.parametrize("marks", ["\u0301", "\u0301\u0316", "\uff9e", "\u0344", "\u0301" * 30 + "\uff9e" * 30])
def test_no_letter_carries_more_than_thirty_marks(marks: str) -> None:
    """NFKC sorts a run of marks in quadratic time: the last one alone, written out like this, would take minutes."""
    found = normalise(f"fee a{marks * 4000} 费用{marks * 4000}")
    assert [sum(unicodedata.category(character) == "Mn" for character in word) for word in found.split()] == [0, 30 - (marks[:1] == "\u0301"), 30]
    assert normalise(found) == found


def test_one_line_has_no_breaks() -> None:
    assert one_line(" a\n\n b\u2028 费用\r\n") == "a b 费用"
    assert one_line("\n") == ""


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.one_of(st.characters(), st.sampled_from([*"，（）\u200b\u0301\uff9e \n\r\t\u2028", *(29 * mark for mark in "\u0301\u0344\u0316")]))).map(
        "".join
    )
)
def test_it_is_stable_and_clean(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert all(line == line.strip(" \t") and "  " not in line for line in once.split("\n"))
    assert all(character == "\n" or unicodedata.category(character) != "Cc" for character in once)
    assert "\n" not in one_line(text)
