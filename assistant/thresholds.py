"""The thresholds that a passage sets: per measure the limit of each rating, from tables with a row per measure or per rating and from clauses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from core.text.tables import BETWEEN_CELLS

BAND: Mapping[str, str] = {"low": "low", "medium": "medium", "high": "high", "低": "low", "中": "medium", "高": "high"}
_LABEL = re.compile(r"(?P<band>low|medium|high|低|中|高)(?: risk|风险)?", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:\d+(?:\.\d+)*\.?\s+|第[^\s条]{1,6}条\s*)?(?P<measure>[^:：]{2,80})[:：]\s*(?P<rest>.+)")
_ENGLISH = re.compile(r"\b(?P<band>low|medium|high)\s+(?:(?:with|at|if)\s+)?(?P<words>.+?)(?=,?\s+(?:and\s+)?(?:low|medium|high)\s|[.;]?$)", re.IGNORECASE)
_CHINESE = re.compile(r"(?P<words>[^;；。]+?)的?(?:为|评为|属于?)(?P<band>低|中|高)风险")


def thresholds(passage: str) -> dict[str, list[tuple[str, str]]]:
    """Measures as the passage names them, each with pairs of a rating (low, medium, high) and the words of its limit, to the letter."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in passage.split("\n"):
        for measure, band, words in _row(line) if BETWEEN_CELLS in line else _clause(line):
            found.setdefault(measure, []).append((band, words))
    return found


def _row(line: str) -> Iterator[tuple[str, str, str]]:
    (_, first), *cells = (_cell(cell) for cell in line.split(BETWEEN_CELLS))
    if match := _LABEL.fullmatch(first):
        for measure, words in cells:
            yield measure, BAND[match["band"].lower()], words
        return
    for header, words in cells:
        if match := _LABEL.fullmatch(header):
            yield first, BAND[match["band"].lower()], words


def _cell(cell: str) -> tuple[str, str]:
    header, colon, text = cell.partition(":")
    return (header.strip(), text.strip()) if colon else ("", cell.strip())


def _clause(line: str) -> Iterator[tuple[str, str, str]]:
    if (clause := _NUMBERED.fullmatch(line.strip())) is None:
        return
    pattern = _CHINESE if "风险" in clause["rest"] else _ENGLISH
    for match in pattern.finditer(clause["rest"]):
        yield clause["measure"].strip(), BAND[match["band"].lower()], match["words"].strip(" ,，")
