"""A circuit breaker (Nygard, "Release It!"): a cluster that does not answer is left alone, and callers need not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed lets requests through. After so many failures in a row it opens and lets none through for some time, then one that tries."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._shut_until = 0.0

    def lets_through(self) -> bool:
        """Whether a request may be sent."""
        with self._lock:
            if self._failures < self._most:
                return True
            if self._clock() < self._shut_until:
                return False
            self._shut_until = self._clock() + self._seconds  # this one tries; the others wait for what it finds
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= self._most:
                self._shut_until = self._clock() + self._seconds
