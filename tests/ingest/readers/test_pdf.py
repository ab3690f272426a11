"""PDF files, built with reportlab."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

from core.errors import DocumentRefused
from core.types import BlockKind
from ingest.readers.pdf import read_pdf
from ingest.readers.raw import Limits
from tests.ingest.readers.lines import LIMITS, lines

STYLES = getSampleStyleSheet()
GRID = [("GRID", (0, 0), (-1, -1), 0.5, "black"), ("FONTNAME", (0, 0), (-1, -1), "STSong-Light")]


@pytest.fixture(scope="module", autouse=True)
def chinese() -> ParagraphStyle:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    return ParagraphStyle("zh", parent=STYLES["BodyText"], fontName="STSong-Light", wordWrap="CJK")


def text(content: str) -> Any:
    return Paragraph(content, STYLES["BodyText"])


def title(content: str, level: int = 1) -> Any:
    return Paragraph(content, STYLES[f"Heading{level}"])


def pdf(story: Sequence[Any], on_page: Callable[[Any, Any], None] = lambda canvas, document: None, encrypt: Any = None) -> bytes:
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=A4, encrypt=encrypt).build(list(story), onFirstPage=on_page, onLaterPages=on_page)
    return file.getvalue()


def rows(first: int, last: int) -> list[list[str]]:
    return [[f"Plan {number}", f"CHF {number}.00"] for number in range(first, last + 1)]


def shown_rows(first: int, last: int) -> str:
    return " / ".join(f"Account: Plan {number} | Fee: CHF {number}.00" for number in range(first, last + 1))


def test_headings_paragraphs_clauses_and_bullets() -> None:
    story = [
        title("Fee schedule"),
        text("These fees apply from 1 July 2026 to all accounts that are held with the bank. " * 3),
        title("Notice", 2),
        text("4.1 The bank may change fees."),
        text("4.2 Notice is thirty days."),
        text("(a) in writing;"),
        text("• by letter"),
    ]
    assert lines(read_pdf, pdf(story)) == [
        "h1 Fee schedule",
        "p " + " ".join(["These fees apply from 1 July 2026 to all accounts that are held with the bank."] * 3),
        "h2 Notice",
        "p 4.1 The bank may change fees.",
        "p 4.2 Notice is thirty days.",
        "p (a) in writing;",
        "li by letter",
    ]


def test_chinese_text_and_tables(chinese: ParagraphStyle) -> None:
    clause = "第一条 本办法适用于全行各分支机构，贷款年利率不得低于百分之三点五，借款人应当按期足额偿还贷款本息，逾期加收罚息。"
    head = ParagraphStyle("zh-title", parent=STYLES["Heading1"], fontName="STSong-Light")
    story = [
        Paragraph("个人住房贷款管理办法", head),
        Paragraph(clause, chinese),
        Paragraph("第二条 提前还款违约金为剩余本金的1%。", chinese),
        Table([["产品", "年利率"], ["定期存款", "2.75%"]], style=GRID),
    ]
    assert lines(read_pdf, pdf(story)) == [
        "h1 个人住房贷款管理办法",
        f"p {clause}",
        "p 第二条 提前还款违约金为剩余本金的1%。",
        "t 产品: 定期存款 | 年利率: 2.75%",
    ]


def test_running_headers_and_page_numbers_are_left_out() -> None:
    def running(canvas: Any, document: Any) -> None:
        canvas.drawString(72, A4[1] - 30, "Sample Bank - Internal")
        canvas.drawString(280, 25, f"Page {document.page} of 3")

    story = [text("First page."), PageBreak(), text("Second page, which has a page 2 in its text."), PageBreak(), text("Third page.")]
    blocks = list(read_pdf(pdf(story, running), LIMITS))
    assert [(block.page, block.text) for block in blocks] == [(1, "First page."), (2, "Second page, which has a page 2 in its text."), (3, "Third page.")]


def test_a_sentence_that_goes_on_on_the_next_page_is_one_paragraph() -> None:
    story = [text("The fee is charged at the end of"), PageBreak(), text("every calendar year."), text("A new sentence.")]
    assert lines(read_pdf, pdf(story)) == ["p The fee is charged at the end of every calendar year.", "p A new sentence."]


@pytest.mark.parametrize("repeated", [0, 1], ids=["header once", "header repeated"])
def test_the_rows_of_a_table_over_three_pages_keep_its_header_and_their_page(repeated: int) -> None:
    story = [text("Fees:"), Table([["Account", "Fee"], *rows(1, 100)], style=GRID, repeatRows=repeated), text("All fees include tax.")]
    first, *tables, last = read_pdf(pdf(story), LIMITS)
    assert (first.text, last.text) == ("Fees:", "All fees include tax.")
    assert [block.page for block in tables] == [1, 2, 3]
    assert " / ".join(row for block in tables for row in block.text.splitlines()) == shown_rows(1, 100)


def test_a_header_of_two_rows_that_is_repeated_is_left_out_whole() -> None:
    top = [["Account", "Fee"], ["", "per year"]]
    story = [Table([*top, *rows(1, 60)], style=GRID, repeatRows=2)]
    first, second = lines(read_pdf, pdf(story))
    assert f"{first} / {second.removeprefix('t ')}" == f"t Fee: per year / {shown_rows(1, 60)}"


def test_another_table_on_the_next_page_stays_another() -> None:
    first, second = [["Account", "Fee"], *rows(1, 2)], [["Card", "Price"], ["Gold", "CHF 90.00"]]
    story = [Table(first, style=GRID), PageBreak(), text("Cards:"), Table(second, style=GRID)]
    assert lines(read_pdf, pdf(story)) == [f"t {shown_rows(1, 2)}", "p Cards:", "t Card: Gold | Price: CHF 90.00"]


def test_a_hyphen_at_the_end_of_a_line_joins_the_word() -> None:
    def page(canvas: Any, document: Any) -> None:
        for number, line in enumerate(["The amount is re-", "paid within a 5-", "year term under Non-", "Disclosure, from CHF 5 -", "10 a month"]):
            canvas.drawString(72, 500 - 12 * number, line)

    assert lines(read_pdf, pdf([Spacer(1, 1)], page)) == ["p The amount is repaid within a 5-year term under Non-Disclosure, from CHF 5 - 10 a month"]


def test_an_encrypted_file_is_refused_and_one_that_everybody_may_open_is_read() -> None:
    with pytest.raises(DocumentRefused, match="remove the password") as refused:
        lines(read_pdf, pdf([text("secret")], encrypt=StandardEncryption("user", "owner")))
    assert refused.value.code == "encrypted"
    assert lines(read_pdf, pdf([text("open")], encrypt=StandardEncryption("", "owner", canPrint=0))) == ["p open"]


@pytest.mark.parametrize(
    ("content", "limits", "code", "says"),
    [
        pytest.param(b"%PDF-1.7 and nothing more", LIMITS, "unreadable", "cannot be read", id="damaged"),
        pytest.param(pdf([text("a"), PageBreak(), text("b")]), Limits(1, 100), "too_large", "2 pages, more than the limit of 1", id="too many pages"),
        pytest.param(pdf([text("abcdefghij")]), Limits(1, 9), "too_large", "more than 9 characters", id="too much text"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, limits: Limits, code: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        lines(read_pdf, content, limits)
    assert refused.value.code == code


def test_an_empty_page_has_no_blocks() -> None:
    assert lines(read_pdf, pdf([Spacer(1, 1)])) == []


def test_the_page_of_a_block_is_the_one_on_which_it_begins() -> None:
    found = list(read_pdf(pdf([text("One."), PageBreak(), title("Two"), Table([["A", "B"], ["1", "2"]], style=GRID)]), LIMITS))
    assert [(block.kind, block.page) for block in found] == [(BlockKind.PARAGRAPH, 1), (BlockKind.HEADING, 2), (BlockKind.TABLE, 2)]
