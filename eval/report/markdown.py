"""The report as Markdown, for a pull request or a ticket. Texts are escaped: none of them can become markup, a link or a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.report.blocks import Banner, Block, Case, Cell, Chart, Charts, Heading, Mark, Name, Note, Piece, Prose, Report, Table, Tiles, Value, Verbatim
from eval.report.numbers import value_text

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&])")


def markdown(report: Report) -> str:
    lines = [
        f"# Evaluation of {_escaped(report.suite)}",
        "",
        f"Run {_escaped(report.run)}" + (f", ended {_escaped(report.made)} UTC" if report.made else ""),
        "",
    ]
    for number, section in enumerate(report.sections, start=1):
        lines += [f"## {number}. {_escaped(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(text):
            yield f"### {_escaped(text)}"
        case Prose(text) | Note(text, _):
            yield _escaped(text)
        case Banner(title, text, _):
            yield f"**{_escaped(title)}.** {_escaped(text)}"
        case Tiles(tiles):
            yield from (f"- {_escaped(tile.label)}: **{_escaped(value_text(tile.value))}** ({_escaped(tile.meaning)})" for tile in tiles)
        case Table():
            yield from _table(block)
        case Verbatim(caption, text):
            yield f"{_escaped(caption)}:"
            yield ""
            yield from (f"    {line}" for line in text.splitlines())
        case Chart():
            yield f"**{_escaped(block.title)}.** {_escaped(block.alternative)}"
            yield ""
            yield from _table(block.table)
        case Charts(charts):
            for chart in charts:
                yield from _block(chart)
                yield ""
        case Case():
            yield from _case(block)


def _table(table: Table) -> Iterator[str]:
    yield _escaped(table.caption) + ":"
    yield ""
    yield f"| {' | '.join(_escaped(column) for column in table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    yield from (f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table.rows)


def _cell(cell: Cell) -> str:
    match cell:
        case Value():
            return _escaped(value_text(cell))
        case Name(text, meaning):
            return f"{_escaped(text)} ({_escaped(meaning)})" if meaning else _escaped(text)
        case Mark(text, tone):
            return f"**{_escaped(text)}**" if tone == "bad" else _escaped(text)
    return _escaped(cell)


def _case(case: Case) -> Iterator[str]:
    yield f"- **{_escaped(case.verdict.text)}** {_escaped(case.item)} ({_escaped(', '.join(case.labels))})"
    yield f"  - question: {_escaped(case.question)}"
    yield f"  - expected: {_escaped(case.expected)}"
    yield f"  - came: {_escaped(case.answer)} ({_escaped(case.outcome)})"
    yield from (f"  - finding: {_escaped(finding)}" for finding in case.findings)
    yield from (f"  - answer stands in: {_piece(piece)}" for piece in case.evidence)
    yield from (f"  - the model read: {_piece(piece)}" for piece in case.passages)


def _piece(piece: Piece) -> str:
    return f"{_escaped(piece.place)}: {_escaped(piece.text)}"


def _escaped(text: str) -> str:
    """In one line, no character of it with a meaning in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
