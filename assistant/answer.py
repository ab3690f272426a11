"""The main path: route, retrieve, generate, ground, audit. Streaming and plain answers, REST, the command line and evaluations all take it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.tasks import Task
from assistant import complete_check
from assistant.asked import source_text
from assistant.audit import AuditTrail
from assistant.ground import Checker, SentenceChecker, citations, numbers_check, says_not_found
from assistant.policy import Policy
from assistant.rating import RATINGS, RatingChecker, before_rating, structured
from assistant.refusals import Refusal, refusal_text
from assistant.retrieve import Retriever, level_allows
from assistant.route import AUTO, Router
from core.errors import BadInput, CallerLeft, NotAllowed, Overloaded, TooLate
from core.place import Place
from core.ports import GenerationOptions, Generator, Sources, Token, TokenLogprob
from core.prompts import Prompt, PromptPassage, heading_of, in_schema, render
from core.settings import Generation, Routing
from core.text.language import language_of
from core.text.numbers import quantities, unsupported
from core.text.sentences import sentences
from core.types import Answer, AnswerKind, AnswerStatus, Draft, Found, Grounding, Passage, Query, Route, Sentence

#: as long as the settings allow
LONGEST = GenerationOptions(1024)


@dataclass(frozen=True, slots=True)
class Request:
    """A question and how it is to be answered. ``passages`` given by the caller take the place of retrieval. Of the options, caller and permissions are
    those of the query, and the settings say how long an answer may be. ``system`` is what a text without passages is to be written by; the bank's own
    words stand there else. ``place`` in the generator's queue is one that its caller holds already."""

    query: Query
    adapter: str = AUTO
    use_rag: bool = True
    top_k: int = 5
    passages: tuple[Passage, ...] | None = None
    options: GenerationOptions = LONGEST
    system: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A text without passages and without checks. ``logprobs``, if they were asked for, are of all its tokens."""

    route: Route
    draft: Draft
    audit_id: str
    logprobs: tuple[TokenLogprob, ...]


#: what happens while an answer is made, in this order: the route, the passages, each sentence that passed (or each token of a JSON document), the answer
Event = Route | Found | Sentence | Token | Answer


@dataclass
class _Clock:
    started: float = field(default_factory=time.perf_counter)
    timings: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, since: float) -> float:
        now = time.perf_counter()
        self.timings[stage] = round(now - since, 4)
        return now

    @property
    def all(self) -> dict[str, float]:
        return {**self.timings, "total": round(time.perf_counter() - self.started, 4)}


@dataclass(frozen=True)
class Assistant:
    """The parts of the main path; an evaluation replaces some of them and calls the same :meth:`answer`. With ``observes`` what was written without
    passages is never withheld for its form: a rating is read out of it where it has one."""

    router: Router
    retriever: Retriever
    generator: Generator
    audit: AuditTrail
    tasks: Mapping[str, Task]
    routing: Routing
    generation: Generation
    sequence: Callable[[], int]
    policy: Policy
    observes: bool = False

    def answer(self, request: Request, cancelled: threading.Event | None = None) -> Answer:
        """The answer document; see :meth:`events`."""
        *_, last = self.events(request, cancelled)
        assert isinstance(last, Answer)
        return last

    def events(self, request: Request, cancelled: threading.Event | None = None) -> Iterator[Event]:
        """Answer step by step. Setting ``cancelled``, or closing the iterator, stops the work and records that it was broken off.

        With a schema the answer is a JSON document that the model wrote from the passages; nothing but its form was enforced, so that it is ``unchecked``.

        Raises:
            CallerLeft: ``cancelled`` was set.
            NotFound: the adapter does not exist for this caller.
            Conflict: the adapter named was trained on another base model.
            Overloaded: the model's queue is full.
            TooLate: the deadline passed.
            BadInput: the prompt does not fit the model.
        """
        clock = _Clock()
        query = request.query
        if cancelled is not None and cancelled.is_set():
            raise CallerLeft("the caller left")
        with request.place or self.generator.admit() as place:
            blocked = self.policy.blocks(query.text)
            route = Route(None, None, 1.0, "the bank's policy") if blocked else self.chosen_route(request)
            moment = clock.mark("route", clock.started)
            yield route
            audit_id = self.audit.new_id()
            if blocked:
                self.audit.started(audit_id, query, route, (), self.sequence())
                yield self._finish(request, route, audit_id, clock, _Outcome(refusal=Refusal.POLICY))
                return
            if route.task is None and request.adapter == AUTO and request.options.schema is None and self.routing.abstain == "hand_off":
                self.audit.started(audit_id, query, route, (), self.sequence())
                yield self._finish(request, route, audit_id, clock, _Outcome(refusal=Refusal.HANDED_OFF))
                return
            found = self._found(request)
            moment = clock.mark("retrieve", moment)
            passages = self.packed(found.passages) if found else ()
            fallback = found is not None and found.index_fallback
            if found:
                yield Found(passages, found.language, found.evidence)
            if found and not (found.evidence.sufficient and passages):
                self.audit.started(audit_id, query, route, passages, self.sequence())
                yield self._finish(request, route, audit_id, clock, _Outcome(refusal=Refusal.NO_EVIDENCE), index_fallback=fallback)
                return
            task = self.tasks.get(route.task or "")
            schema = request.options.schema
            instruction = in_schema(schema) if schema is not None else task.instruction if task else ""
            prompt = render(query.text, prompt_passages(passages), instruction, query.history)
            self.audit.started(audit_id, query, route, passages, self.sequence(), prompt, self._options(request), self.generator.origin(route.adapter))
            with self.audit.telling_the_end(audit_id, query):
                written = self._document if schema is not None else self._written
                yield from written(request, route, task, prompt, passages, audit_id, clock, moment, cancelled, place, index_fallback=fallback)

    def generate(self, request: Request, cancelled: threading.Event | None = None) -> Generated:
        """What the adapter writes for the question alone; see :meth:`writing`."""
        *_, last = self.writing(request, cancelled)
        assert isinstance(last, Generated)
        return last

    def writing(self, request: Request, cancelled: threading.Event | None = None) -> Iterator[Route | Token | Generated]:
        """What the adapter writes for the question and what was said before it, as it is written: no passages, no instruction, no checks. Recorded like an
        answer. The route comes first, as soon as the model has taken the request. Raises like :meth:`events`, but a text that was begun ends at the deadline.

        Raises:
            NotAllowed: the bank's policy blocks the question.
        """
        query = request.query
        if self.policy.blocks(query.text):
            raise NotAllowed("the bank's policy blocks this (policy.blocked)", code="policy")
        with request.place or self.generator.admit() as place:
            route = self.router.route(query.text, query.principal, request.adapter)
            audit_id = self.audit.new_id()
            prompt = render(query.text, (), "", query.history, request.system)
            options = self._options(request)
            self.audit.started(audit_id, query, route, (), self.sequence(), prompt, options, self.generator.origin(route.adapter))
            with self.audit.telling_the_end(audit_id, query):
                logprobs: list[TokenLogprob] = []
                events = self.generator.generate(prompt, route.adapter, options, cancelled, place)
                yield route
                for event in events:
                    if isinstance(event, Draft):
                        self.audit.generated(audit_id, query, event)
                        yield Generated(route, event, audit_id, tuple(logprobs))
                    else:
                        logprobs += event.logprobs
                        yield event

    def chosen_route(self, request: Request) -> Route:
        """Where the router abstains and passages are read, the nearest task if the settings say so. Adapters write what they were trained on: for a JSON
        document one must be named."""
        principal = request.query.principal
        if request.options.schema is not None and request.adapter == AUTO:
            return Route(None, None, 1.0, "a JSON document was asked for, and no adapter was trained on such")
        route = self.router.route(request.query.text, principal, request.adapter)
        abstained = route.task is None and request.adapter == AUTO
        reads = request.use_rag or request.passages is not None
        return self.router.nearest(route, principal) if abstained and reads and self.routing.abstain == "nearest" else route

    def _options(self, request: Request) -> GenerationOptions:
        principal = request.query.principal
        return replace(
            request.options,
            max_tokens=min(request.options.max_tokens, self.generation.max_tokens),
            caller=principal.name,
            permissions=" ".join(sorted(principal.readable)),
        )

    def _found(self, request: Request) -> Found | None:
        if request.passages is not None:
            return self.retriever.given(request.query, self._small_enough(request.passages))
        return self.retriever.search(request.query, request.top_k, self.generator.data_level) if request.use_rag else None

    def _small_enough(self, given: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """Passages that a caller gives are all read, or the request is refused: one left out silently may be the one that answers."""
        most = self.generation.passage_tokens
        highest = self.generator.data_level
        total = 0
        for passage in given:
            if not level_allows(highest, passage):
                raise BadInput(
                    f"passage {passage.rank} counts as {passage.data_level}, as all that callers bring, and answers are written by a server that gets nothing "
                    f"above {highest} (remote.data_level); leave the passages out",
                    code="data_level",
                    param="passages",
                )
            tokens = self._tokens(passage)
            total += tokens
            if tokens > most or total > most:
                which = f"passage {passage.rank} has {tokens} tokens" if tokens > most else f"passages 1 to {passage.rank} have {total} tokens together"
                raise BadInput(
                    f"{which}, more than the {most} that all passages may have (generation.passage_tokens); send less text",
                    code="context_length_exceeded",
                    param="passages",
                )
        return given

    def packed(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """The best passages that fit the token budget together, in order of rank. One that is larger than the whole budget is passed over."""
        packed: list[Passage] = []
        left = self.generation.passage_tokens
        for passage in passages:
            tokens = self._tokens(passage)
            if tokens > self.generation.passage_tokens:
                continue
            left -= tokens
            if left < 0:
                break
            packed.append(replace(passage, rank=len(packed) + 1))
        return tuple(packed)

    def _tokens(self, passage: Passage) -> int:
        """The passage with its number and the line breaks around it."""
        return self.generator.count_tokens(f"{heading_of(passage.title, passage.heading_path)}\n{passage.text}") + 6

    def _written(
        self,
        request: Request,
        route: Route,
        task: Task | None,
        prompt: Prompt,
        passages: Sequence[Passage],
        audit_id: str,
        clock: _Clock,
        moment: float,
        cancelled: threading.Event | None,
        place: Place,
        *,
        index_fallback: bool,
    ) -> Iterator[Event]:
        """Generate and check; sentences leave as they pass when a bad one is merely dropped."""
        rates = task is not None and task.output == "rating"
        checker: SentenceChecker = RatingChecker(passages, request.query.text) if rates else Checker(passages, request.query.text)
        drops = task is None or task.grounding.policy == "drop"
        # what the first sentence lacks the next may say, so none leaves before all are there
        waits = bool(passages) and not rates and complete_check.asks_for_more(request.query.text)
        checked: list[Sentence] = []
        options = self._options(request)
        if task is not None and task.grounding.sources_only and passages:
            said = "\n".join([*(turn.content for turn in request.query.history), request.query.text])
            options = replace(options, sources=Sources(said, tuple(f"{passage.heading}\n{passage.text}" for passage in prompt_passages(passages))))
        for text, draft in self._sentences(prompt, route, options, cancelled, place):
            if draft is not None:
                break
            if says_not_found(text) or (isinstance(checker, RatingChecker) and checker.echoes(text)):
                continue
            checked.append(checker.check(text) if passages or (rates and self.observes) else Sentence(text, (), ()))
            if drops and passages and not waits:
                yield from self._leaving(request, checked[-1:], passages)
        assert draft is not None
        if draft.finish_reason == "deadline":  # what was not written may have been the exception to what was
            raise TooLate("the answer was not complete when its time was over; allow more time, or ask for a shorter one")
        clock.mark("generate", moment)
        if waits:
            checked = complete_check.checked(checked, passages, request.query.text)
            if drops:
                yield from self._leaving(request, checked, passages)
        observed = self.observes and not passages
        outcome = _Outcome(checked, drops, draft, grounded=bool(passages), observed=observed)
        if isinstance(checker, RatingChecker) and checker.rating is None and outcome.refusal is None and not observed:
            outcome = _Outcome(checked, drops, draft, refusal=Refusal.UNSUPPORTED)  # reasons that come to no rating
        if isinstance(checker, RatingChecker) and checker.rating is not None and outcome.refusal is None:
            outcome.structured = structured(checker, self._probabilities(request, prompt, route, checker.as_corrected(draft.text), cancelled))
        if not self._readable(request, outcome.kept, passages):
            outcome = _Outcome(checked, drops, draft, refusal=Refusal.WITHDRAWN)
        yield self._finish(request, route, audit_id, clock, outcome, passages, index_fallback=index_fallback)

    def _document(
        self,
        request: Request,
        route: Route,
        _task: Task | None,
        prompt: Prompt,
        passages: Sequence[Passage],
        audit_id: str,
        clock: _Clock,
        moment: float,
        cancelled: threading.Event | None,
        place: Place,
        *,
        index_fallback: bool,
    ) -> Iterator[Event]:
        """Generate a JSON document. Its numbers are looked for in passages and question, and what was found is told; nothing is held back for it."""
        draft: Draft | None = None
        for event in self.generator.generate(prompt, route.adapter, self._options(request), cancelled, place):
            if isinstance(event, Draft):
                draft = event
            else:
                yield event
        assert draft is not None
        if draft.finish_reason == "deadline":
            raise TooLate("the document was not complete when its time was over; allow more time, or ask for a shorter one")
        clock.mark("generate", moment)
        sources = [*map(source_text, passages), *(turn.content for turn in request.query.history), request.query.text]
        wrong = unsupported(draft.text, sources)
        written = Sentence(draft.text, (), (numbers_check(draft.text, wrong),), len(quantities(draft.text)), len(wrong))
        outcome = _Outcome([written], draft=draft, grounded=False, structured=_object(draft.text), observed=True)
        read = {passage.chunk_id for passage in passages}  # any of them may have gone into it
        if request.passages is None and not self.retriever.readable(request.query, read):
            outcome = _Outcome(draft=draft, refusal=Refusal.WITHDRAWN)
        yield self._finish(request, route, audit_id, clock, outcome, passages, index_fallback=index_fallback)

    def _leaving(self, request: Request, checked: Sequence[Sentence], passages: Sequence[Passage]) -> Iterator[Sentence]:
        """Those of the sentences that a reader may see before the answer is done."""
        return (one for one in checked if one.passed and self._readable(request, [one], passages))

    def _readable(self, request: Request, kept: Sequence[Sentence], passages: Sequence[Passage]) -> bool:
        """Whether the asker may still read what the sentences cite: it may have been withdrawn since it was found."""
        cited = {passages[number - 1].chunk_id for sentence in kept for number in sentence.citations}
        return request.passages is not None or self.retriever.readable(request.query, cited)

    def _sentences(
        self, prompt: Prompt, route: Route, options: GenerationOptions, cancelled: threading.Event | None, place: Place
    ) -> Iterator[tuple[str, Draft | None]]:
        """Whole sentences as they are done, and at the end the draft."""
        text, given = "", 0
        for event in self.generator.generate(prompt, route.adapter, options, cancelled, place):
            if isinstance(event, Draft):
                for span in sentences(event.text)[given:]:
                    yield span.text, None
                yield "", event
                return
            text += event.text
            done = sentences(text)[:-1]
            for span in done[given:]:
                yield span.text, None
            given = max(given, len(done))

    def _probabilities(self, request: Request, prompt: Prompt, route: Route, text: str, cancelled: threading.Event | None) -> dict[str, float] | None:
        """The rating's probabilities: those of its label tokens behind the reasons."""
        found = before_rating(text)
        if found is None:
            return None
        before, labels = found
        options = self._options(request)
        try:
            likelihoods = self.generator.label_likelihoods(prompt, route.adapter, before, labels, options, cancelled)
        except (Overloaded, BadInput):
            return None  # the rating stands without them
        return dict(zip(RATINGS, likelihoods, strict=True))

    def _finish(
        self, request: Request, route: Route, audit_id: str, clock: _Clock, outcome: _Outcome, passages: Sequence[Passage] = (), *, index_fallback: bool = False
    ) -> Answer:
        kept = outcome.kept
        refusal = outcome.refusal
        unchecked = not outcome.grounded and refusal is None
        status = AnswerStatus.UNCHECKED if unchecked else AnswerStatus.PENDING_REVIEW if outcome.structured else AnswerStatus.FINAL
        kind = AnswerKind.ANSWERED if refusal is None else AnswerKind.HANDED_OFF if refusal is Refusal.HANDED_OFF else AnswerKind.REFUSED
        draft = outcome.draft
        text = (
            refusal_text(refusal, language_of(request.query.text))
            if refusal
            else ("\n" if outcome.structured else " ").join(sentence.text for sentence in kept)
        )
        answer = Answer(
            id=audit_id.replace("aud-", "ans-", 1),
            kind=kind,
            text=text,
            reason=refusal.value if refusal else None,
            sentences=tuple(kept),
            citations=citations(kept, passages),
            route=route,
            structured=outcome.structured,
            grounding=Grounding(
                sum(sentence.numbers for sentence in outcome.checked),
                sum(sentence.unsupported for sentence in outcome.checked),
                len(outcome.checked) - len(kept),
            ),
            as_of=request.query.as_of,
            usage={
                "prompt_tokens": draft.prompt_tokens if draft else 0,
                "completion_tokens": draft.completion_tokens if draft else 0,
                "cached_tokens": draft.cached_tokens if draft else 0,
            },
            timings=clock.all,
            audit_id=audit_id,
            status=status,
            index_fallback=index_fallback,
            finish_reason="length" if draft and draft.finish_reason == "length" else "stop",
        )
        self.audit.finished(audit_id, request.query, answer, [check for sentence in outcome.checked for check in sentence.checks if not check.passed])
        return answer


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None for another value, and for one that is cut off."""
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return None


@dataclass
class _Outcome:
    """What generation came to, before it is an answer."""

    checked: Sequence[Sentence] = ()
    drops: bool = True
    draft: Draft | None = None
    grounded: bool = True
    refusal: Refusal | None = None
    structured: dict[str, Any] | None = None
    observed: bool = False  # checks say what they found and hold nothing back
    kept: list[Sentence] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.refusal is not None:
            return
        passed = [sentence for sentence in self.checked if sentence.passed]
        if not self.checked:
            self.refusal = Refusal.NOT_IN_PASSAGES
        elif self.observed:
            self.kept = list(self.checked)
        elif not passed or (not self.drops and len(passed) < len(self.checked)):
            self.refusal = Refusal.UNSUPPORTED
        else:
            self.kept = passed


def prompt_passages(passages: Sequence[Passage]) -> list[PromptPassage]:
    """Passages as the model sees them."""
    return [PromptPassage(heading_of(passage.title, passage.heading_path), passage.text) for passage in passages]
