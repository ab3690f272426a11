"""What a suite of a given size can show at all."""

from __future__ import annotations

import math

#: 1.96 + 0.84 deviations: a difference so large lies beyond the 95% interval four times in five
_DEVIATIONS = 2.8


def detectable(discordant: float, count: int) -> float:
    """The smallest paired difference that ``count`` independent items show with 80% power at 5% (two-sided), as a share; 1.0 where there is none.

    Args:
        discordant: share of items that one of the two ways alone has right. For values that are not yes or no: the variance of the differences.
    """
    return min(1.0, _DEVIATIONS * math.sqrt(discordant / count)) if count else 1.0


def needed(discordant: float, difference: float) -> int:
    """How many independent items show such a difference."""
    return math.ceil(discordant * (_DEVIATIONS / difference) ** 2)
