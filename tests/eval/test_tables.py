"""Counting what the check of tables sees, on the sample bank's own tables."""

from __future__ import annotations

from eval import tables
from eval.bank import FIRST_SEED


def test_right_values_pass_and_most_wrong_rows_are_seen() -> None:
    """Both languages; the shares are those of the check itself, so a check that always passes, or always fails, is seen here."""
    found = tables.count([FIRST_SEED + 720])
    for language in ("en", "zh"):
        one = found[language]
        assert one.right >= 10
        assert one.refused == 0
        assert one.rows_seen >= 0.7 * one.wrong_rows > 0
        assert one.columns_seen >= 0.5 * one.wrong_columns > 0
        assert one.mended > 20 * one.spoilt
        assert one.nowhere_mended >= 0.4 * one.nowhere > 0
        assert one.nowhere_spoilt == 0
