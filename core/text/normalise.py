"""The one normalisation of document text and questions. All offsets refer to its result."""

from __future__ import annotations

import re
import unicodedata

#: Chinese punctuation stays as it is written; NFKC would turn it into ASCII
_FOLDABLE = re.compile("[^，：；！？（）～]+")
#: soft hyphens, zero-width and bidi characters, fillers and blanks, variation selectors, tags
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"[ \t\u00a0]+")


def normalise(text: str) -> str:
    """NFKC but for Chinese punctuation; no control, zero-width, bidi, filler, variation or tag characters; single spaces; lines stripped.

    Newlines are kept as ``\\n``; everything that only looks like nothing is dropped, so that hidden text cannot ride along.
    """
    text = _INVISIBLE.sub("", _BREAKS.sub("\n", text))  # before NFKC, which would not compose what they stand between
    text = _FOLDABLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _CONTROL.sub(" ", text)
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))


def one_line(text: str) -> str:
    """The normalised text without line breaks."""
    return " ".join(normalise(text).split())
