"""By when an answer is wanted: what the caller announces, or the service's own limit where that is sooner."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Header, Request

from assistant.api.state import application

#: Seconds that are left for the way back to callers whose library announces when it will hang up, and those that it has at least: what it announces are
#: whole seconds rounded down, so that 0 and 1 mean very soon (openai-java).
_WAY_BACK, _AT_LEAST = 1.0, 0.5


async def deadline(
    request: Request,
    x_deadline_ms: Annotated[int | None, Header(ge=1, description="milliseconds from now in which the answer is wanted")] = None,
    x_stainless_timeout: Annotated[str | None, Header(description="seconds after which the client hangs up, as OpenAI's libraries announce them")] = None,
) -> float:
    """In seconds of ``time.monotonic()``."""
    seconds = application(request).settings.service.answer_seconds
    if x_deadline_ms is not None:
        seconds = min(seconds, x_deadline_ms / 1000)
    if x_stainless_timeout is not None and x_stainless_timeout.isdecimal():  # a library sends it unasked, so what it cannot mean is no error
        seconds = min(seconds, max(int(x_stainless_timeout[:9]) - _WAY_BACK, _AT_LEAST))
    return time.monotonic() + seconds


Deadline = Annotated[float, Depends(deadline)]
