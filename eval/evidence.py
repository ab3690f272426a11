"""Fitting the judgement of evidence: when is what was found good enough to ask the model?

Per language, a logistic regression over the best cosine and the share of question words found, fitted on invented banks by
their questions' training wordings; questions that no document answers, and questions asked by somebody who may not read the
answer, are the negatives. The threshold lets nearly all answerable questions pass: refusing them is the worse error here,
because the model and the checks behind it refuse too.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from adapters.tasks import outside_examples
from assistant.bootstrap import Application, LoadedModels
from assistant.evidence import Weights, probability
from core.settings import Settings
from core.types import Language, Query
from eval.bank import caller, sample_bank
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts

#: share of answerable questions that may be refused for want of evidence
OVER_REFUSAL = 0.005


@dataclass(frozen=True, slots=True)
class Example:
    language: Language
    answerable: bool
    cosine: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Fit:
    """The weights of a language, and what they do on the examples: shares of answerable and of unanswerable questions refused."""

    weights: Weights
    over_refusal: float
    refusal: float
    count: int


def examples(seeds: Sequence[int], settings: Settings, models: LoadedModels, advance: Callable[[], None] = lambda: None) -> list[Example]:
    """What retrieval finds for every question of the banks of these seeds."""
    found: list[Example] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, sample_bank(seed, settings, models, Path(folder)) as application:
            found += _of_bank(application, seed)
        advance()
    return found


def _of_bank(application: Application, seed: int) -> list[Example]:
    rng = random.Random(seed)
    asked = [
        (rng.choice(question.train), question.language, role, bool(question.answer) and role == question.caller, question.as_of)
        for question in sample_questions.load(Facts.draw(seed))
        for role in ((question.caller, "customer") if question.caller != "customer" and question.kind == "access" else (question.caller,))
        if question.train
    ]
    asked += [(text, language, "customer", False, None) for language, texts in outside_examples().items() for text in rng.sample(texts, 20)]
    result = []
    for text, language, role, answerable, as_of in asked:
        query = Query(text, caller(role), as_of or application.today())
        evidence = application.assistant.retriever.search(query, application.settings.retrieval.top_k).evidence
        result.append(Example(language, answerable, evidence.cosine, evidence.coverage))
    return result


def fit(found: Sequence[Example]) -> dict[Language, Fit]:
    """Weights and threshold per language."""
    from sklearn.linear_model import LogisticRegression

    fits: dict[Language, Fit] = {}
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        own = [example for example in found if example.language == language]
        features = np.array([[example.cosine, example.coverage] for example in own])
        labels = np.array([example.answerable for example in own])
        model = LogisticRegression(C=100.0, class_weight="balanced").fit(features, labels)
        cosine, coverage = (float(value) for value in model.coef_[0])
        weights = Weights(round(float(model.intercept_[0]), 4), round(cosine, 4), round(coverage, 4), 0.0)
        scores = np.array([probability(weights, example.cosine, example.coverage) for example in own])
        threshold = float(np.quantile(scores[labels], OVER_REFUSAL))
        weights = replace(weights, threshold=math.floor(threshold * 10_000) / 10_000)  # rounded up, it would refuse the question that it was taken from
        fits[language] = Fit(weights, float((scores[labels] < threshold).mean()), float((scores[~labels] < threshold).mean()), len(own))
    return fits


def write(fits: dict[Language, Fit], embedder: str, path: Path) -> None:
    """Put the weights of an embedder into the file that `assistant.evidence` reads."""
    known = json.loads(path.read_text("utf8"))
    known[embedder[:16]] = {language: asdict(found.weights) for language, found in fits.items()}
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf8")
