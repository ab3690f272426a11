"""From words in a document to the sentence or the table row that says them: what a reader would be shown as evidence."""

from __future__ import annotations

from core.text.sentences import sentences


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The sentences, or lines of a table, that hold the text from ``start`` to ``end``."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end - 1 if end > start else end)
    line_end = len(text) if line_end < 0 else line_end
    line = text[line_start:line_end]
    if " | " in line:
        return line_start, line_end
    spans = [span for span in sentences(line) if span.start < end - line_start and span.end > start - line_start]
    return (line_start + spans[0].start, line_start + spans[-1].end) if spans else (start, end)
