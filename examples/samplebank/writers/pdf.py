"""A PDF with a running header and page numbers, ruled tables, and Chinese text in the standard Song font."""

from __future__ import annotations

import io
from collections.abc import Sequence
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
from reportlab.platypus.doctemplate import BaseDocTemplate

from examples.samplebank.sources import Element, Source


def write_pdf(source: Source) -> bytes:
    body, bold = _fonts(source.language)
    out = io.BytesIO()
    template = SimpleDocTemplate(out, pagesize=A4, title=source.title, author="", invariant=1, leftMargin=22 * mm, rightMargin=22 * mm)

    def frame(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setFont(body, 8)
        canvas.drawString(22 * mm, 285 * mm, source.title)
        canvas.drawRightString(188 * mm, 12 * mm, f"Page {document.page}" if source.language == "en" else f"第 {document.page} 页")

    flowables: list[Flowable] = [Paragraph(escape(source.title), _style(bold, 18, 10, source))]
    for element in source.elements:
        flowables.extend(_flowables(element, source, body, bold))
    template.build(flowables, onFirstPage=frame, onLaterPages=frame)
    return out.getvalue()


def _fonts(language: str) -> tuple[str, str]:
    if language == "zh":
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
        return "STSong-Light", "STSong-Light"
    return "Helvetica", "Helvetica-Bold"


def _style(font: str, size: int, after: int, source: Source) -> ParagraphStyle:
    wrap = "CJK" if source.language == "zh" else None
    return ParagraphStyle(f"{font}{size}", fontName=font, fontSize=size, leading=size * 1.35, spaceAfter=after, alignment=TA_LEFT, wordWrap=wrap)


def _flowables(element: Element, source: Source, body: str, bold: str) -> Sequence[Flowable]:
    match element.kind:
        case "heading":
            return [Spacer(1, 6), Paragraph(escape(element.text), _style(bold, 15 - 2 * element.level + 2, 5, source))]
        case "table":
            cells = [[Paragraph(escape(cell), _style(bold if row == 0 else body, 9, 0, source)) for cell in cells] for row, cells in enumerate(element.rows)]
            grid = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)])
            return [KeepTogether([Table(cells, style=grid, repeatRows=1, hAlign="LEFT"), Spacer(1, 8)])]
        case "item":
            return [Paragraph("• " + escape(element.text), _style(body, 10, 3, source))]
        case _:
            return [Paragraph(escape(element.text), _style(body, 10, 6, source))]
