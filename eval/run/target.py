"""Who is asked: the assistant in this process. (A service elsewhere: `service.py`.)"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assistant.answer import prompt_passages
from assistant.bootstrap import Application
from core.errors import Unavailable
from core.ports import Embedder, Vectors
from core.prompts import FORM, in_schema, render
from core.types import AdapterRef, Language
from engines.adapter_files import read_adapter
from eval.run.answering import Watched, answered
from eval.run.arms import Arms
from eval.run.digests import code_digest, digest_of, packages_digest, settings_that_count
from eval.run.document import AdapterUsed, Engines, Resources
from eval.run.plan import Job
from eval.run.record import Record
from eval.run.resources import forget_peak, taken
from eval.suite.item import Item

#: questions whose vectors are kept
_REMEMBERED = 1024


class Target(Protocol):
    """Whoever answers a run's questions. Methods may be called from several threads."""

    @property
    def name(self) -> str:
        """`in-process`, or the URL."""

    @property
    def callers(self) -> int:
        """How many calls are made at a time."""

    def engines(self) -> Engines:
        """What answers, for the record and to see later whether it is the same."""

    def ask(self, job: Job, cancelled: threading.Event) -> Record:
        """One answer. Raises whatever goes wrong with it."""

    def key(self, job: Job) -> Mapping[str, Any] | None:
        """Everything that can change the answer; None where that is not known, so that no answer may be used again."""

    def prompt_tokens(self, job: Job) -> int | None:
        """Of the prompt; 0 where the model will not be asked, None where it cannot be known."""

    @property
    def most_tokens(self) -> int:
        """Of an answer."""

    def measure(self) -> Callable[[], Resources]:
        """Begin to measure: what comes back tells what answering took since."""


