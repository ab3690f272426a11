"""A place in a bounded queue, held by whoever will need it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Place:
    """For ``with`` blocks. Entering one while the place is held changes nothing, and the first block that ends gives it back: whoever takes a call in holds it,
    and whoever makes the request ready, on another thread, gives it back once the request itself waits.

    Args:
        take: raises Overloaded where there is no place.
    """

    def __init__(self, take: Callable[[], None], give_back: Callable[[], None]) -> None:
        self._take = take
        self._give_back = give_back
        self._held = threading.Lock()  # of two threads that leave at once one gives back

    def __enter__(self) -> Place:
        if self._held.acquire(blocking=False):
            try:
                self._take()
            except BaseException:
                self._held.release()
                raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._held.release()
        except RuntimeError:  # it was given back before
            return
        self._give_back()
