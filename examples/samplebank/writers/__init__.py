"""The formats that a bank's documents come in. Each writer turns a source into the bytes of a real file, the same on every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from examples.samplebank.sources import Source
from examples.samplebank.writers.docx import write_docx
from examples.samplebank.writers.html import write_html
from examples.samplebank.writers.pdf import write_pdf
from examples.samplebank.writers.plain import write_markdown, write_text
from examples.samplebank.writers.xlsx import write_xlsx

WRITERS: Mapping[str, Callable[[Source], bytes]] = {
    "pdf": write_pdf,
    "docx": write_docx,
    "xlsx": write_xlsx,
    "html": write_html,
    "md": write_markdown,
    "txt": write_text,
}
