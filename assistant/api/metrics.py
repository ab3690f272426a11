"""Metrics in Prometheus' text form. Labels come from closed sets: routes, methods, kinds; never from what a caller wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ports import GeneratorLoad
from core.types import Answer

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: in an ASGI scope: the route of a request that was answered before any route was looked for
ROUTE = "bankassist.route"
#: of the generation server, where one writes the answers
_SERVER = {
    "sent": "Requests sent to the generation server since the start, repeats included",
    "repeated": "Of those the ones that were sent again",
    "failed": "Of those the ones that failed",
    "left_alone": "Requests that were not sent because the server had failed too often",
    "broken_off": "Requests whose caller left, or needed no more",
    "begun": "Requests that brought a token",
    "first_token_seconds": "Seconds until the first token, over all that brought one",
    "open": "1 while the server is left alone",
}
#: of adapters, where this process holds them
_ADAPTERS = {
    "loads": "Requests whose adapter was not in memory and was read from disk, for them or for another one",
    "load_seconds": "Seconds that they waited for it, together",
    "uses": "Requests whose adapter was in memory",
    "use_seconds": "Seconds that they waited for it, together",
}
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 30, 60)


class Metrics:
    """One registry per application, so that tests do not share counts."""

    def __init__(self, load: Callable[[], GeneratorLoad], chunks: Callable[[], int], jobs: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("bankassist_requests", "HTTP requests", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram("bankassist_request_seconds", "Seconds until the last byte", ["route"], buckets=_SECONDS, registry=self.registry)
        self.answers = Counter("bankassist_answers", "Answers by adapter, kind and reason", ["adapter", "kind", "reason"], registry=self.registry)
        self.stages = Histogram("bankassist_answer_stage_seconds", "Seconds per stage of an answer", ["stage"], buckets=_SECONDS, registry=self.registry)
        self.tokens = Counter("bankassist_tokens", "Tokens read and written by the model", ["direction"], registry=self.registry)
        self.dropped = Counter("bankassist_sentences_dropped", "Sentences that failed a check", registry=self.registry)
        for name, text, function in (
            ("bankassist_generation_waiting", "Requests that wait for the model", lambda: load().waiting),
            ("bankassist_generation_running", "Answers that the model writes now", lambda: load().running),
            ("bankassist_generation_steps", "Steps of the model since the start", lambda: load().steps),
            ("bankassist_generation_rows", "Sequences in all those steps together", lambda: load().rows),
            ("bankassist_prefix_tokens_asked", "Prompt tokens looked for in the prefix cache", lambda: load().asked_tokens),
            ("bankassist_prefix_tokens_hit", "Prompt tokens that it held, so that they were not read again", lambda: load().hit_tokens),
            ("bankassist_prefix_bytes", "Memory of the prefix cache", lambda: load().prefix_bytes),
            ("bankassist_index_changes", "Number of the last change in the index", chunks),
            ("bankassist_jobs_waiting", "Ingestion jobs queued or running", jobs),
        ):
            Gauge(name, text, registry=self.registry).set_function(function)
        for part, prefix, texts in (("server", "bankassist_generation_server", _SERVER), ("adapters", "bankassist_adapter", _ADAPTERS)):
            if getattr(load(), part) is not None:
                for field, text in texts.items():
                    Gauge(f"{prefix}_{field}", text, registry=self.registry).set_function(partial(_of_part, load, part, field))

    def count(self, answer: Answer) -> None:
        """Count one answer."""
        adapter = answer.route.adapter.name if answer.route.adapter else "base"
        self.answers.labels(adapter, answer.kind.value, answer.reason or "").inc()
        for stage, seconds in answer.timings.items():
            self.stages.labels(stage).observe(seconds)
        self.tokens.labels("prompt").inc(answer.usage["prompt_tokens"])
        self.tokens.labels("completion").inc(answer.usage["completion_tokens"])
        self.dropped.inc(answer.grounding.sentences_dropped)


def _of_part(load: Callable[[], GeneratorLoad], part: str, field: str) -> float:
    return float(getattr(getattr(load(), part), field))


class Measured:
    """Counts requests by the route that served them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", None) or scope.get(ROUTE, "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route).observe(perf_counter() - started)
