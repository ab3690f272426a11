"""Several questions at once: the engine answers them in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def together(function: Callable[[In], Out], items: Sequence[In], at_once: int, advance: Callable[[], None] = lambda: None) -> Iterator[Out]:
    """The function of each item, in order, ``at_once`` of them at a time. Where steps are in bf16 and not compiled, what runs beside a question can
    change the last digits of its probabilities, and with them, rarely, a word."""
    with ThreadPoolExecutor(at_once) as pool:
        for result in pool.map(function, items):
            advance()
            yield result
