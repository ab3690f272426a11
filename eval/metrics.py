"""Measures of one answer against what is known to be right. Each is a small pure function."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from core.text.language import HAN

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation + "，。：；！？（）《》〈〉「」『』“”‘’、·")


def answer_tokens(text: str) -> list[str]:
    """SQuAD's normal form (lower case, no punctuation, no articles), every Chinese character a token of its own as in CMRC2018's scorer."""
    plain = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION))
    return HAN.sub(lambda match: f" {match[0]} ", plain).split()


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """The best F1 of shared tokens over the accepted answers (Rajpurkar et al. 2016); 0 when nothing is shared."""
    return max((_f1(answer_tokens(answer), answer_tokens(text)) for text in gold), default=0.0)


def contains_answer(answer: str, gold: Sequence[str]) -> bool:
    """Whether one accepted answer stands in the text, token by token."""
    haystack = f" {' '.join(answer_tokens(answer))} "
    return any(f" {' '.join(answer_tokens(text))} " in haystack for text in gold if answer_tokens(text))


def _f1(tokens: list[str], gold: list[str]) -> float:
    shared = sum((Counter(tokens) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(tokens), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
