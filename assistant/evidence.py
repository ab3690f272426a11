"""Is there anything in what was found that could answer the question? Judged before the model is asked.

Two signals: the best cosine of the vector leg, and the share of the question's telling words that the passages hold.
Fused ranks say nothing here: something always ranks first. The weights are fitted per embedder and language by
``bankassist eval evidence`` on invented banks that no test uses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from core.text.stop_words import STOP_WORDS
from core.types import Language


@dataclass(frozen=True, slots=True)
class Weights:
    """Logistic regression: bias + cosine * c + coverage * w; evidence suffices above the threshold (a probability)."""

    bias: float
    cosine: float
    coverage: float
    threshold: float


@dataclass(frozen=True)
class EvidenceJudge:
    """``word_only`` serves queries in a language that the embedder does not."""

    weights: Mapping[Language, Weights]
    word_only: float = 0.5

    def sufficient(self, cosine: float | None, share: float, language: Language) -> bool:
        if cosine is None:
            return share >= self.word_only
        weights = self.weights[language]
        return probability(weights, cosine, share) >= weights.threshold

    @classmethod
    def for_embedder(cls, digest: str) -> EvidenceJudge:
        """The fitted weights of an embedder; one that was never fitted lets everything pass but an empty result, and the checks behind the model decide."""
        fitted = _fitted().get(digest[:16])
        if fitted is None:
            lenient = Weights(10.0, 0.0, 0.0, 0.5)
            return cls({"en": lenient, "zh": lenient}, word_only=0.3)
        return cls({language: Weights(**values) for language, values in fitted.items()})


def probability(weights: Weights, cosine: float, share: float) -> float:
    return 1 / (1 + math.exp(-(weights.bias + weights.cosine * cosine + weights.coverage * share)))


def coverage(question: Sequence[str], passages: Sequence[Sequence[str]]) -> float:
    """The share of the question's telling words that the best single passage holds; 1 when it has none."""
    telling = {token for token in question if token not in STOP_WORDS}
    if not telling:
        return 1.0
    return max((len(telling & set(passage)) / len(telling) for passage in passages), default=0.0)


@cache
def _fitted() -> Mapping[str, Mapping[Language, Mapping[str, float]]]:
    loaded: Mapping[str, Mapping[Language, Mapping[str, float]]] = json.loads((files("assistant") / "evidence.json").read_text("utf8"))
    return loaded
