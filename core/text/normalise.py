"""The one normalisation of document text and questions. All offsets refer to its result."""

from __future__ import annotations

import re
import unicodedata

#: Chinese punctuation stays as it is written; NFKC would turn it into ASCII
_FOLDABLE = re.compile("[^，：；！？（）～]+")
#: soft hyphens, zero-width and bidi characters, fillers and blanks, variation selectors, tags, halves of surrogate pairs
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"[ \t\u00a0]+")
#: no script puts more marks on one letter (Unicode's stream-safe text has the same limit); NFKC takes quadratic time over a run of them
_MAX_MARKS = 30
#: the half-width voicing marks of Japanese are letters, of which NFKC makes combining marks
_VOICING = "\uff9e\uff9f"
#: every run that may hold too many marks, and some that do not
_MANY = re.compile(rf"(?:[^\w\s\x00-\x7f]|[{_VOICING}]){{{_MAX_MARKS + 1},}}")


def normalise(text: str) -> str:
    """NFKC but for Chinese punctuation; no control, zero-width, bidi, filler, variation or tag characters; single spaces; lines stripped.

    Newlines are kept as ``\\n``; everything that only looks like nothing is dropped, so that hidden text cannot ride along,
    and so are combining marks beyond 30 in a row.
    """
    text = _INVISIBLE.sub("", _BREAKS.sub("\n", text))  # before NFKC, which would not compose what they stand between
    text = _FOLDABLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), _few_marks(text))
    text = _few_marks(text)  # some marks are one character before NFKC and several after
    text = _CONTROL.sub(" ", text)
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))


def _few_marks(text: str) -> str:
    """The text with no more than :data:`_MAX_MARKS` combining marks in a row."""
    return _MANY.sub(lambda match: _cut(match[0]), text)


def _cut(run: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in run:
        marks = marks + 1 if unicodedata.category(character).startswith("M") or character in _VOICING else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def one_line(text: str) -> str:
    """The normalised text without line breaks."""
    return " ".join(normalise(text).split())