class Remembering:
    """An embedder that embeds no question twice; all else is the embedder's own. Vectors are the same, since each text is embedded alone."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._one = lru_cache(_REMEMBERED)(lambda text: embedder.embed_queries([text]))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.concatenate([self._one(text) for text in texts]) if texts else self._embedder.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_passages(texts)

    @property
    def digest(self) -> str:
        return self._embedder.digest

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def languages(self) -> frozenset[Language]:
        return self._embedder.languages


@dataclass(frozen=True)
class InProcess:
    """The assistant of an application over the suite's corpus.

    Args:
        today: the day of items that name none.
        at_once: how many answers the model writes at a time; alone, or beside others, is all that counts for them.
    """

    application: Application
    today: date
    at_once: int
    name: str = "in-process"

    @cached_property
    def arms(self) -> Arms:
        parts = self.application.parts
        assistant = self.application.assistant
        embedder = Remembering(assistant.router.embedder)  # arms ask the same question
        assistant = replace(assistant, router=replace(assistant.router, embedder=embedder), retriever=replace(assistant.retriever, embedder=embedder))
        return Arms(assistant, parts.catalogue.documents, self.today, self.application.settings.retrieval.top_k)

    @property
    def callers(self) -> int:
        """More than are written at a time: while some are looked up or checked, others are ready for the model."""
        return self.at_once if self.at_once == 1 else self.at_once + (self.at_once + 1) // 2

    @property
    def most_tokens(self) -> int:
        return self.application.settings.generation.max_tokens

    def measure(self) -> Callable[[], Resources]:
        generator = self.application.generator
        before = generator.load_now
        forget_peak()
        return lambda: taken(generator.load_now, before)

    def ask(self, job: Job, cancelled: threading.Event) -> Record:
        return answered(self.arms.asked(job.item, job.arm), *job.key, cancelled)

    def ask_watched(self, job: Job, watched: Watched) -> Record:
        """The same, with a look at the tokens."""
        return answered(self.arms.asked(job.item, job.arm), *job.key, threading.Event(), watched)

    def engines(self) -> Engines:
        settings = self.application.settings
        generator, parts = self.application.generator, self.application.parts
        parts.index.refresh()
        return Engines(
            base={
                "digest": generator.base_digest,
                "dtype": settings.models.dtype,
                "threads": settings.models.threads,
                **{f"origin_{name}": value for name, value in generator.origin(None).items()},
            },
            embedder={"name": settings.models.embedding, "digest": parts.embedder.digest},
            adapters=tuple(
                AdapterUsed(
                    name=info.ref.name,
                    version=info.ref.version,
                    state=info.state,
                    digest=info.ref.digest,
                    base_digest=str(info.manifest["base"]["digest"]),
                )
                for info in self.application.assistant.router.registry.all()
            ),
            index={
                "engine": settings.index.engine,
                "sequence": parts.index.sequence,
                "content": parts.catalogue.documents.digest(),
            },
            templates={"form": FORM, "tasks": digest_of({name: task.model_dump(mode="json") for name, task in self.application.assistant.tasks.items()})},
            settings=settings_that_count(settings),
        )

    @cached_property
    def _context(self) -> dict[str, Any]:
        """What decides all answers. Of the adapters each answer names its own; that another one was trained changes nothing for it."""
        engines = self.engines().model_dump(mode="json", exclude={"adapters"})
        return {"engines": engines, "code": code_digest(), "packages": packages_digest(), "batched": self.at_once > 1, "top_k": self.arms.top_k}

    def key(self, job: Job) -> Mapping[str, Any]:
        """Raises what the arm raises."""
        asked = self.arms.asked(job.item, job.arm)
        request = asked.request
        query = request.query
        blocked = asked.assistant.policy.blocks(query.text)
        route = None if blocked else asked.assistant.chosen_route(request)
        return {
            **self._context,
            "arm": job.arm,
            "rep": job.rep,
            "seed": request.options.seed,
            "question": query.text,
            "history": [[turn.role, turn.content] for turn in query.history],
            "as_of": query.as_of,
            "permissions": sorted(query.principal.readable),
            "adapter": request.adapter,
            "route": None
            if route is None
            else [route.task, route.adapter.digest if route.adapter else None, str(route.adapter), route.confidence, route.reason],
            "passages": None if request.passages is None else [[one.chunk_id, one.text] for one in request.passages],
            "hidden": sorted({one.document_id for one in job.item.evidence}) if job.arm == "distractors" else None,
        }

    def prompt_tokens(self, job: Job) -> int:
        asked = self.arms.asked(job.item, job.arm)
        assistant, request = asked.assistant, asked.request
        passages = request.passages or ()
        if request.use_rag and request.passages is None:
            found = assistant.retriever.search(request.query, request.top_k, assistant.generator.data_level)
            passages = assistant.packed(found.passages)
            if not (found.evidence.sufficient and passages):
                return 0
        task = assistant.tasks.get(assistant.chosen_route(request).task or "")
        schema = request.options.schema
        instruction = in_schema(schema) if schema is not None else task.instruction if task else ""
        return assistant.generator.prompt_tokens(render(request.query.text, prompt_passages(passages), instruction, request.query.history))


def refuse_unknown_weights(application: Application, wanted: Sequence[str]) -> None:
    """
    Args:
        wanted: the arms' adapters, ``NAME`` or ``NAME@VERSION``.

    Raises:
        Unavailable: an adapter's files are not those that were registered, or nobody knows which weights a server answers with.
    """
    if not application.generator.base_digest:
        raise Unavailable("nobody knows the digest of the base model; set remote.base_digest", code="model_unknown")
    for info in application.assistant.router.registry.all():
        named = {info.ref.name, str(info.ref)} & set(wanted)
        if info.state == "active" or named:
            _check_files(info.ref)


def _check_files(ref: AdapterRef) -> None:
    found = read_adapter(Path(ref.path)).digest
    if found != ref.digest:
        raise Unavailable(
            f"adapter {ref} on disk is not the one that was registered: its digest is {found[:12]}, not {ref.digest[:12]}; train or register it anew",
            code="adapter_changed",
        )


def groups_of(items: Sequence[Item]) -> set[frozenset[str]]:
    """The sets of groups that a suite's callers have."""
    return {frozenset(item.caller.groups) for item in items}
