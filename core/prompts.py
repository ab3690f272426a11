"""The prompt of an answer. Training and serving build it here, so an adapter never sees at serving time what it did not see in training.

A prompt has a prefix (system text, passages, question), the same for every adapter, and a suffix (the task's instruction, the
opening of the assistant's turn, where the adapter switches on, and the question once more). The engine puts its model's chat template
around them. An activated adapter reads the prefix only as the bare base understood it; the repeated question is what it reads itself,
and it learns from fewer questions with it (docs/decisions/0005 has the figures).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.types import Turn

#: counts the forms that prompts have had: an adapter answers only prompts of the form that it was trained on. Raise it with every change to what is read
FORM = 2

#: what the model writes when the passages do not hold the answer, in either language
NOT_FOUND = "Not in the documents."

SYSTEM = (
    "You are a bank's assistant. Answer from the numbered passages only. Copy figures exactly as they are written. "
    "After the answer write the number of the passage in brackets, like [1]. "
    f"If the passages do not answer the question, write: {NOT_FOUND}"
)
PLAIN_SYSTEM = "You are a bank's assistant. Answer briefly and clearly."


@dataclass(frozen=True, slots=True)
class PromptPassage:
    """A passage as the model sees it."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """``system`` and ``context`` are the prefix, ``instruction`` begins the suffix. ``opening`` is what the assistant's turn begins with where an
    adapter writes it; the bare base model, which was not trained on it, goes without. All are plain text: special tokens in them have no power."""

    system: str
    context: str
    instruction: str
    opening: str = ""


def heading_of(title: str, heading_path: Sequence[str]) -> str:
    """Title and headings in one line; a first heading that repeats the title is left out."""
    path = [heading for heading in heading_path if heading != title]
    return " > ".join([title, *path])


def render_passages(passages: Sequence[PromptPassage]) -> str:
    """The numbered passages, as they open the user's turn."""
    return "\n\n".join(f"[{number}] {passage.heading}\n{passage.text}" for number, passage in enumerate(passages, start=1))


def in_schema(schema: Mapping[str, Any]) -> str:
    """The instruction in the place of a task's where a JSON document is asked for: the model is held to the schema anyhow, and here sees where it leads."""
    return f"Answer with a short JSON document of this schema: {json.dumps(schema, ensure_ascii=False)}"


def render(question: str, passages: Sequence[PromptPassage], instruction: str, history: Sequence[Turn] = (), system: str = "") -> Prompt:
    """The prompt of a question with passages. Without passages it is a plain question to the model; only there a ``system`` text takes the place of ours."""
    earlier = "".join(f"{'Asked before' if turn.role == 'user' else 'Answered before'}: {turn.content}\n" for turn in history)
    if not passages:
        return Prompt(system or PLAIN_SYSTEM, f"{earlier}{question}", "")
    return Prompt(SYSTEM, f"{render_passages(passages)}\n\n{earlier}Question: {question}", f"\n{instruction}" if instruction else "", f"{question}\n")
