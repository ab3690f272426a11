"""One answer as a record: what the model was shown, what it wrote, and what left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from core.errors import BankassistError, IndexUnavailable, Overloaded, TooLate, Unavailable
from core.place import Place
from core.ports import GenerationOptions, Generator, Token, TokenLogprob
from core.prompts import Prompt, heading_of
from core.types import AdapterRef, Answer, Draft, Found, Passage, Route
from eval.run.arms import Asked
from eval.run.digests import digest_of
from eval.run.record import Checked, Cited, Failure, Record, Retrieved, Routed


@dataclass
class Watched:
    """A generator that tells what one answer asked of it and got; all else is the generator's own.

    Args:
        logprobs: have each token tell its probability and that of so many others.
    """

    generator: Generator
    logprobs: int | None = None
    prompt_digest: str = ""
    draft: str = ""
    tokens: list[TokenLogprob] = field(default_factory=list)
    first_token_seconds: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    def generate(
        self, prompt: Prompt, adapter: AdapterRef | None, options: GenerationOptions, cancelled: threading.Event | None = None, place: Place | None = None
    ) -> Iterator[Token | Draft]:
        self.prompt_digest = digest_of(asdict(prompt))
        if self.logprobs is not None:
            options = replace(options, logprobs=self.logprobs)
        return self._told(self.generator.generate(prompt, adapter, options, cancelled, place), time.perf_counter())

    def _told(self, events: Iterator[Token | Draft], started: float) -> Iterator[Token | Draft]:
        for event in events:
            if isinstance(event, Draft):
                self.draft = event.text
            else:
                self.tokens += event.logprobs
                if self.first_token_seconds is None:
                    self.first_token_seconds = time.perf_counter() - started
            yield event


def answered(asked: Asked, item: str, arm: str, rep: int, cancelled: threading.Event, watched: Watched | None = None) -> Record:
    """What the assistant answers, as a record that is in no chain yet. Raises what answering raises."""
    watched = watched or Watched(asked.assistant.generator)
    assistant = replace(asked.assistant, generator=cast(Generator, watched))
    found: Found | None = None
    answer: Answer | None = None
    for event in assistant.events(asked.request, cancelled):
        if isinstance(event, Found):
            found = event
        elif isinstance(event, Answer):
            answer = event
    assert answer is not None
    timings = dict(answer.timings)
    if watched.first_token_seconds is not None:
        timings["first_token"] = round(watched.first_token_seconds, 4)
    searched = found is not None and asked.request.passages is None
    probabilities = (answer.structured or {}).get("probabilities")
    return Record(
        item=item,
        arm=arm,
        rep=rep,
        kind=answer.kind.value,
        text=answer.text,
        draft=watched.draft,
        reason=answer.reason or "",
        status=answer.status.value,
        retrieved=_retrieved(found.passages if found else ()),
        sufficient=found.evidence.sufficient if found and searched else None,
        cited=tuple(
            Cited(n=one.n, document_id=one.document_id, version=one.version, start=one.start, end=one.end, quote=one.quote) for one in answer.citations
        ),
        sentences=tuple(
            Checked(text=one.text, citations=one.citations, failed=tuple(check.name for check in one.checks if not check.passed)) for one in answer.sentences
        ),
        dropped=answer.grounding.sentences_dropped,
        numbers_checked=answer.grounding.numbers_checked,
        numbers_unsupported=answer.grounding.numbers_unsupported,
        route=_routed(answer.route),
        structured=dict(answer.structured) if answer.structured is not None else None,
        probabilities=dict(probabilities) if probabilities else None,
        usage=dict(answer.usage),
        timings=timings,
        prompt_digest=watched.prompt_digest,
        audit_id=answer.audit_id,
    )


def failed(error: Exception, item: str, arm: str, rep: int) -> Record:
    """The record of a call that failed."""
    message = error.message if isinstance(error, BankassistError) else str(error)
    return Record(item=item, arm=arm, rep=rep, kind=None, error=Failure(type=type(error).__name__, message=message, retryable=is_retryable(error)))


def is_retryable(error: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    return isinstance(error, Overloaded | IndexUnavailable | Unavailable | ConnectionError | TimeoutError) and not isinstance(error, TooLate)


def _retrieved(passages: Sequence[Passage]) -> tuple[Retrieved, ...]:
    return tuple(
        Retrieved(
            rank=number,
            chunk_id=one.chunk_id,
            document_id=one.document_id,
            version=one.version,
            start=one.start,
            end=one.end,
            score=one.score,
            text=one.text,
            heading=heading_of(one.title, one.heading_path),
        )
        for number, one in enumerate(passages, start=1)
    )


def _routed(route: Route) -> Routed:
    adapter = route.adapter
    return Routed(
        task=route.task,
        adapter=adapter.name if adapter else None,
        version=adapter.version if adapter else None,
        confidence=min(max(route.confidence, 0.0), 1.0),
        reason=route.reason,
    )
