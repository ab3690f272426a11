"""The connection to a generation server: one thread with an event loop carries all requests, so that any of them can be broken off at any moment.

A request's documents (the JSON of its server-sent events, or the one of its body) come into a queue; behind the last one comes :data:`END`, or an exception in
its place. Whoever closes an exchange closes its connection, which is how such servers learn that nobody wants the rest.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from time import time
from typing import Any, Final

import httpx

from core.errors import BankassistError, NotFound, Overloaded, SettingsError, Unavailable
from core.settings import Remote
from engines.breaker import Breaker
from engines.remote.house import House
from engines.remote.repeats import RepeatBudget, pause
from engines.waiting import stopping

END: Final = object()
_LONGEST_LINE = 1024 * 1024
_LONGEST_BODY = 64 * 1024 * 1024
_ERROR_BODY = 16 * 1024
#: connections that idle longer may be closed by the server at the very moment when they are used (uvicorn's limit is 5 s)
_IDLE_SECONDS = 2.0
#: a server that wants more time than this before the next attempt is not waited for
_LONGEST_WAIT = 10.0
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
#: words of an error that may be repeated: codes and types, never text, which may hold a key or a question
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. ``is_token`` says which documents hold what was written, ``is_end`` which one ends it."""

    path: str
    body: Mapping[str, Any]
    stream: bool = True
    is_token: Callable[[Mapping[str, Any]], bool] = lambda _: True
    is_end: Callable[[Mapping[str, Any]], bool] = lambda _: False


@dataclass(eq=False)
class Exchange:
    """A request on its way."""

    events: SimpleQueue[Any]
    _link: Link
    _task: asyncio.Task[None] | None = None
    _closed: bool = False

    def close(self) -> None:
        """Break it off; nothing happens where it has ended."""
        self._closed = True
        with suppress(RuntimeError):  # the loop has ended, and everything with it
            self._link.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


@dataclass
class Figures:
    """Counts since the start. ``first_token_seconds`` is the sum over the ``begun`` ones."""

    sent: int = 0
    repeated: int = 0
    failed: int = 0
    left_alone: int = 0
    broken_off: int = 0
    begun: int = 0
    first_token_seconds: float = 0.0


