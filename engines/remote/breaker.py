"""When a server is left alone, and how often it is asked again. All of it is used by one thread; others only look.

A circuit breaker (Nygard, "Release It!") spares a server in trouble, and callers the wait for it; a budget of repeats keeps those from becoming the trouble.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: repeats that may come at once however few requests there were
_BURST = 10.0
_LONGEST_PAUSE = 5.0


class Breaker:
    """Closed lets requests through. After so many failures in a row it opens and lets none through for some time, then one that tries."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._opened: float | None = None
        self._trying = False
        #: how often it opened, and closed again
        self.openings = 0
        self.recoveries = 0

    @property
    def open(self) -> bool:
        return self._opened is not None

    @property
    def seconds_left(self) -> float:
        """Until one may try again; 0 where requests are let through."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._seconds - self._clock())

    def let_through(self) -> bool:
        """Whether a request may be sent; of its end one of the other methods is told."""
        if self._opened is None:
            return True
        if self._trying or self.seconds_left > 0:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        if self._opened is not None:
            self.recoveries += 1
        self._failures, self._opened, self._trying = 0, None, False

    def failed(self) -> None:
        self._failures += 1
        if self._trying or (self._opened is None and self._failures >= self._most):
            self.openings += self._opened is None
            self._opened = self._clock()
        self._trying = False

    def told_nothing(self) -> None:
        """The request ended without saying how the server is: its caller left."""
        self._trying = False


class RepeatBudget:
    """Repeats are at most this share of the requests of late."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = _BURST if share else 0.0

    def asked(self) -> None:
        self._left = min(_BURST, self._left + self._share)

    def take(self) -> bool:
        """Whether one more repeat is in it."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def pause(attempt: int, retry_after: float | None) -> float:
    """Seconds before the repeat of the attempt, the first being 0: as long as the server says, else longer each time and varied, so that callers do not come back together."""
    if retry_after is not None:
        return retry_after + random.uniform(0, 0.1)
    return random.uniform(0.5, 1) * min(_LONGEST_PAUSE, 0.1 * float(2**attempt))
