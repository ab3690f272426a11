"""What a question may be, and what of it may be stored: limits on the way in, personal data masked in every record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from stdnum import iban, luhn
from stdnum.cn import ric

from core.errors import BadInput
from core.text.normalise import normalise, one_line
from core.types import Passage, Turn

MAX_TURNS = 20
#: what is longer than its limit so many times is refused without normalising it, which may make it shorter
_UNREAD = 4


def checked_question(text: str, limit: int) -> str:
    """The normalised question.

    Raises:
        BadInput: it is empty or longer than the limit.
    """
    question = normalise(text).strip() if len(text) <= _UNREAD * limit else text
    if not question:
        raise BadInput("the question is empty", param="question")
    if len(question) > limit:
        raise BadInput(f"the question has {len(question):,} characters, more than the limit of {limit:,}", code="question_too_long", param="question")
    return question


def checked_passages(passages: Sequence[tuple[str, str]], limit: int) -> tuple[Passage, ...]:
    """Passages that the caller brought, each a title and a text, normalised.

    Raises:
        BadInput: one is longer than four times the limit of a question.
    """
    clean: list[Passage] = []
    for number, (title, text) in enumerate(passages, start=1):
        if len(text) > _UNREAD * limit:
            raise BadInput(
                f"passage {number} has {len(text):,} characters, more than the limit of {_UNREAD * limit:,}", code="passage_too_long", param="passages"
            )
        body = normalise(text)
        clean.append(Passage(number, f"given-{number}", f"passage-{number}", 1, one_line(title) or f"Passage {number}", (), None, 0, len(body), body))
    return tuple(clean)


def checked_history(turns: Sequence[Turn], limit: int) -> tuple[Turn, ...]:
    """The history, each turn normalised.

    Raises:
        BadInput: too many turns, or together longer than the limit.
    """
    if len(turns) > MAX_TURNS:
        raise BadInput(f"the history has {len(turns)} turns, more than the limit of {MAX_TURNS}", param="history")
    if _length(turns) <= _UNREAD * 2 * limit:
        turns = [Turn(turn.role, normalise(turn.content).strip()) for turn in turns]
    if _length(turns) > 2 * limit:
        raise BadInput(f"the history is longer than {2 * limit:,} characters", param="history")
    return tuple(turns)


def recent(turns: Sequence[Turn], limit: int) -> tuple[Turn, ...]:
    """The newest turns that are within the limits of a history: callers that send all that was ever said are not refused for it."""
    kept: list[Turn] = []
    left = 2 * limit
    for turn in reversed(turns[-MAX_TURNS:]):
        left -= len(turn.content)
        if left < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def _length(turns: Sequence[Turn]) -> int:
    return sum(len(turn.content) for turn in turns)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _card(text: str) -> bool:
    return len(_digits(text)) >= 13 and bool(luhn.is_valid(_digits(text)))


def _account(digits: str) -> bool:
    """No round sum, and no day written as one number."""
    round_sum = len(digits) <= 10 and digits.endswith("0000")
    day = re.fullmatch(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", digits)
    return not round_sum and day is None


def _always(_: str) -> bool:
    return True


#: where a number begins and ends that is no part of a longer one: a digit before or behind it, or a digit and a sign
_BEGIN, _END = r"(?<!\d)(?<!\d[.,-])", r"(?!\d|[.,]\d)"
_CODES = "USD|EUR|CHF|GBP|CNY|RMB|HKD|SGD|JPY|AUD|CAD"
_BEHIND_MONEY = rf"(?<!{_CODES})(?<!(?:{_CODES}) )(?<![$€£¥])(?<![$€£¥] )(?<!人民币)"
_BEFORE_MONEY = rf"(?! ?(?:{_CODES}|[%$€£¥元万亿块]|[美港欧日]元|英镑|港币|瑞士法郎|人民币|dollars?\b|euros?\b|pounds?\b|francs?\b|yuan\b))"
_PHONE = r"""
    \+\d{1,3}[ -]?(?:\(\d+\)[ -]?)?\d[\d -]{5,13}\d  # +41 44 123 45 67
  | 1[3-9]\d[ -]?\d{4}[ -]?\d{4}                       # 138 1234 5678
  | \(\d{2,4}\)[ ]?\d{3,4}[ -]?\d{4}                   # (555) 123-4567
  | \d{3}[.-]\d{3}[.-]\d{4}                            # 555-123-4567
  | 0\d{2}[ ./-]?\d{3}[ ./-]?\d{2}[ ./-]?\d{2}         # 079 123 45 67
  | 0\d{2,3}[ ./-]?\d{3,4}[ ./-]?\d{4}                 # 010-12345678
  | 0\d{3,4}[ /-]\d{5,7}                               # 01234 567890
  | 0\d(?:[ .]\d\d){4}                                 # 01 23 45 67 89
"""

#: (label, shape, test): the shape finds candidates, the test keeps those whose check digits are right
_KINDS: Sequence[tuple[str, re.Pattern[str], Callable[[str], bool]]] = (
    ("EMAIL", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), _always),
    ("IBAN", re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])"), lambda text: bool(iban.is_valid(text))),
    ("RESIDENT_ID", re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), lambda text: bool(ric.is_valid(text))),
    ("CARD", re.compile(r"(?<!\d)(?:\d(?:[ -]?\d){12,18}|\d{4}(?:\.\d{4}){3}(?:\.\d{1,3})?|\d{4}\.\d{6}\.\d{5})(?!\d)"), _card),
    ("PHONE", re.compile(f"{_BEGIN}(?:{_PHONE}){_END}", re.VERBOSE), _always),
    ("ACCOUNT", re.compile(rf"{_BEGIN}(?<!\+){_BEHIND_MONEY}\d{{8,30}}{_END}{_BEFORE_MONEY}"), _account),
)
#: where a candidate may end: its shape may have taken in words and numbers that follow it
_ENDS = re.compile(r"[^\W_](?![^\W_])")


def mask(text: str) -> str:
    """The text with personal data replaced by their kind, such as ``[IBAN]``."""
    for kind in _KINDS:
        text = _masked(text, *kind)
    return text


def _masked(text: str, label: str, shape: re.Pattern[str], test: Callable[[str], bool]) -> str:
    pieces: list[str] = []
    at = look = 0
    while match := shape.search(text, look):
        ends = [end.end() for end in _ENDS.finditer(match[0])]
        if length := next((end for end in reversed(ends) if test(match[0][:end])), 0):
            pieces += [text[at : match.start()], f"[{label}]"]
            at = look = match.start() + length
        else:
            look = match.start() + 1
    return "".join([*pieces, text[at:]])
