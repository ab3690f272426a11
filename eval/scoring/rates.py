"""How much a count of nothing says."""

from __future__ import annotations


def rule_of_three(count: int) -> float:
    """The share that events may have of which none occurred among so many: 95% sure (Hanley and Lippman-Hand, JAMA 1983)."""
    return min(1.0, 3 / count) if count else 1.0


def none_of(count: int) -> str:
    """``0 of 300: at most 1%``."""
    return f"0 of {count}: at most {100 * rule_of_three(count):.3g}%"
