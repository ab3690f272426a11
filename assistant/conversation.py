"""What a caller's list of messages asks: the last one is the question, those before it its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.guard import checked_history, checked_question, recent
from core.errors import BadInput
from core.text.normalise import normalise
from core.types import Turn


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """``system`` is what the caller wants the model to be told, and ``unread`` are the messages, counted from 0, that are too old to be read."""

    question: str
    history: tuple[Turn, ...]
    system: str
    system_messages: tuple[int, ...]
    unread: tuple[int, ...]


def read(messages: Sequence[Message], limit: int) -> Conversation:
    """Take the messages apart. Of a long conversation the newest turns are read.

    Args:
        limit: characters that a question, or the system messages together, may have; the history may have twice as many.

    Raises:
        BadInput: the last message is not the user's, or one of them is empty or too long; ``param`` is messages.
    """
    if messages[-1].role != "user":
        raise BadInput("the last message must be the user's: it is the question that is answered", param="messages")
    told = tuple(place for place, message in enumerate(messages) if message.role == "system")
    said = [(place, Turn(message.role, message.text)) for place, message in enumerate(messages[:-1]) if message.role != "system" and message.text.strip()]
    kept = recent([turn for _, turn in said], limit)
    try:
        question, history = checked_question(messages[-1].text, limit), checked_history(kept, limit)
    except BadInput as error:
        code = "context_length_exceeded" if error.code == "question_too_long" else error.code
        raise BadInput(error.message, code=code, param="messages") from error
    system = "\n".join(messages[place].text for place in told)
    if len(system) > limit:
        raise BadInput(
            f"the system messages have {len(system):,} characters together, more than the limit of {limit:,}", code="context_length_exceeded", param="messages"
        )
    return Conversation(question, history, normalise(system).strip(), told, tuple(place for place, _ in said[: len(said) - len(kept)]))
