"""What a question may be, and what of it may be stored: limits on the way in, personal data masked in every record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from stdnum import iban, luhn
from stdnum.cn import ric

from core.errors import BadInput
from core.text.normalise import normalise
from core.types import Turn

MAX_TURNS = 20


def checked_question(text: str, limit: int) -> str:
    """The normalised question.

    Raises:
        BadInput: it is empty or longer than the limit.
    """
    question = normalise(text).strip()
    if not question:
        raise BadInput("the question is empty", param="question")
    if len(question) > limit:
        raise BadInput(f"the question has {len(question):,} characters, more than the limit of {limit:,}", code="question_too_long", param="question")
    return question


def checked_history(turns: Sequence[Turn], limit: int) -> tuple[Turn, ...]:
    """The history, each turn normalised.

    Raises:
        BadInput: too many turns, or together longer than the limit.
    """
    if len(turns) > MAX_TURNS:
        raise BadInput(f"the history has {len(turns)} turns, more than the limit of {MAX_TURNS}", param="history")
    clean = tuple(Turn(turn.role, normalise(turn.content).strip()) for turn in turns)
    if sum(len(turn.content) for turn in clean) > 2 * limit:
        raise BadInput(f"the history is longer than {2 * limit:,} characters", param="history")
    return clean


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


#: (label, shape, test): the shape finds candidates, the test keeps those whose check digits are right
_KINDS: Sequence[tuple[str, re.Pattern[str], Callable[[str], bool]]] = (
    ("EMAIL", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), lambda _: True),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"), lambda text: bool(iban.is_valid(text))),
    ("RESIDENT_ID", re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), lambda text: bool(ric.is_valid(text))),
    ("CARD", re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), lambda text: bool(luhn.is_valid(_digits(text)))),
    ("PHONE", re.compile(r"(?<![\d.,])(?:\+\d{1,3}[ -]?(?:\(\d+\)[ -]?)?\d[\d -]{5,13}\d|1[3-9]\d{9})(?![\d,])"), lambda _: True),
    ("ACCOUNT", re.compile(r"(?<![\d.,+])\d{9,18}(?![\d,])"), lambda _: True),
)


def mask(text: str) -> str:
    """The text with personal data replaced by their kind, such as ``[IBAN]``."""
    for kind in _KINDS:
        text = _masked(text, *kind)
    return text


def _masked(text: str, label: str, shape: re.Pattern[str], test: Callable[[str], bool]) -> str:
    return shape.sub(lambda match: f"[{label}]" if test(match[0]) else match[0], text)
