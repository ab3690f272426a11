"""How much passages that do not help hurt: accuracy against the share of the prompt's passages that hold no evidence (RGB's noise)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from eval.run.record import Record
from eval.scoring.answers import correct
from eval.scoring.asked import answerable
from eval.scoring.retrieval import relevant
from eval.suite.item import Item

#: upper ends of the bins, the last one for prompts without evidence
STEPS = (0.2, 0.4, 0.6, 0.8)


def curve(items: Mapping[str, Item], records: Sequence[Record]) -> dict[str, float]:
    """The share of right answers per bin of noise (``noise<=0.2`` and so on, ``noise<1``, ``noise=1``), and , where noise
    varies, the slope of accuracy over noise and the area under the curve: the mean accuracy when all noise between the least and the most is as frequent."""
    points = [
        (1 - relevant(items[record.item], record) / len(record.retrieved), float(correct(items[record.item], record).value or 0.0))
        for record in records
        if record.error is None and record.retrieved and items[record.item].evidence and answerable(items[record.item], record.arm)
    ]
    bins: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for noise, right in points:
        bins[_bin(noise)].append((noise, right))
    means = {name: np.mean(own, axis=0) for name, own in sorted(bins.items())}
    values = {name: float(accuracy) for name, (_, accuracy) in means.items()}
    noises = np.array([noise for noise, _ in points])
    if len(set(noises.round(9))) > 1:
        values["noise_slope"] = float(np.polyfit(noises, [right for _, right in points], 1)[0])
    if len(means) > 1:
        at, accuracy = np.array(sorted(means.values(), key=lambda one: float(one[0]))).T
        values["noise_area"] = float(np.trapezoid(accuracy, at) / (at[-1] - at[0]))
    return values


def _bin(noise: float) -> str:
    if noise >= 1:
        return "noise=1"
    return next((f"noise<={step}" for step in STEPS if noise <= step + 1e-9), "noise<1")
