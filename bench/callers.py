"""Many callers at once over HTTP/1.1: plain sockets, since two hundred of a client library's take from the two cores what the service is to show."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

ANSWERED, REJECTED = 200, (429, 503)


class Reply(NamedTuple):
    """``status`` 0 is a connection that broke. ``finished`` is a moment of :func:`time.perf_counter`."""

    status: int
    retry_after: float | None
    seconds: float
    finished: float


@dataclass(frozen=True)
class Target:
    """A service, and what is asked of it: a question each time, over again from the first one."""

    url: str
    key: str
    questions: Sequence[str]
    adapter: str

    def request(self, number: int, *, stream: bool = False) -> bytes:
        body = json.dumps({"question": self.questions[number % len(self.questions)], "adapter": self.adapter, "stream": stream}).encode()
        head = f"POST /v1/answers HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\nAuthorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = urlsplit(self.url)
        return await asyncio.open_connection(place.hostname, place.port)

    async def ask(self, number: int) -> Reply:
        started = time.perf_counter()
        status, retry_after = 0, None
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await self.connect()
            try:
                writer.write(self.request(number))
                status, retry_after = head(await reader.readuntil(b"\r\n\r\n"))
                await reader.read()
            finally:
                writer.close()
        now = time.perf_counter()
        return Reply(status, retry_after, now - started, now)


def head(received: bytes) -> tuple[int, float | None]:
    """Status and Retry-After of a response's head."""
    first, *lines = received.decode("latin1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), float(fields["retry-after"]) if "retry-after" in fields else None


@dataclass
class Load:
    """What became of the requests of many callers in some seconds."""

    seconds: float
    ends: float
    replies: list[Reply] = field(default_factory=list)

    @property
    def answers_per_second(self) -> float:
        """Those that came in time."""
        return sum(reply.status == ANSWERED and reply.finished <= self.ends for reply in self.replies) / self.seconds

    @property
    def rejections(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status in REJECTED]

    @property
    def unexpected(self) -> dict[int, int]:
        """Statuses that no caller should see, with how many saw them."""
        found = [reply.status for reply in self.replies if reply.status not in (ANSWERED, *REJECTED)]
        return {status: found.count(status) for status in sorted(set(found))}

    def rejected_within(self, share: float) -> float:
        """Seconds within which that share of the rejections had come."""
        seconds = sorted(reply.seconds for reply in self.rejections)
        return seconds[min(int(share * len(seconds)), len(seconds) - 1)] if seconds else 0.0


def load(target: Target, callers: int, seconds: float) -> Load:
    """Each caller asks again as soon as it was answered, and after a rejection when it was told to. Answers under way at the end are waited for."""
    return asyncio.run(_load(target, callers, seconds))


async def _load(target: Target, callers: int, seconds: float) -> Load:
    found = Load(seconds, time.perf_counter() + seconds)
    numbers = iter(range(1_000_000_000))

    async def caller() -> None:
        while time.perf_counter() < found.ends:
            reply = await target.ask(next(numbers))
            found.replies.append(reply)
            if reply.status != ANSWERED:
                await asyncio.sleep(max(0.0, min(reply.retry_after or 1.0, found.ends - time.perf_counter())))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return found


class HangUps(NamedTuple):
    """``open`` streams were under way when all callers hung up; ``seconds`` later nothing of theirs waited or ran any more."""

    open: int
    seconds: float


def hang_up(target: Target, callers: int, busy: Callable[[], float], patience: float) -> HangUps:
    """Have as many callers read streams, and hang up as soon as all have begun.

    Args:
        busy: how many requests wait or run now; called in a thread.
        patience: seconds to wait for all streams at most, and then for the places.
    """
    return asyncio.run(_hang_up(target, callers, busy, patience))


async def _hang_up(target: Target, callers: int, busy: Callable[[], float], patience: float) -> HangUps:
    under_way: set[int] = set()
    all_begun = asyncio.Event()

    async def caller(number: int) -> None:
        while True:  # one whose answer ends before the others have begun asks again
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await target.connect()
                try:
                    writer.write(target.request(number, stream=True))
                    status, _ = head(await reader.readuntil(b"\r\n\r\n"))
                    if status == ANSWERED:
                        await reader.readuntil(b"\n\n")
                        under_way.add(number)
                        if len(under_way) == callers:
                            all_begun.set()
                        await reader.read()
                finally:
                    under_way.discard(number)
                    writer.transport.abort()
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    with suppress(TimeoutError):
        await asyncio.wait_for(all_begun.wait(), patience)
    streams = len(under_way)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    started = time.perf_counter()
    while await asyncio.to_thread(busy):
        if time.perf_counter() - started > patience:
            break
        await asyncio.sleep(0.02)
    return HangUps(streams, time.perf_counter() - started)
