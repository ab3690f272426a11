"""A workbook: one sheet per second-level heading, its tables below notes, rates and amounts as real numbers with a format."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from examples.samplebank.sources import Element, Source
from examples.samplebank.writers.archive import with_fixed_times

_PERCENT = re.compile(r"(\d+(?:\.(\d+))?)%")
_AMOUNT = re.compile(r"([A-Z]{3}) ([\d,]+(?:\.(\d+))?)")


def write_xlsx(source: Source) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    workbook.properties.title = source.title
    workbook.properties.creator = ""
    workbook.properties.created = workbook.properties.modified = datetime(2026, 1, 1)  # noqa: DTZ001, workbooks have no time zone
    for heading, elements in _sheets(source.elements):
        sheet = workbook.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", heading or source.title)[:31])
        sheet.column_dimensions["A"].width = 46
        sheet.cell(1, 1, source.title).font = Font(bold=True, size=14)
        row = 2
        for element in elements:
            if element.kind == "table":
                row += 1  # a blank row above and below sets a table apart
                for column, name in enumerate(element.rows[0], start=1):
                    sheet.cell(row, column, name).font = Font(bold=True)
                for cells in element.rows[1:]:
                    row += 1
                    for column, text in enumerate(cells, start=1):
                        _write(sheet, row, column, text)
                row += 2
            else:
                sheet.cell(row, 1, element.text)
                row += 1
    out = io.BytesIO()
    workbook.save(out)
    return with_fixed_times(out.getvalue())


def _sheets(elements: Sequence[Element]) -> list[tuple[str, list[Element]]]:
    """The elements below each second-level heading; those before the first have none."""
    sheets: list[tuple[str, list[Element]]] = []
    for element in elements:
        if element.kind == "heading" and element.level == 2:
            sheets.append((element.text, []))
        else:
            if not sheets:
                sheets.append(("", []))
            sheets[-1][1].append(element)
    return sheets


def _write(sheet: Worksheet, row: int, column: int, text: str) -> None:
    cell = sheet.cell(row=row, column=column)
    if match := _PERCENT.fullmatch(text):
        decimals = len(match[2] or "")
        cell.value = round(float(match[1]) / 100, decimals + 2)
        cell.number_format = "0." + "0" * decimals + "%" if decimals else "0%"
    elif match := _AMOUNT.fullmatch(text):
        cell.value = float(match[2].replace(",", ""))
        cell.number_format = f'"{match[1]}" #,##0' + ("." + "0" * len(match[3]) if match[3] else "")
    elif text:
        cell.value = text
