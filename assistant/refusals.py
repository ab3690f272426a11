"""Why there is no answer, as a word for programs and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core.types import Language


class Refusal(StrEnum):
    NO_EVIDENCE = "no_evidence"
    NOT_IN_PASSAGES = "not_in_passages"
    UNSUPPORTED = "unsupported"
    WITHDRAWN = "withdrawn"
    HANDED_OFF = "low_confidence"
    POLICY = "policy"


_TEXTS: Mapping[Refusal, Mapping[Language, str]] = {
    Refusal.NO_EVIDENCE: {"en": "The documents that you may read hold nothing about this.", "zh": "您可查阅的文件中没有与此有关的内容。"},
    Refusal.NOT_IN_PASSAGES: {"en": "The documents that come nearest do not answer this.", "zh": "最相关的文件没有回答这个问题。"},
    Refusal.UNSUPPORTED: {"en": "No answer was found that the documents fully support.", "zh": "没有得到文件能够完全支持的答案。"},
    Refusal.WITHDRAWN: {"en": "A document that the answer rested on was withdrawn or changed meanwhile.", "zh": "答案所依据的文件刚刚被撤回或更改。"},
    Refusal.HANDED_OFF: {"en": "A colleague will answer this.", "zh": "这个问题将由工作人员为您解答。"},
    Refusal.POLICY: {"en": "The bank does not answer questions about this here.", "zh": "本行不在此回答这类问题。"},
}


def refusal_text(refusal: Refusal, language: Language) -> str:
    """What the asker reads, in the language of the question."""
    return _TEXTS[refusal][language]
