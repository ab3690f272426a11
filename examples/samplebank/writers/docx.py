"""A Word document with heading styles, lists and tables."""

from __future__ import annotations

import io

from docx import Document

from examples.samplebank.sources import Source
from examples.samplebank.writers.archive import with_fixed_times


def write_docx(source: Source) -> bytes:
    document = Document()
    document.core_properties.title = source.title
    document.core_properties.author = ""
    document.add_heading(source.title, level=0)
    for element in source.elements:
        match element.kind:
            case "heading":
                document.add_heading(element.text, level=element.level)
            case "paragraph":
                document.add_paragraph(element.text)
            case "item":
                document.add_paragraph(element.text, style="List Bullet")
            case "table":
                table = document.add_table(rows=0, cols=len(element.rows[0]))
                table.style = "Table Grid"
                for row in element.rows:
                    for cell, text in zip(table.add_row().cells, row, strict=True):
                        cell.text = text
    out = io.BytesIO()
    document.save(out)
    return with_fixed_times(out.getvalue())
