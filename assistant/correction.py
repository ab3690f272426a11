"""What a check puts in the place of a slip that is plain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correction:
    """Words of the cited passage, to the letter; ``detail`` says what the model wrote and why this stands instead."""

    text: str
    detail: str
