"""Where the router sends questions whose task is known: the sample bank's own, and loan applications, of seeds that no training saw.

Asked by somebody who may use every adapter, so that what is measured is the classifier and not the permissions. And what becomes of the questions
of which no task is sure, asked by whom they are for, when the base model or the nearest task's adapter answers them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assistant.bootstrap import LoadedModels
from assistant.route import OUTSIDE, RouteModel
from core.ports import Embedder
from core.settings import Settings
from eval.bank import caller, sample_bank
from eval.seeds import ask
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts
from examples.samplebank.loans import applications

#: what became of a question that no adapter answers
NONE = "no adapter"
_LOANS = 20
#: the settings that are compared
ABSTAIN = ("base", "nearest")


@dataclass(frozen=True, slots=True)
class Routed:
    """How many questions of a task and language went to which task, or to none."""

    task: str
    language: str
    to: Counter[str]

    @property
    def right(self) -> float:
        return self.to[self.task] / self.to.total()


@dataclass
class Abstained:
    """Questions of one language of which no task was sure; of them right, and wrongly answered instead of refused, by each setting of ``routing.abstain``."""

    questions: int = 0
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ABSTAIN, 0))
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ABSTAIN, 0))


def answer_abstained(seeds: Sequence[int], settings: Settings, models: LoadedModels, advance: Callable[[], None] = lambda: None) -> dict[str, Abstained]:
    """Ask what the router is not sure of, every time by the base model and by the nearest task."""
    counts: dict[str, Abstained] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, sample_bank(seed, settings, models, Path(folder)) as application:
            whole = application.assistant
            for question in sample_questions.load(Facts.draw(seed)):
                if whole.router.route(question.ask, caller(question.caller)).task is not None:
                    continue
                count = counts.setdefault(question.language, Abstained())
                count.questions += 1
                for setting in ABSTAIN:
                    assistant = replace(whole, routing=whole.routing.model_copy(update={"abstain": setting}))
                    result = ask(replace(application, assistant=assistant), seed, question, question.caller)
                    count.right[setting] += not result.problem
                    count.wrong[setting] += bool(result.problem) and not result.problem.startswith("refused")
        advance()
    return counts


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
