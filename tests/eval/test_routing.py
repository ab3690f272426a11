"""Counting where questions go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from assistant.route import RouteModel
from core.ports import Vectors
from eval.routing import NONE, Abstained, route_seeds
from examples.samplebank import questions
from examples.samplebank.facts import Facts
from tests.embedder import HashedEmbedder


class _ByLength:
    """Sends short questions to customer-service, middling ones nowhere, and long texts, which the applications are, to loan-risk."""

    def predict_proba(self, rows: Vectors) -> Vectors:
        (length,) = rows[0]
        return np.array([[0.9, 0.1, 0.0] if length < 60 else [0.5, 0.4, 0.1] if length < 150 else [0.0, 0.2, 0.8]])


class _Lengths(HashedEmbedder):
    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([[len(text)] for text in texts], np.float32)


def test_every_question_with_an_answer_is_counted_once_under_its_own_task() -> None:
    routes = RouteModel(("customer-service", "loan-risk", "other"), _ByLength())
    found = {(one.task, one.language): one for one in route_seeds([900_100], routes, _Lengths(), 0.6)}
    answered = [question for question in questions.load(Facts.draw(900_100)) if question.answer]
    asked = [question for question in answered if (question.task, question.language) == ("customer-service", "en")]
    short = sum(len(question.ask) < 60 for question in asked)
    english = found["customer-service", "en"]
    assert english.to == {"customer-service": short, NONE: len(asked) - short}
    assert english.right == short / len(asked)
    assert found["compliance", "zh"].right == 0
    assert found["loan-risk", "en"].to.total() == found["loan-risk", "zh"].to.total() == 20
    assert sum(one.to.total() for one in found.values()) == len(answered) + 40


def test_what_became_of_unsure_questions_can_be_written_as_json() -> None:
    """A Counter cannot: asdict makes its pairs the keys."""
    count = Abstained(2)
    count.right["nearest"] += 1
    assert json.loads(json.dumps(asdict(count))) == {"questions": 2, "right": {"base": 0, "nearest": 1}, "wrong": {"base": 0, "nearest": 0}}
