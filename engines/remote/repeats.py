"""How often a server is asked again, and when: a budget keeps repeats from becoming the trouble. One thread uses it."""

from __future__ import annotations

import random

#: repeats that may come at once however few requests there were
_BURST = 10.0
_LONGEST_PAUSE = 5.0


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
