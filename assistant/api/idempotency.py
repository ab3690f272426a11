"""A request that is sent again with the same `Idempotency-Key` gets the answer that the first one got: one answer, one record.

An upload's key is kept with its job in the catalogue (:meth:`engines.catalogue.jobs.Jobs.create_once`), so that any process knows it. Answers are kept in this process for some minutes, as long as clients repeat. A kept one is given out again only while the documents are as they were
and the caller may read what it could: what was withdrawn since is in no answer, repeated ones included.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio import to_thread
from fastapi import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from core.errors import BadInput, Conflict, TooLate
from core.types import Principal

HEADER = "Idempotency-Key"
#: what is kept: so many answers, so many bytes each, so many seconds
MOST, MOST_BYTES, SECONDS = 1000, 64 * 1024, 600.0
_LONGEST_KEY = 255
#: what tells an answer that was given before
REPLAYED = {"Idempotent-Replayed": "true"}

_Name = tuple[str, str]


def key_of(request: Request) -> str | None:
    """The caller's name for a request.

    Raises:
        BadInput: the key is empty or too long.
    """
    key = request.headers.get(HEADER)
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise BadInput(f"the header {HEADER} has {len(key)} characters, expected 1 to {_LONGEST_KEY}", param=f"header.{HEADER.lower()}")
    return key


@dataclass(eq=False)
class _Kept:
    """``answer`` is none while the first request is at work, and for good where it came to nothing that can be kept."""

    digest: str
    since: float
    answer: tuple[str, bytes, int] | None = None
    done: anyio.Event = field(default_factory=anyio.Event)


class Replies:
    """The answers of one process."""

    def __init__(self, sequence: Callable[[], int]) -> None:
        """``sequence`` gives the number of the last change to any document."""
        self._sequence = sequence
        self._kept: OrderedDict[_Name, _Kept] = OrderedDict()

    async def once(
        self, request: Request, caller: Principal, deadline: float, make: Callable[[], Awaitable[Response]], *, from_documents: bool = True
    ) -> Response:
        """The response that the key was answered with, else a new one; without a key always a new one.

        Args:
            from_documents: it says what documents say, so that it is made anew once any of them changed. What does not is made also while the index, which is
                asked for that, does not answer.

        Raises:
            BadInput: the key is empty or too long.
            Conflict: it came with another request before.
            TooLate: the first request with it was still at work at the deadline, in seconds of ``time.monotonic()``.
        """
        key = key_of(request)
        if key is None:
            return await make()
        name, digest = (_who(caller), key), hashlib.sha256(request.url.path.encode() + b"\n" + await request.body()).hexdigest()
        while (kept := self._found(name)) is not None:
            if kept.digest != digest:
                raise Conflict(f"this {HEADER} came with another request before; a new request needs a new key", code="idempotency_key_reused")
            with anyio.move_on_after(deadline - time.monotonic()) as limit:
                await kept.done.wait()
            if limit.cancelled_caught:
                raise TooLate("the first request with this key was still at work when the time was over")
            if self._kept.get(name) is not kept:
                continue  # it came to nothing, and this request takes its place
            assert kept.answer is not None
            media_type, body, sequence = kept.answer
            if not from_documents or await to_thread.run_sync(self._sequence) == sequence:
                return Response(body, media_type=media_type, headers=REPLAYED)
            if self._kept.get(name) is kept:
                del self._kept[name]
        mine = self._kept[name] = _Kept(digest, time.monotonic())
        try:
            sequence = await to_thread.run_sync(self._sequence) if from_documents else 0
            return _Recorded(await make(), lambda media_type, body: self._end(name, mine, (media_type, body, sequence) if media_type else None))
        except BaseException:
            self._end(name, mine, None)
            raise

    def _found(self, name: _Name) -> _Kept | None:
        now = time.monotonic()
        for other, kept in list(self._kept.items()):
            if kept.done.is_set() and (len(self._kept) >= MOST or kept.since + SECONDS < now):
                del self._kept[other]
            else:
                break
        return self._kept.get(name)

    def _end(self, name: _Name, kept: _Kept, answer: tuple[str, bytes, int] | None) -> None:
        if not kept.done.is_set():
            kept.answer = answer
            if answer is None and self._kept.get(name) is kept:
                del self._kept[name]
            kept.done.set()


def _who(caller: Principal) -> str:
    return "\n".join([caller.name, *sorted(caller.readable), "", *sorted(caller.scopes)])


class _Recorded(Response):
    """Sends another response and tells what it sent: nothing, if it was no whole answer."""

    def __init__(self, inner: Response, end: Callable[[str, bytes], None]) -> None:
        self._inner = inner
        self._end = end
        self.status_code = inner.status_code
        self.background = None
        self.raw_headers = inner.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        media_type = ""
        whole = False

        async def told(message: Message) -> None:
            nonlocal media_type, whole
            if message["type"] == "http.response.start" and message["status"] == 200:
                media_type = dict(message["headers"])[b"content-type"].decode("latin-1")
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b"")[: MOST_BYTES + 1 - len(body)])
                whole = not message.get("more_body", False)
                if whole:  # before it is sent: the client repeats when it did not arrive
                    self._end(media_type if len(body) <= MOST_BYTES else "", bytes(body))
            await send(message)

        try:
            await self._inner(scope, receive, told)
        finally:
            if not whole:
                self._end("", b"")
