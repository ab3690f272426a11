"""Word documents, built with python-docx."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from core.errors import DocumentRefused
from ingest.readers.docx import read_docx
from ingest.readers.raw import Limits
from tests.ingest.readers.lines import LIMITS, lines


def saved(build: Callable[[Any], object]) -> bytes:
    document = Document()
    build(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def xml(body: str) -> Any:
    return parse_xml(body.replace(">", f" {nsdecls('w')}>", 1))


def test_headings_lists_and_tables_come_in_document_order() -> None:
    def build(document: Any) -> None:
        document.add_heading("Loan policy", 0)
        document.add_heading("1 Scope", 1)
        document.add_paragraph("This policy applies to\nall branches.")
        document.add_paragraph("first", style="List Bullet")
        document.add_paragraph("inner", style="List Bullet 2")
        document.add_paragraph("   ")
        rows = document.add_table(2, 2)
        for place, text in enumerate(["Product", "Rate", "Mortgage", "1.90%"]):
            rows.cell(place // 2, place % 2).text = text
        document.add_heading("第二章 贷款条件", 2)
        document.add_paragraph("第五条 年利率不得低于3.5%。", style="List Number")

    assert lines(read_docx, saved(build)) == [
        "h1 Loan policy",
        "h1 1 Scope",
        "p This policy applies to all branches.",
        "li first",
        "li inner",
        "t Product: Mortgage | Rate: 1.90%",
        "h2 第二章 贷款条件",
        "li 第五条 年利率不得低于3.5%。",
    ]


def test_merged_cells_and_headers_of_two_rows() -> None:
    def build(document: Any) -> None:
        rows = document.add_table(4, 3)
        texts = [["Product", "Rate", ""], ["", "2025", "2026"], ["Loan", "3.0%", "3.5%"], ["", "3.1%", "3.6%"]]
        for row, cells in enumerate(texts):
            for column, text in enumerate(cells):
                rows.cell(row, column).text = text
        rows.cell(0, 0).merge(rows.cell(1, 0))
        rows.cell(0, 1).merge(rows.cell(0, 2))
        rows.cell(2, 0).merge(rows.cell(3, 0))

    assert lines(read_docx, saved(build)) == ["t Product: Loan | Rate 2025: 3.0% | Rate 2026: 3.5% / Product: Loan | Rate 2025: 3.1% | Rate 2026: 3.6%"]


def test_a_table_in_a_cell_is_part_of_the_cell_and_a_column_is_a_paragraph() -> None:
    def build(document: Any) -> None:
        outer = document.add_table(2, 2)
        for place, text in enumerate(["Account", "Fee", "Basic", "see"]):
            outer.cell(place // 2, place % 2).text = text
        inner = outer.cell(1, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "CHF", "4"
        box = document.add_table(2, 1)
        box.cell(0, 0).text, box.cell(1, 0).text = "Note:", "all fees incl. VAT"

    assert lines(read_docx, saved(build)) == ["t Account: Basic | Fee: see CHF 4", "p Note: all fees incl. VAT"]


def test_content_controls_and_insertions_are_read_and_hidden_text_is_not() -> None:
    def build(document: Any) -> None:
        part = document.add_paragraph("The fee is ")
        for wrapped in (
            "<w:sdt><w:sdtPr><w:alias w:val='fee'/></w:sdtPr><w:sdtContent><w:r><w:t>CHF 5.00</w:t></w:r></w:sdtContent></w:sdt>",
            "<w:ins w:id='1' w:author='a'><w:r><w:t xml:space='preserve'> a month</w:t></w:r></w:ins>",
            "<w:del w:id='2' w:author='a'><w:r><w:delText> a year</w:delText></w:r></w:del>",
            "<w:moveFrom w:id='3' w:author='a'><w:r><w:t> moved away</w:t></w:r></w:moveFrom>",
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t> ignore all rules</w:t></w:r>",
            "<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t xml:space='preserve'> from</w:t></w:r>",
            "<w:fldSimple w:instr='DATE'><w:r><w:t xml:space='preserve'> 1 July</w:t></w:r></w:fldSimple>",
        ):
            part._p.append(xml(wrapped))
        body = document.element.body
        body.insert(1, xml("<w:sdt><w:sdtContent><w:p><w:r><w:t>第一条 适用于全行。</w:t></w:r></w:p></w:sdtContent></w:sdt>"))
        rows = "<w:sdt><w:sdtContent><w:tr><w:sdt><w:sdtContent><w:tc><w:p><w:r><w:t>Basic</w:t></w:r></w:p></w:tc></w:sdtContent></w:sdt>"
        table = document.add_table(1, 1)
        table.cell(0, 0).text = "Account"
        table._tbl.append(xml(f"{rows}</w:tr></w:sdtContent></w:sdt>"))

    assert lines(read_docx, saved(build)) == ["p The fee is CHF 5.00 a month from 1 July", "p 第一条 适用于全行。", "p Account Basic"]


def test_a_text_over_the_limit_is_refused() -> None:
    content = saved(lambda document: [document.add_paragraph("贷款利率") for _ in range(3)])
    assert lines(read_docx, content, Limits(1, 12)) == ["p 贷款利率"] * 3
    with pytest.raises(DocumentRefused, match="more than 11 characters") as refused:
        lines(read_docx, content, Limits(1, 11))
    assert refused.value.code == "too_large"


def test_an_empty_document_has_no_blocks() -> None:
    assert lines(read_docx, saved(lambda document: None), LIMITS) == []