class _Failure(Exception):
    """``again``: sending it once more may help. ``broken``: it says something of the server."""

    def __init__(self, error: BankassistError, *, again: bool = True, broken: bool = True, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.again, self.broken, self.retry_after = error, again, broken, retry_after


@dataclass
class _Progress:
    """How far one sending has got."""

    begun: bool = False
    ended: bool = False
    phase: str = field(default="first token")


class Link:
    """See the module. ``close`` ends the thread.

    Raises:
        SettingsError: the URL is none, leads out of the house, or the certificates cannot be read.
    """

    def __init__(self, remote: Remote, house: House) -> None:
        house.refuse_outside()
        self.house = house
        self.figures = Figures()
        self.breaker = Breaker(remote.breaker_failures, remote.breaker_seconds)
        self._budget = RepeatBudget(remote.retry_share)
        self._remote = remote
        self._headers = {"Host": house.host if house.port in (80, 443) else house.name, "User-Agent": "bankassist"}
        if ":" in house.host:
            self._headers["Host"] = f"[{house.host}]:{house.port}"
        if remote.api_key is not None:
            self._headers["Authorization"] = f"Bearer {remote.api_key.get_secret_value()}"
        self._client = httpx.AsyncClient(
            verify=_certificates(remote) if house.scheme == "https" else False,
            trust_env=False,  # no proxy that the settings do not name
            timeout=httpx.Timeout(None, connect=remote.connect_seconds),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_SECONDS),
        )
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds none of them
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="remote-generator", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            for task in (tasks := asyncio.all_tasks(self.loop)):
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self._client.aclose())
            self.loop.close()

    def close(self) -> None:
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def send(self, ask: Ask, events: SimpleQueue[Any]) -> Exchange:
        """Begin a request; what it brings comes into ``events``."""
        exchange = Exchange(events, self)

        def begin() -> None:
            if not exchange._closed:
                exchange._task = task = self.loop.create_task(self._answered(ask, events))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self.loop.call_soon_threadsafe(begin)
        return exchange

    def fetch(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float) -> Any:
        """A small request of the engine's own, sent once; the JSON of its reply, or its text.

        Raises:
            NotFound: the server has no such thing.
            Unavailable: the server cannot be reached, or does not answer as it should.
        """
        future = asyncio.run_coroutine_threadsafe(self._fetched(method, path, body, seconds), self.loop)
        return future.result()

    async def _fetched(self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                response = await self._connected(method, path, body)
                try:
                    if not response.is_success:
                        raise await self._refusal(response)
                    content = await _content(response, _LONGEST_BODY)
                finally:
                    await response.aclose()
        except _Failure as failure:
            raise failure.error from None
        except (TimeoutError, httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise self._unreachable(error) from None
        try:
            return json.loads(content)
        except ValueError:
            return content.decode("utf8", "replace")

    # -- on the loop's thread --------------------------------------------------------------------

    async def _answered(self, ask: Ask, events: SimpleQueue[Any]) -> None:
        """Send until it is answered, or is not to be sent again; the last event says how it ended."""
        try:
            events.put(await self._outcome(ask, events))
        except asyncio.CancelledError:
            events.put(stopping())  # where the caller broke it off nobody reads it
            raise
        except Exception as error:  # a mistake of ours must not leave the caller waiting
            events.put(error)

    async def _outcome(self, ask: Ask, events: SimpleQueue[Any]) -> object:
        """END, or the error."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._remote.request_seconds
        self._budget.asked()
        attempt = 0
        while True:
            if not self.breaker.let_through():
                self.figures.left_alone += 1
                return self.left_alone()
            progress = _Progress()
            self.figures.sent += 1
            try:
                await self._sent(ask, events, progress, until)
            except asyncio.CancelledError:
                self.figures.broken_off += 1
                # whoever has had a token leaves a server that works
                self.breaker.succeeded() if progress.begun else self.breaker.told_nothing()
                raise
            except _Failure as failure:
                self.figures.failed += 1
                self.breaker.failed() if failure.broken else self.breaker.told_nothing()
                wait = pause(attempt, failure.retry_after)
                again = failure.again and not progress.begun and attempt < self._remote.retries and wait <= _LONGEST_WAIT and loop.time() + wait < until
                if not again or self.breaker.open or not self._budget.take():
                    return failure.error
                attempt += 1
                self.figures.repeated += 1
                await asyncio.sleep(wait)
            except Exception:
                self.breaker.told_nothing()
                raise
            else:
                self.breaker.succeeded()
                return END

    async def _sent(self, ask: Ask, events: SimpleQueue[Any], progress: _Progress, until: float) -> None:
        """One sending; raises _Failure."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout_at(min(started + self._remote.first_token_seconds, until)) as limit:

                def came(document: Any) -> None:
                    if not isinstance(document, dict):
                        raise _Failure(self._broken("sent something else than JSON objects"))
                    if "error" in document and "choices" not in document:
                        raise _Failure(self._broken(f"reported an error instead of text{_code(document)}"))
                    try:
                        begins, ends = not progress.begun and ask.is_token(document), ask.is_end(document)
                    except (KeyError, TypeError, AttributeError, IndexError):
                        raise _Failure(self._broken("sent something that is no part of an answer")) from None
                    if begins:
                        progress.begun = True
                        self.figures.begun += 1
                        self.figures.first_token_seconds += loop.time() - started
                    progress.ended = progress.ended or ends
                    events.put(document)
                    if progress.begun:
                        limit.reschedule(min(loop.time() + self._remote.token_seconds, until))

                response = await self._connected("POST", ask.path, ask.body)
                try:
                    if response.status_code != 200:
                        raise await self._refusal(response)
                    if ask.stream:
                        await self._documents(response, came)
                        if not progress.ended:
                            raise _Failure(self._broken("broke off in the middle of an answer" if progress.begun else "closed the stream without an answer"))
                    else:
                        came(_json(await _content(response, _LONGEST_BODY), self))
                finally:
                    await response.aclose()
        except TimeoutError:
            if progress.ended:
                return
            if loop.time() >= until:
                seconds, what = self._remote.request_seconds, "the whole answer"
            elif progress.begun:
                seconds, what = self._remote.token_seconds, "the next token"
            else:
                seconds, what = self._remote.first_token_seconds, "the first token"
            raise _Failure(self._broken(f"did not send {what} within {seconds:g} s", "generator_timeout")) from None
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            if progress.ended:
                return
            connecting = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or not isinstance(error, httpx.HTTPError)
            told = self._unreachable(error) if connecting else self._broken(f"broke off ({type(error).__name__})")
            raise _Failure(told) from None
        except BankassistError as error:  # its address is outside the house now
            raise _Failure(error, again=False) from None

    async def _connected(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """The head of a response, from the first of the addresses that can be connected to."""
        failure: Exception | None = None
        for address in await self.house.addresses():
            literal = f"[{address}]" if ":" in address else address
            request = self._client.build_request(
                method,
                f"{self.house.scheme}://{literal}:{self.house.port}{self.house.root}{path}",
                headers=self._headers,
                json=body,
                extensions={"sni_hostname": self.house.host} if self.house.scheme == "https" else {},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def _documents(self, response: httpx.Response, came: Callable[[Any], None]) -> None:
        """The documents of server-sent events (WHATWG HTML, 9.2), up to ``[DONE]`` or the end."""
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise _Failure(self._broken(f"sent {response.headers.get('content-type', 'no type')[:60]!r} where a stream of events was asked for"))
        left = b""
        async for content in response.aiter_bytes():
            *lines, left = (left + content).split(b"\n")
            if len(left) > _LONGEST_LINE:
                raise _Failure(self._broken("sent a line without end"))
            for line in lines:
                name, _, value = line.partition(b":")
                if name != b"data":
                    continue  # comments keep a connection open, other fields are of no use
                if value.strip() == b"[DONE]":
                    return
                came(_json(value, self))

    async def _refusal(self, response: httpx.Response) -> _Failure:
        """What an answer that is no 200 means. Of its text only codes are told."""
        status = response.status_code
        try:
            document = json.loads(await _content(response, _ERROR_BODY))
        except (ValueError, _Failure):
            document = None
        code = _code(document)
        after = _retry_after(response.headers.get("retry-after"))
        if status in (401, 403):
            error: BankassistError = Unavailable(
                f"the generation server {self.house.name} answers {status}: it does not take remote.api_key", code="generator_key_refused"
            )
            return _Failure(error, again=False, broken=False)
        if status == 404:
            error = NotFound(f"the generation server {self.house.name} answers 404: it has no such model or path{code}", code="generator_model_missing")
            return _Failure(error, again=False, broken=False)
        if status == 429:
            error = Overloaded(f"the generation server {self.house.name} takes no more requests now{code}; try again later")
            return _Failure(error, broken=False, retry_after=after)
        again = status in _AGAIN
        error = Unavailable(f"the generation server {self.house.name} answers {status}{code}", code="generator_refused" if status < 500 else "generator_failed")
        return _Failure(error, again=again, broken=status >= 500, retry_after=after)

    def _broken(self, what: str, code: str = "generator_failed") -> Unavailable:
        return Unavailable(f"the generation server {self.house.name} {what}; try again later", code=code)

    def _unreachable(self, error: Exception) -> Unavailable:
        # of an error's text only that of the system: a library's may quote the request
        causes: list[BaseException] = [error]
        while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
            causes.append(cause)
        reason = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), type(error).__name__)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            reason = "its certificate is not that of an authority known here; see remote.ca_file"
        return Unavailable(f"the generation server {self.house.name} cannot be reached: {reason}", code="generator_unreachable")

    def left_alone(self) -> Unavailable:
        return Unavailable(
            f"the generation server {self.house.name} failed {self._remote.breaker_failures} times in a row and is left alone for another "
            f"{self.breaker.seconds_left:.0f} s; try again later",
            code="generator_left_alone",
        )


def _certificates(remote: Remote) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(remote.ca_file) if remote.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"remote.ca_file {remote.ca_file} cannot be read: {error}", param="remote.ca_file") from None


async def _content(response: httpx.Response, longest: int) -> bytes:
    content = bytearray()  # which grows in place: the thread that reads it carries all other requests too
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > longest:
            raise _Failure(Unavailable(f"the generation server sent more than {longest:,} bytes where less was asked for", code="generator_failed"))
    return bytes(content)


def _json(content: bytes, link: Link) -> Any:
    try:
        return json.loads(content)
    except ValueError:  # what it was may hold somebody's text
        raise _Failure(link._broken("sent something that is no JSON")) from None


def _code(document: Any) -> str:
    """The code or type of an error document, in brackets."""
    error = document.get("error", document) if isinstance(document, dict) else None
    words = [error.get(name) for name in ("code", "type")] if isinstance(error, dict) else []
    return next((f" ({word})" for word in words if isinstance(word, str) and _CODE.fullmatch(word)), "")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110, 10.2.3), which may be a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
