"""What the check of rows and columns sees: on tables of banks that nobody saw, the right value and every wrong one of its column and of its row.

No model takes part: each wrong value is offered in the right one's place, as a model that slips by a row or a column would write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.table_check import check, corrected
from core.text.numbers import unsupported
from core.text.places import place_of
from core.text.tables import BETWEEN_CELLS, table_lines
from core.types import Language, Passage
from eval.pieces import Piece, asked_of
from examples.samplebank.questions import SampleQuestion
from examples.samplebank.sources import Source


@dataclass
class Counts:
    """Right values and how many of them were refused; wrong values of the same column (another row) and of the same row, and how many were seen;
    of these wrong values how many were corrected to the right one, and to another wrong one; the same of values wrong in row and column, and
    of figures that stand nowhere in the table."""

    right: int = 0
    refused: int = 0
    wrong_rows: int = 0
    rows_seen: int = 0
    wrong_columns: int = 0
    columns_seen: int = 0
    mended: int = 0
    spoilt: int = 0
    both_mended: int = 0
    both_spoilt: int = 0
    nowhere: int = 0
    nowhere_mended: int = 0
    nowhere_spoilt: int = 0


def count(seeds: Sequence[int]) -> dict[Language, Counts]:
    """The counts per language over the banks of some seeds."""
    counts: dict[Language, Counts] = {"en": Counts(), "zh": Counts()}
    for question, table in asked_of(seeds, _tables):
        _try(question, table, counts[question.language])
    return counts


def _tables(source: Source) -> Iterator[Piece]:
    for element in source.elements:
        if element.kind == "table":
            yield (), "\n".join(table_lines(element.rows[0], element.rows[1:]))


def _try(question: SampleQuestion, table: Passage, counts: Counts) -> None:
    lines = [line for line in table.text.split("\n") if BETWEEN_CELLS in line]
    answer = next((answer for answer in question.answer if any(place_of(answer, line) >= 0 for line in lines)), None)
    if answer is None:
        return
    counts.right += 1
    counts.refused += not check(answer, [table], question.ask).passed
    cells = [[cell.partition(": ")[::2] for cell in line.split(BETWEEN_CELLS)] for line in lines]
    mine = [row for row in cells if any(place_of(answer, value) >= 0 for _, value in row)]
    column = next(name for name, value in mine[0] if place_of(answer, value) >= 0)
    both = Counts()  # of a value that is wrong in row and column only what a correction makes of it counts
    for row in cells:
        for place, (name, value) in enumerate(row):
            if not value or any(value == other for one in mine for other_name, other in one if other_name == column):
                continue
            if row not in mine and name == column:
                counts.wrong_rows += 1
                counts.rows_seen += _seen(value, answer, table, question.ask, counts)
            elif row in mine and name != column and place > 0:
                counts.wrong_columns += 1
                counts.columns_seen += _seen(value, answer, table, question.ask, counts)
            elif row not in mine and place > 0:
                _seen(value, answer, table, question.ask, both)
    if (figure := _from_nowhere(answer, table)) is not None:
        counts.nowhere += 1
        correction = corrected(figure, table, question.ask)
        counts.nowhere_mended += correction is not None and place_of(answer, correction.text) >= 0
        counts.nowhere_spoilt += correction is not None and place_of(answer, correction.text) < 0
    counts.both_mended += both.mended
    counts.both_spoilt += both.spoilt


def _from_nowhere(answer: str, table: Passage) -> str | None:
    """The answer with its last digit exchanged so that the table does not state it; None for an answer without digits."""
    last = max((at for at, character in enumerate(answer) if character.isdigit()), default=None)
    others = [f"{answer[:last]}{digit}{answer[last + 1 :]}" for digit in "7531986420"] if last is not None else []
    return next((other for other in others if unsupported(other, [table.text])), None)


def _seen(value: str, answer: str, table: Passage, question: str, counts: Counts) -> bool:
    """Whether a wrong value fails the check; what became of it is counted."""
    if check(value, [table], question).passed:
        return False
    correction = corrected(value, table, question)
    if correction is not None and check(correction.text, [table], question).passed:
        right = place_of(answer, correction.text) >= 0
        counts.mended += right
        counts.spoilt += not right
    return True
