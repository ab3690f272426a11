"""Each format is read back by a library of its own."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from html.parser import HTMLParser

import docx
import openpyxl
import pypdfium2
import pytest

from examples.samplebank.facts import Language
from examples.samplebank.sources import Source
from examples.samplebank.writers import WRITERS

_ENGLISH = """## Fees & limits

Fees are due monthly <always>.

- Opening is free
- Closing is free

### Accounts

| Account | Fee | Rate | Note |
|---|---|---|---|
| Basic | CHF 4.00 | 2.75% | |
| Plus | CHF 12,500 | 30% | from CHF 5 |
"""

_CHINESE = """## 收费

费用按月收取。

- 开户免费

| 账户 | 费用 |
|---|---|
| 基本 | 4.00瑞士法郎 |
"""


def _source(markdown: str, language: Language = "en") -> Source:
    title = "Fees <2026>" if language == "en" else "收费表"
    return Source({"title": title, "language": language, "valid_from": date(2026, 7, 1)}, "x", markdown)


def _pdf_text(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


@pytest.mark.parametrize("ending", sorted(WRITERS))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_same_source_gives_the_same_bytes(ending: str, language: Language) -> None:
    markdown = (_ENGLISH if language == "en" else _CHINESE).split("### Accounts")[0].split("| 账户")[0]
    assert WRITERS[ending](_source(markdown, language)) == WRITERS[ending](_source(markdown, language))


@pytest.mark.parametrize("ending", ["docx", "xlsx"])
def test_an_archive_holds_no_time_of_writing(ending: str) -> None:
    with zipfile.ZipFile(io.BytesIO(WRITERS[ending](_source(_ENGLISH)))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert core.count("2026-01-01T00:00:00Z") == 2


def test_docx() -> None:
    document = docx.Document(io.BytesIO(WRITERS["docx"](_source(_ENGLISH))))
    written = [(paragraph.style.name if paragraph.style else None, paragraph.text) for paragraph in document.paragraphs]
    assert written == [
        ("Title", "Fees <2026>"),
        ("Heading 2", "Fees & limits"),
        ("Normal", "Fees are due monthly <always>."),
        ("List Bullet", "Opening is free"),
        ("List Bullet", "Closing is free"),
        ("Heading 3", "Accounts"),
    ]
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows][1:] == [
        ["Basic", "CHF 4.00", "2.75%", ""],
        ["Plus", "CHF 12,500", "30%", "from CHF 5"],
    ]


def test_xlsx_has_a_sheet_per_heading_and_real_numbers() -> None:
    source = _source("Before all.\n\n" + _ENGLISH + "\n## A/B: notes\n\nThe end.\n")
    workbook = openpyxl.load_workbook(io.BytesIO(WRITERS["xlsx"](source)))
    assert workbook.sheetnames == ["Fees <2026>", "Fees & limits", "A B  notes"]
    rows = [[cell.value for cell in row if cell.value is not None] for row in workbook["Fees & limits"].iter_rows()]
    assert rows == [
        ["Fees <2026>"],
        ["Fees are due monthly <always>."],
        ["Opening is free"],
        ["Closing is free"],
        ["Accounts"],
        [],
        ["Account", "Fee", "Rate", "Note"],
        ["Basic", 4, 0.0275],
        ["Plus", 12500, 0.3, "from CHF 5"],
    ]
    formats = {cell.value: cell.number_format for row in workbook["Fees & limits"].iter_rows() for cell in row if isinstance(cell.value, int | float)}
    assert formats == {4: '"CHF" #,##0.00', 0.0275: "0.00%", 12500: '"CHF" #,##0', 0.3: "0%"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[tuple[str, str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and "main" in self.open:
            self.pieces.append((self.open[-1], data.strip()))


def test_html_escapes_and_closes_what_it_opens() -> None:
    page = _Page()
    page.feed(WRITERS["html"](_source(_ENGLISH)).decode())
    assert page.open == []
    assert page.pieces[:6] == [
        ("h1", "Fees <2026>"),
        ("h3", "Fees & limits"),
        ("p", "Fees are due monthly <always>."),
        ("li", "Opening is free"),
        ("li", "Closing is free"),
        ("h4", "Accounts"),
    ]
    assert [text for tag, text in page.pieces if tag in ("th", "td")] == [
        "Account", "Fee", "Rate", "Note", "Basic", "CHF 4.00", "2.75%", "Plus", "CHF 12,500", "30%", "from CHF 5",
    ]  # fmt: skip


def test_pdf_holds_the_text_with_header_and_page_number() -> None:
    english = _pdf_text(WRITERS["pdf"](_source(_ENGLISH)))
    for piece in ("Fees <2026>", "Fees & limits", "Fees are due monthly <always>.", "Opening is free", "CHF 12,500", "Page 1"):
        assert piece in english
    chinese = _pdf_text(WRITERS["pdf"](_source(_CHINESE, "zh")))
    for piece in ("收费表", "费用按月收取。", "开户免费", "4.00瑞士法郎", "第 1 页"):
        assert piece in chinese


def test_markdown_and_plain_text() -> None:
    assert WRITERS["md"](_source(_CHINESE, "zh")).decode() == f"# 收费表\n\n{_CHINESE}"
    assert WRITERS["txt"](_source("## Fees\n\nDue monthly.\n\n- One\n- Two\n")).decode() == (
        f"FEES <2026>\n{'=' * 60}\n\nFees\n----\n\nDue monthly.\n\n  * One\n  * Two\n"
    )
    assert WRITERS["txt"](_source("费用按月收取。", "zh")).decode() == f"收费表\n{'=' * 60}\n\n费用按月收取。\n"


def test_plain_text_refuses_a_table() -> None:
    with pytest.raises(ValueError, match="x: a plain text document cannot hold a table; use another format"):
        WRITERS["txt"](_source(_CHINESE, "zh"))
