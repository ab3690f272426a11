"""Where sentences end, in English and Chinese."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n \n ", []),
        ("One sentence", ["One sentence"]),
        ("The fee is CHF 4.00. It is due monthly.", ["The fee is CHF 4.00.", "It is due monthly."]),
        ("费用为4.00元。每月收取！可以吗？可以", ["费用为4.00元。", "每月收取！", "可以吗？", "可以"]),
        ("The rate is 2.5%.\nNext line", ["The rate is 2.5%.", "Next line"]),
        ("3.5 per cent. 4 days later.", ["3.5 per cent.", "4 days later."]),
        ("He said “Yes.” Then he left.", ["He said “Yes.”", "Then he left."]),
        ('He said "Yes." “Then” he left.', ['He said "Yes."', "“Then” he left."]),
        ("他说：“可以。”然后走了。", ["他说：“可以。”", "然后走了。"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("你好。 Hello! 再见。", ["你好。", "Hello!", "再见。"]),
        ("第一；第二，第三", ["第一；第二，第三"]),
    ],
)
def test_sentences_end_at_stops_and_line_breaks(text: str, expected: list[str]) -> None:
    assert [span.text for span in sentences(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "See Art. 5 of the terms, e.g. No. 7 and Mr. Smith.",
        "Interest of 2% p.a. Monthly",
        "1. The account is free.",
        "4.2.1. The Bank decides.",
        "Write to J. Smith at U.S. Bank",
        "version 2.5.Final",
    ],
)
def test_a_full_stop_of_an_abbreviation_or_item_number_ends_nothing(text: str) -> None:
    assert [span.text for span in sentences(text)] == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is free. [1] It is fast. [2][3]", ["It is free. [1]", "It is fast. [2][3]"]),
        ("It is free [1]. It is fast [2].", ["It is free [1].", "It is fast [2]."]),
        ("免费。[1]很快。 [2] [3]好", ["免费。[1]", "很快。 [2] [3]", "好"]),
    ],
)
def test_a_marker_behind_a_stop_belongs_to_the_sentence_before(text: str, expected: list[str]) -> None:
    assert [span.text for span in sentences(text)] == expected


@pytest.mark.parametrize("text", ["It is free. [1] It is fast. [12]", "免费。[1]很快。 [12] 好", "One line.\n[1] Next\n[2]"])
def test_of_a_growing_text_all_but_the_last_sentence_are_final(text: str) -> None:
    final = sentences(text)
    for length in range(len(text)):
        done = sentences(text[:length])[:-1]
        assert done == final[: len(done)]


def test_spans_point_into_the_text() -> None:
    assert [(span.start, span.end) for span in sentences("  Free. \n费用。 好 ")] == [(2, 7), (9, 12), (13, 14)]


def test_an_initial_far_from_the_start_is_still_an_abbreviation() -> None:
    text = "x" * 5000 + " for Dr. Who. The end."
    assert [span.text[-8:] for span in sentences(text)] == ["Dr. Who.", "The end."]


def test_a_long_text_of_initials_is_one_sentence() -> None:
    assert len(sentences("A. " * 100_000)) == 1


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from('ab.!?。！？"”）)’ \n[1]AZ4一')))
def test_together_they_hold_every_other_character(text: str) -> None:
    spans = sentences(text)
    assert all(text[span.start : span.end] == span.text == span.text.strip() != "" for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    held = {place for span in spans for place in range(span.start, span.end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in held)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from("aA.!。”）)’ \n[1]4一"), max_size=20), st.integers(0, 20))
def test_more_text_changes_only_the_last_sentence(text: str, length: int) -> None:
    done = sentences(text[:length])[:-1]
    assert done == sentences(text)[: len(done)]
