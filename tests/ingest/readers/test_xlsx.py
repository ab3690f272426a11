"""Workbooks, built with openpyxl: what a sheet shows is what is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import pytest
from openpyxl import Workbook

from core.errors import DocumentRefused
from ingest.readers.raw import Limits
from ingest.readers.xlsx import read_xlsx, shown_text
from tests.ingest.readers.lines import lines


def saved(build: Callable[[Any, Any], object]) -> bytes:
    """A workbook of one sheet ``Fees``, which the function fills."""
    workbook = Workbook()
    workbook.active.title = "Fees"
    build(workbook, workbook.active)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (None, "General", ""),
        ("  Basic ", "General", "Basic"),
        (True, "General", "TRUE"),
        (0.0275, "0.00%", "2.75%"),
        (0.00275, "0.0##%", "0.275%"),
        (4.5, '"CHF" 0.00', "CHF 4.50"),
        (4.5, "[$¥-804]#,##0.00", "¥4.50"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (2500, '#,##0"元"', "2,500元"),
        (-5.0, "#,##0.00", "-5.00"),
        (-5.0, "#,##0.00;[Red]-#,##0.00", "-5.00"),
        (-1234.5, "#,##0.00_);[Red](#,##0.00)", "(1,234.50)"),
        (1234.5, "_(* #,##0.00_);_(* (#,##0.00)", "1,234.50"),
        (12_500_000, "#,##0,", "12,500"),
        (1_500_000, '0.0,,"M"', "1.5M"),
        (1.005, "0.00", "1.01"),
        (2.5, "0", "3"),
        (7, "00000", "00007"),
        (4.5, "0.##", "4.5"),
        (4, "0.##", "4"),
        (1.5, "[>=1]0.0;0", "1.5"),
        (1.5, "# ?/?", "1.5"),
        (1e300, "0.00", str(int(1e300))),
        (0.1 + 0.2, "General", "0.3"),
        (3.0, "General", "3"),
        (1e-7, "General", "0.0000001"),
        (12_345_678_901.5, "General", "12345678901.5"),
        (12, "@", "12"),
        (datetime.fromisoformat("2026-07-01"), "yyyy-mm-dd", "2026-07-01"),
        (datetime.fromisoformat("2026-07-01 09:30"), "General", "2026-07-01 09:30:00"),
        (date(2026, 7, 1), "General", "2026-07-01"),
        (time(9, 30), "General", "09:30:00"),
        ("年费", "General", "年费"),
    ],
)
def test_a_cell_is_read_as_its_format_shows_it(value: object, number_format: str, text: str) -> None:
    cell = Workbook().active.cell(1, 1, value)
    cell.number_format = number_format
    assert shown_text(cell) == text


def test_a_sheet_is_a_section_of_paragraphs_and_tables() -> None:
    def build(workbook: Any, sheet: Any) -> None:
        for row in (["Fees from 1 July"], [], ["", "Account", "Monthly"], ["", "Basic", 4.5], ["", "Plus", 0], [], ["All prices in CHF"]):
            sheet.append([cell if cell != "" else None for cell in row])
        sheet["C4"].number_format = "0.00"
        second = workbook.create_sheet("利率")
        second.append(["产品", "年利率"])
        second.append(["活期", 0.002])
        second["B2"].number_format = "0.0%"

    assert lines(read_xlsx, saved(build)) == [
        "h2 Fees",
        "p Fees from 1 July",
        "t Account: Basic | Monthly: 4.50 / Account: Plus | Monthly: 0",
        "p All prices in CHF",
        "h2 利率",
        "t 产品: 活期 | 年利率: 0.2%",
    ]


def test_merged_cells_and_headers_of_two_rows() -> None:
    def build(workbook: Any, sheet: Any) -> None:
        for row in (["Product", "Rate", None], [None, "2025", "2026"], ["Loan", "3.0%", "3.5%"], [None, "3.1%", "3.6%"]):
            sheet.append(row)
        sheet.merge_cells("A1:A2")
        sheet.merge_cells("B1:C1")
        sheet.merge_cells("A3:A4")
        sheet.append([])
        sheet.append(["All rates per year"])
        sheet.merge_cells("A6:C7")

    assert lines(read_xlsx, saved(build)) == [
        "h2 Fees",
        "t Product: Loan | Rate 2025: 3.0% | Rate 2026: 3.5% / Product: Loan | Rate 2025: 3.1% | Rate 2026: 3.6%",
        "p All rates per year",
    ]


def test_hidden_sheets_rows_and_columns_are_left_out() -> None:
    def build(workbook: Any, sheet: Any) -> None:
        for row in (["Account", "Margin", "Fee"], ["Basic", "SECRET", 4], ["SECRET", 1, 2], ["Plus", "SECRET", 0]):
            sheet.append(row)
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["B"].hidden = True
        for number, state in enumerate(("hidden", "veryHidden")):
            other = workbook.create_sheet(f"SECRET {number}")
            other.append(["SECRET"])
            other.sheet_state = state

    assert lines(read_xlsx, saved(build)) == ["h2 Fees", "t Account: Basic | Fee: 4 / Account: Plus | Fee: 0"]


def test_limits_of_text_and_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(lambda workbook, sheet: [sheet.append(["A", "B"]) for _ in range(3)])
    with pytest.raises(DocumentRefused, match="more than 5 characters") as refused:
        lines(read_xlsx, content, Limits(1, 5))
    assert refused.value.code == "too_large"
    monkeypatch.setattr("ingest.readers.xlsx.MAX_CELLS", 6)
    assert len(lines(read_xlsx, content)) == 2
    monkeypatch.setattr("ingest.readers.xlsx.MAX_CELLS", 5)
    with pytest.raises(DocumentRefused, match="more than 5 cells") as refused:
        lines(read_xlsx, content)
    assert refused.value.code == "too_large"


def test_an_empty_workbook_has_only_its_sheet_name() -> None:
    assert lines(read_xlsx, saved(lambda workbook, sheet: None)) == ["h2 Fees"]
