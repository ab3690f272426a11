"""Prompts of a length that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.prompts import Prompt, PromptPassage, render

SENTENCE = "The annual fee of the card is USD 45.00 and payments abroad cost 1.5% of the amount; a replacement is sent within five days. "
QUESTION = "What does a replacement card cost?"
#: tokens of a prompt besides its passage
_AROUND = 70


def about_fees(opening: str, count_tokens: Callable[[str], int], tokens: int, question: str = QUESTION) -> Prompt:
    """About so many tokens; its passage begins with ``opening``."""
    text = opening
    while count_tokens(text) < tokens - _AROUND:
        text += SENTENCE
    return render(question, [PromptPassage("Fees", text)], "")


def fresh(case: str, count_tokens: Callable[[str], int], tokens: int, question: str = QUESTION) -> Prompt:
    """The same, with ``case`` before everything: where no two cases are alike nobody has read any of it before, not even the system text."""
    prompt = about_fees(case, count_tokens, tokens, question)
    return replace(prompt, system=case + prompt.system)
