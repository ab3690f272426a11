"""Values of items summed over clusters: items about one document, or paraphrases of one question, err together and are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.statistics.shares import Numbers


@dataclass(frozen=True, slots=True)
class Clusters:
    """Sums and counts of columns of values, both clusters x columns; a cluster may have no value in a column."""

    sums: Numbers
    counts: Numbers

    @classmethod
    def of(cls, values: Numbers, groups: Sequence[str]) -> Clusters:
        """From items x columns of values, NaN where there is none, and the group of each item."""
        _, which = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        number = int(which.max()) + 1 if len(which) else 0
        there = ~np.isnan(values)
        sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
        np.add.at(sums, which, np.where(there, values, 0.0))
        np.add.at(counts, which, there.astype(float))
        return cls(sums, counts)

    def only(self, columns: NDArray[Any]) -> Clusters:
        """Some of the columns, by number or by mask."""
        return Clusters(self.sums[:, columns], self.counts[:, columns])

    @property
    def totals(self) -> Numbers:
        """Values of each column."""
        total: Numbers = self.counts.sum(0)
        return total

    @property
    def filled(self) -> Numbers:
        """Clusters of each column that have a value."""
        number: Numbers = (self.counts > 0).sum(0).astype(float)
        return number

    @property
    def means(self) -> Numbers:
        """Of each column; NaN of an empty one."""
        with np.errstate(invalid="ignore"):
            mean: Numbers = self.sums.sum(0) / self.counts.sum(0)
        return mean
