"""Where the router sends questions whose task is known: the sample bank's own, and loan applications, of seeds that no training saw.

Asked by somebody who may use every adapter, so that what is measured is the classifier and not the permissions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.route import OUTSIDE, RouteModel
from core.ports import Embedder
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts
from examples.samplebank.loans import applications

#: what became of a question that no adapter answers
NONE = "no adapter"
_LOANS = 20


@dataclass(frozen=True, slots=True)
class Routed:
    """How many questions of a task and language went to which task, or to none."""

    task: str
    language: str
    to: Counter[str]

    @property
    def right(self) -> float:
        return self.to[self.task] / self.to.total()


def route_seeds(seeds: Sequence[int], routes: RouteModel, embedder: Embedder, threshold: float, advance: Callable[[], None] = lambda: None) -> list[Routed]:
    """Route every question of the banks of some seeds; those that no document answers are left out, since any task may refuse them."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for seed in seeds:
        facts = Facts.draw(seed)
        asked = [(question.task, question.language, question.ask) for question in sample_questions.load(facts) if question.answer]
        for language in ("en", "zh"):
            asked += [("loan-risk", language, application.text) for application in applications(facts, language, _LOANS)]
        vectors = embedder.embed_queries([text for _, _, text in asked])
        for (task, language, _), vector in zip(asked, vectors, strict=True):
            probabilities = routes.probabilities(vector)
            best = max(probabilities, key=lambda label: probabilities[label])
            sure = best != OUTSIDE and probabilities[best] >= threshold
            counts.setdefault((task, language), Counter())[best if sure else NONE] += 1
        advance()
    return [Routed(task, language, to) for (task, language), to in sorted(counts.items())]
