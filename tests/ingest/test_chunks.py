"""Cutting: what stands together stays together, nothing is lost, nothing is longer than the budget."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.types import BlockKind
from ingest.blocks import ParsedDocument, assemble
from ingest.chunks import chunks_of, embedded_text, weight
from ingest.readers.raw import RawBlock, heading, list_item, paragraph, table


def document(*raw: RawBlock) -> ParsedDocument:
    return assemble(raw, "text/plain")


def cut(parsed: ParsedDocument, budget: int, title: str = "") -> list[tuple[tuple[str, ...], str]]:
    return [(chunk.heading_path, chunk.text) for chunk in chunks_of(parsed, budget, title)]


def test_each_section_is_a_chunk_below_the_headings_above_it() -> None:
    parsed = document(
        heading("Fees", 1),
        paragraph("All prices in CHF."),
        heading("Cards", 2),
        list_item("Gold: 90"),
        list_item("Silver: 45"),
        heading("Abroad", 3),
        paragraph("2% of the amount."),
        heading("利率", 2),
        paragraph("活期0.2%。"),
        heading("Annex", 1),
        paragraph("None."),
    )
    assert cut(parsed, 900) == [
        (("Fees",), "All prices in CHF."),
        (("Fees", "Cards"), "Gold: 90\nSilver: 45"),
        (("Fees", "Cards", "Abroad"), "2% of the amount."),
        (("Fees", "利率"), "活期0.2%。"),
        (("Annex",), "None."),
    ]


def test_a_title_is_left_out_of_the_path_and_of_the_text_above_a_section() -> None:
    parsed = document(heading("Fees", 1), paragraph("Fees"), heading("Cards", 2), paragraph("Gold: 90"), paragraph("Fees"))
    assert cut(parsed, 900, "Fees") == [(("Cards",), "Gold: 90\nFees")]


@pytest.mark.parametrize(
    ("raw", "budget", "texts"),
    [
        pytest.param([paragraph("aa bb"), paragraph("cc")], 8, ["aa bb\ncc"], id="fits exactly"),
        pytest.param([paragraph("aa bb"), paragraph("cc")], 7, ["aa bb", "cc"], id="one too long"),
        pytest.param([table([["A", "B"], ["1", "2"], ["3", "4"], ["5", "6"]])], 24, ["A: 1 | B: 2\nA: 3 | B: 4", "A: 5 | B: 6"], id="table by rows"),
        pytest.param([paragraph("One is here. Two is there. Three.")], 27, ["One is here. Two is there.", "Three."], id="by sentences"),
        pytest.param([paragraph("活期利率。定期利率。贷款。")], 26, ["活期利率。定期利率。", "贷款。"], id="by Chinese sentences"),
        pytest.param([paragraph("one two three four")], 9, ["one two", "three", "four"], id="by words"),
        pytest.param([paragraph("abcdefgh")], 6, ["abcdef", "gh"], id="by characters"),
        pytest.param([paragraph("年利率不得低于百")], 9, ["年利率", "不得低", "于百"], id="by Chinese characters"),
        pytest.param([paragraph("ab")], 1, ["a", "b"], id="smallest budget"),
    ],
)
def test_what_is_too_long_is_cut_at_the_best_place(raw: list[RawBlock], budget: int, texts: list[str]) -> None:
    assert [text for _, text in cut(document(*raw), budget)] == texts


@pytest.mark.parametrize(("text", "length"), [("", 0), ("fee", 3), ("年费", 6), ("fee 年。", 8)])
def test_a_chinese_character_weighs_three(text: str, length: int) -> None:
    assert weight(text) == length


def test_a_document_of_headings_only_is_one_chunk() -> None:
    assert cut(document(heading("Fees", 1), heading("Cards", 2)), 900, "Fees") == [((), "Fees\nCards")]
    assert cut(document(), 900) == []


def test_a_paragraph_set_as_a_heading_is_shortened_above_the_chunks_and_stands_in_them() -> None:
    long = "The bank may change its fees. " * 9
    parsed = document(heading("Fees", 1), heading(long, 2), paragraph("Gold: 90"), heading("Cards", 2), paragraph("Silver: 45"))
    short = long[:199].rstrip() + "…"
    assert cut(parsed, 900, "Fees") == [((short,), f"{long.strip()}\nGold: 90"), (("Cards",), "Silver: 45")]
    huge = document(heading("x" * 200_000, 1), *(paragraph(f"{number} costs") for number in range(300)))
    assert max(len(text) for chunk in chunks_of(huge, 300, "Fees") for text in chunk.heading_path) == 200


def test_the_page_of_a_chunk_is_that_of_its_first_block() -> None:
    parsed = document(paragraph("one", 1), paragraph("two", 2), heading("H", 1, 3), paragraph("three", 4))
    assert [chunk.page for chunk in chunks_of(parsed, 900, "")] == [1, 4]


def test_the_embedder_sees_title_and_headings() -> None:
    assert embedded_text("Fees", ["Cards", "Abroad"], "2%") == "Fees > Cards > Abroad\n2%"
    assert embedded_text("收费表", [], "2%") == "收费表\n2%"


WORDS = st.text(st.sampled_from("ab 1.,|年率。；\n"), max_size=40)
BLOCKS = st.lists(
    st.one_of(
        st.builds(heading, WORDS, st.integers(1, 3)), st.builds(paragraph, WORDS), st.builds(lambda a, b: table([["N", "V"], [a, b], [b, a]]), WORDS, WORDS)
    ),
    max_size=12,
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(raw=BLOCKS, budget=st.integers(3, 60))
def test_all_text_below_headings_is_in_exactly_one_chunk_within_the_budget(raw: list[RawBlock], budget: int) -> None:
    parsed = document(*raw)
    chunks = chunks_of(parsed, budget, "")
    body = [block for block in parsed.blocks if block.kind is not BlockKind.HEADING]
    if not body:
        assert [chunk.text for chunk in chunks] == ([parsed.text] if parsed.blocks else [])
        return
    assert all(parsed.text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(before.end <= after.start for before, after in pairwise(chunks))
    assert all(weight(chunk.text) <= budget for chunk in chunks)
    expected = "".join(block.text for block in body)
    assert re.sub(r"\s", "", "".join(chunk.text for chunk in chunks)) == re.sub(r"\s", "", expected)
