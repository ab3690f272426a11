"""An answer, or a text without checks, as OpenAI's chat completion: whole, or in chunks while it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from assistant.answer import Event, Generated
from assistant.openai_wire import (
    AnnotationOut,
    BankOut,
    ChatCompletionOut,
    ChatMessageOut,
    ChatUsageOut,
    ChoiceOut,
    FinishReason,
    PromptTokensOut,
    UrlCitationOut,
)
from assistant.refusals import Refusal
from assistant.wire import answer_out, logprobs_out, route_out
from core.errors import Conflict
from core.ports import Token
from core.types import Answer, AnswerKind, Citation, Found, Route, Sentence


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request its completion needs. ``created`` is in seconds since 1970."""

    id: str
    created: int
    trace_id: str
    as_of: date
    fingerprint: str
    structured: bool
    logprobs: bool
    usage: bool
    unused_messages: tuple[int, ...]


def completion(done: Answer | Generated, asked: Asked) -> ChatCompletionOut:
    """The whole completion."""
    reply = _answered(done, asked) if isinstance(done, Answer) else _generated(done, asked)
    logprobs = logprobs_out(done.logprobs) if asked.logprobs and isinstance(done, Generated) else None
    message = ChatMessageOut(content=reply.content, refusal=reply.refusal, annotations=reply.annotations)
    return ChatCompletionOut(
        id=asked.id,
        created=asked.created,
        model=reply.bank.adapter,
        system_fingerprint=asked.fingerprint,
        choices=[ChoiceOut(message=message, logprobs=logprobs, finish_reason=reply.finish_reason)],
        usage=reply.usage,
        bank=reply.bank,
    )


class Chunks:
    """The chunks of one completion, in the order that clients count on: the role, the content, the reason of its end, what the bank adds, usage."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._frame: dict[str, Any] = {"id": asked.id, "object": "chat.completion.chunk", "created": asked.created}
        self._sent = ""

    def of(self, event: Event | Generated) -> Iterator[dict[str, Any]]:
        """The chunks that an event comes to.

        Raises:
            Conflict: what was sent already is no part of the answer any more, because a document was withdrawn; the stream must break off.
        """
        match event:
            case Route():
                self._frame |= {"model": str(event.adapter or "base"), "system_fingerprint": self._asked.fingerprint}
                yield self._choice({"role": "assistant", "content": ""})
            case Found():
                pass
            case Sentence():
                yield self._content(f" {event.text}" if self._sent else event.text)
            case Token():
                yield self._content(event.text, logprobs_out(event.logprobs).model_dump(mode="json") if self._asked.logprobs else None)
            case Answer() | Generated():
                yield from self._end(event)

    def _end(self, done: Answer | Generated) -> Iterator[dict[str, Any]]:
        reply = _answered(done, self._asked) if isinstance(done, Answer) else _generated(done, self._asked)
        if not reply.content.startswith(self._sent):
            raise Conflict("a document that the answer rested on was withdrawn or changed while it was sent; ask again", code="withdrawn")
        if rest := reply.content[len(self._sent) :]:
            yield self._content(rest)
        if reply.refusal is not None:
            yield self._choice({"refusal": reply.refusal})
        if reply.annotations:
            yield self._choice({"annotations": [one.model_dump(mode="json") for one in reply.annotations]})
        yield self._choice({}, reply.finish_reason)
        yield {**self._frame, "choices": [], "bank": reply.bank.model_dump(mode="json")}
        if self._asked.usage:
            yield {**self._frame, "choices": [], "usage": reply.usage.model_dump(mode="json")}

    def _content(self, text: str, logprobs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._sent += text
        return self._choice({"content": text}, logprobs=logprobs)

    def _choice(self, delta: Mapping[str, Any], finish_reason: FinishReason | None = None, logprobs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {**self._frame, "choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}]}


@dataclass(frozen=True, slots=True)
class _Reply:
    content: str
    refusal: str | None
    finish_reason: FinishReason
    annotations: list[AnnotationOut]
    usage: ChatUsageOut
    bank: BankOut


def _answered(answer: Answer, asked: Asked) -> _Reply:
    """LangChain4j throws on a ``refusal``, so an honest "not in the documents" is an ordinary sentence. Where a document of a schema was asked for it is none:
    a parser would meet a sentence there."""
    out = answer_out(answer)
    blocked = answer.reason == Refusal.POLICY
    empty = blocked or (asked.structured and answer.kind is not AnswerKind.ANSWERED)
    bank = BankOut(
        outcome="answered" if answer.reason is None else "handed_off" if answer.kind is AnswerKind.HANDED_OFF else answer.reason,
        reason=answer.reason,
        status=out.status,
        route=out.route,
        adapter=str(answer.route.adapter or "base"),
        citations=out.citations,
        grounding=out.grounding,
        structured=out.structured,
        as_of=answer.as_of,
        index_fallback=answer.index_fallback,
        answer_id=answer.id,
        audit_id=answer.audit_id,
        trace_id=asked.trace_id,
        unused_messages=list(asked.unused_messages),
    )
    return _Reply(
        "" if empty else answer.text,
        answer.text if blocked else None,
        "content_filter" if empty else answer.finish_reason,
        [] if empty else _annotations(answer),
        _usage(answer.usage["prompt_tokens"], answer.usage["completion_tokens"], answer.usage["cached_tokens"]),
        bank,
    )


def _generated(done: Generated, asked: Asked) -> _Reply:
    draft = done.draft
    bank = BankOut(
        outcome="answered",
        reason=None,
        status="unchecked",
        route=route_out(done.route),
        adapter=str(done.route.adapter or "base"),
        citations=[],
        grounding=None,
        structured=None,
        as_of=asked.as_of,
        index_fallback=False,
        answer_id=done.audit_id.replace("aud-", "gen-", 1),
        audit_id=done.audit_id,
        trace_id=asked.trace_id,
        unused_messages=list(asked.unused_messages),
    )
    usage = _usage(draft.prompt_tokens, draft.completion_tokens, draft.cached_tokens)
    return _Reply(draft.text, None, "stop" if draft.finish_reason == "stop" else "length", [], usage, bank)


def _usage(prompt: int, completed: int, cached: int) -> ChatUsageOut:
    return ChatUsageOut(
        prompt_tokens=prompt,
        completion_tokens=completed,
        total_tokens=prompt + completed,
        prompt_tokens_details=PromptTokensOut(cached_tokens=cached),
    )


def _annotations(answer: Answer) -> list[AnnotationOut]:
    """One for each sentence and each passage that it cites."""
    cited = {citation.n: citation for citation in answer.citations}
    found: list[AnnotationOut] = []
    place = 0
    for sentence in answer.sentences:
        start = answer.text.index(sentence.text, place)
        place = start + len(sentence.text)
        for number in sentence.citations:
            citation = cited[number]
            found.append(AnnotationOut(url_citation=UrlCitationOut(start_index=start, end_index=place, title=citation.title, url=_url(citation))))
    return found


def _url(citation: Citation) -> str:
    """A path, since what the service is called outside is known to those who call it."""
    return f"/v1/documents/{quote(citation.document_id, safe='')}/versions/{citation.version}/text?start={citation.start}&end={citation.end}"
