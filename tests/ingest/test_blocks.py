"""The text of a version and the places of its blocks."""

from __future__ import annotations

import pytest

from core.types import BlockKind
from ingest.blocks import assemble, title_of
from ingest.readers.raw import RawBlock, heading, paragraph, table


def test_every_block_stands_in_the_text_where_it_says() -> None:
    raw = [heading("利率表", 1, 1), paragraph("𠮷 rate", 1), RawBlock(BlockKind.PARAGRAPH, ""), table([["A", "B"], ["1", "2"], ["3", "4"]], 2)]
    document = assemble(raw, "text/plain")
    assert document.text == "利率表\n𠮷 rate\nA: 1 | B: 2\nA: 3 | B: 4"
    assert [(block.start, block.end, block.page, block.level) for block in document.blocks] == [(0, 3, 1, 1), (4, 10, 1, 0), (11, 34, 2, 0)]
    assert all(document.text[block.start : block.end] == block.text for block in document.blocks)


def test_a_document_of_no_blocks_has_no_text() -> None:
    assert assemble([], "text/plain") == ("", (), "text/plain")


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ([], "file"),
        ([paragraph("text")], "file"),
        ([paragraph("text"), heading("收费表", 3), heading("Fees", 1)], "收费表"),
        ([heading("x" * 200, 1)], "x" * 200),
        ([heading("x" * 198 + " yy", 1)], "x" * 198 + "…"),
    ],
    ids=["empty", "no heading", "first heading", "long heading", "heading too long"],
)
def test_the_title_is_the_first_heading(raw: list[RawBlock], title: str) -> None:
    assert title_of(assemble(raw, "text/plain").blocks, "file") == title
