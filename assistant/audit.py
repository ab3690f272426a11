"""What is recorded of every answer and search: enough to say in two years why it was said. Questions are stored masked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from assistant.guard import mask
from core.errors import CallerLeft
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.types import Answer, Check, Draft, Found, Passage, Query, Route
from engines.catalogue.audit import Audit


@dataclass(frozen=True)
class AuditTrail:
    """Writes the records. ``fixed`` are the digests that belong to the process: base model, embedder, settings."""

    audit: Audit
    fixed: Mapping[str, str]

    def new_id(self) -> str:
        return f"aud-{uuid4().hex}"

    def started(
        self,
        audit_id: str,
        query: Query,
        route: Route,
        passages: Sequence[Passage],
        sequence: int,
        prompt: Prompt | None = None,
        options: GenerationOptions | None = None,
        origin: Mapping[str, str] | None = None,
    ) -> None:
        """Before anything is generated. When this fails, nothing is answered. ``origin``: what generates, as its engine tells."""
        body = {
            "question": mask(query.text),
            "as_of": query.as_of.isoformat(),
            "groups": sorted(query.principal.readable),
            "route": _route(route),
            "passages": _passages(passages),
            "prompt_digest": _digest(asdict(prompt)) if prompt else None,
            "options": _options(options) if options else None,
            "generator": dict(origin) if origin else None,
            "index_sequence": sequence,
            **({"repeated": True} if query.repeated else {}),
            **self.fixed,
        }
        self.audit.record(audit_id, "answer.started", query.principal.name, body)

    def finished(self, audit_id: str, query: Query, answer: Answer, failed: Sequence[Check] = ()) -> None:
        """Before the last byte leaves. ``failed`` are the checks for which sentences were left out, or the answer refused."""
        body = {
            "kind": answer.kind.value,
            "reason": answer.reason,
            "status": answer.status.value,
            "text": mask(answer.text),
            "sentences": [
                {"text": mask(sentence.text), "citations": list(sentence.citations), "checks": [asdict(check) for check in sentence.checks]}
                for sentence in answer.sentences
            ],
            "citations": [
                {"n": citation.n, "document_id": citation.document_id, "version": citation.version, "start": citation.start, "end": citation.end}
                for citation in answer.citations
            ],
            "structured": answer.structured,
            "grounding": asdict(answer.grounding),
            "failed": [{"check": check.name, "detail": mask(check.detail)} for check in failed],
            "usage": dict(answer.usage),
            "timings": dict(answer.timings),
            "index_fallback": answer.index_fallback,
        }
        self.audit.record(audit_id, "answer.finished", query.principal.name, body)

    def generated(self, audit_id: str, query: Query, draft: Draft) -> None:
        """Before a text leaves that was generated without passages and checks."""
        usage = {"prompt_tokens": draft.prompt_tokens, "completion_tokens": draft.completion_tokens}
        body = {"kind": "generated", "status": "unchecked", "text": mask(draft.text), "finish_reason": draft.finish_reason, "usage": usage}
        self.audit.record(audit_id, "answer.finished", query.principal.name, body)

    @contextmanager
    def telling_the_end(self, audit_id: str, query: Query) -> Iterator[None]:
        """Records how the block ended, if the caller left or something failed."""
        try:
            yield
        except (GeneratorExit, CallerLeft):
            self._broken_off(audit_id, query, "the caller left")
            raise
        except Exception as error:
            self._broken_off(audit_id, query, f"{type(error).__name__}: {error}")
            raise

    def _broken_off(self, audit_id: str, query: Query, why: str) -> None:
        self.audit.record(audit_id, "answer.broken_off", query.principal.name, {"reason": why})

    def searched(self, audit_id: str, query: Query, found: Found, sequence: int) -> None:
        body = {
            "question": mask(query.text),
            "as_of": query.as_of.isoformat(),
            "groups": sorted(query.principal.readable),
            "passages": _passages(found.passages),
            "index_sequence": sequence,
            "index_fallback": found.index_fallback,
        }
        self.audit.record(audit_id, "search", query.principal.name, body)


def settings_digest(settings: Mapping[str, Any]) -> str:
    return _digest(settings)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def _route(route: Route) -> dict[str, Any]:
    adapter = {"name": route.adapter.name, "version": route.adapter.version, "digest": route.adapter.digest} if route.adapter else None
    return {"task": route.task, "adapter": adapter, "confidence": route.confidence, "reason": route.reason}


def _options(options: GenerationOptions) -> dict[str, Any]:
    """What decides which words are written."""
    schema = _digest(options.schema) if options.schema is not None else None
    return {
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed,
        "stop": list(options.stop),
        "schema_digest": schema,
    }


def _passages(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    return [{"chunk_id": passage.chunk_id, "document_id": passage.document_id, "version": passage.version} for passage in passages]
