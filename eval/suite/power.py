"""The smallest difference between two arms that a suite can show."""

from __future__ import annotations

from math import sqrt

from eval.summary import Detectable

#: shares of items on which two arms differ, from nearly alike to very unlike
DISCORDANT = (0.05, 0.1, 0.2, 0.3, 0.4)
#: standard errors of a difference that is seen four times in five: 1.96 + 0.84
POWER = 2.8


def smallest_difference(count: int, discordant: float) -> float:
    """About 2.8 standard errors of a paired difference of shares: (1.96 + 0.84) * sqrt(p_disc / n), for 80% power at 5% (two-sided)."""
    return POWER * sqrt(discordant / count)


def detectable(count: int, metric: str = "correct") -> list[Detectable]:
    return [Detectable(metric=metric, count=count, discordant=share, difference=smallest_difference(count, share)) for share in DISCORDANT]
