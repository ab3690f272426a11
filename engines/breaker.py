"""A circuit breaker (Nygard, "Release It!"): a server in trouble is left alone, and callers need not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed lets requests through. After so many failures in a row it opens and lets none through for some time, then one that tries. From any thread."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
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
        opened = self._opened
        return 0.0 if opened is None else max(0.0, opened + self._seconds - self._clock())

    def let_through(self) -> bool:
        """Whether a request may be sent; of its end one of the other methods is told."""
        with self._lock:
            if self._opened is None:
                return True
            if self._trying or self.seconds_left > 0:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        with self._lock:
            if self._opened is not None:
                self.recoveries += 1
            self._failures, self._opened, self._trying = 0, None, False

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._trying or (self._opened is None and self._failures >= self._most):
                self.openings += self._opened is None
                self._opened = self._clock()
            self._trying = False

    def told_nothing(self) -> None:
        """The request ended without saying how the server is: its caller left."""
        with self._lock:
            self._trying = False
