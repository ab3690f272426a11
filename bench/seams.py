"""Where the time of a request goes: timers at the seams between the parts of the service. Each part has what it takes itself, without what it calls.

One request is timed at a time, so that one stack serves the event loop and the threads that work for it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

#: requests of each route at the beginning that do not count
WARM_UP = 30

OURS, FRAMEWORK, DATABASE, INDEX, WORDS, TOKENS = "our code", "framework", "database", "index", "words", "tokeniser"


class Seams:
    """``sums``: seconds by path and part, and under ``requests`` how many there were."""

    def __init__(self) -> None:
        self.sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._stack: list[list[Any]] = []
        self._seen: defaultdict[str, int] = defaultdict(int)
        self._path = ""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what the block takes for a part."""
        thread = threading.current_thread().name
        if not self._stack or not thread.startswith(("MainThread", "AnyIO")):  # no request is on its way, or the thread works for none
            yield
            return
        entry = self._push(name)
        try:
            yield
        finally:
            self._pop(entry)

    def _push(self, name: str) -> list[Any]:
        entry = [name, time.perf_counter(), 0.0]  # part, since when, what it called took
        self._stack.append(entry)
        return entry

    def _pop(self, entry: list[Any]) -> None:
        assert self._stack.pop() is entry, "one request at a time"
        took = time.perf_counter() - entry[1]
        if self._seen[self._path] > WARM_UP:
            self.sums[self._path][entry[0]] += took - entry[2]
        if self._stack:
            self._stack[-1][2] += took

    def around(self, create_app: Callable[[Any], Any], application: Any) -> Any:
        """An application whose requests are timed, from the server's call to its return."""
        app = create_app(application)
        app.add_middleware(_Outermost, seams=self)
        return app

    async def request(self, path: str, call: Callable[[], Any]) -> None:
        self._path = path
        self._seen[path] += 1
        entry = self._push(OURS)
        try:
            await call()
        finally:
            self._pop(entry)
            if self._seen[path] > WARM_UP:
                self.sums[path]["requests"] += 1

    def install(self, generator: type) -> None:
        """Put timers at the seams of this process."""
        from starlette.routing import Router

        import assistant.answer
        import assistant.api.routes.answers
        import assistant.api.security
        import assistant.retrieve
        from assistant.answer import Assistant
        from assistant.audit import AuditTrail
        from engines.catalogue.database import Database
        from engines.catalogue.keys import Keys
        from engines.local_index.index import LocalIndex

        for kind, methods, name in (
            (Keys, ("authenticate",), OURS),
            (AuditTrail, ("searched", "started", "finished"), OURS),
            (Assistant, ("answer",), OURS),
            (assistant.retrieve.Retriever, ("search", "readable"), OURS),
            (LocalIndex, ("search", "refresh"), INDEX),
            (generator, ("generate", "count_tokens", "prompt_tokens"), TOKENS),
        ):
            for method in methods:
                setattr(kind, method, self._timed(name, getattr(kind, method)))
        for module, names, name in (
            (assistant.api.routes.answers, ("checked_question", "search_out", "answer_out"), OURS),
            (assistant.retrieve, ("index_tokens",), WORDS),
        ):
            for function in names:
                vars(module)[function] = self._timed(name, vars(module)[function])
        for method in ("read", "write"):
            setattr(Database, method, self._around_block(DATABASE, getattr(Database, method)))
        routed = Router.__call__

        async def framework(router: Any, scope: Any, receive: Any, send: Any) -> None:
            with self.part(FRAMEWORK):
                await routed(router, scope, receive, send)

        Router.__call__ = framework  # type: ignore[assignment, method-assign]

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*arguments, **named)

        return timed

    def _around_block(self, name: str, block: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def timed(*arguments: Any) -> Iterator[Any]:
            with self.part(name), block(*arguments) as connection:
                yield connection

        return timed


class _Outermost:
    def __init__(self, app: Any, seams: Seams) -> None:
        self._app = app
        self._seams = seams

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._seams.request(scope["path"], lambda: self._app(scope, receive, send))
        else:
            await self._app(scope, receive, send)
