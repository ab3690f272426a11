"""The ten questions on banks of new seeds: do the answers follow the seed?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.answer import Request
from assistant.bootstrap import Application, LoadedModels
from core.settings import Settings
from core.types import Answer, AnswerKind, Query
from eval.bank import caller, sample_bank
from eval.metrics import contains_answer
from eval.together import together
from examples.samplebank import questions as sample_questions
from examples.samplebank.facts import Facts
from examples.samplebank.questions import SampleQuestion


@dataclass(frozen=True, slots=True)
class Result:
    """One question on one bank. ``problem`` is empty when the answer is right."""

    seed: int
    kind: str
    question: str
    expected: str
    answer: str
    problem: str


def ask_ten(application: Application, seed: int, *, at_once: int = 1) -> list[Result]:
    """The ten questions of a bank; the one on a staff document is also asked by a customer, who must be refused."""
    questions = [
        (question, role)
        for question in sample_questions.load(Facts.draw(seed))
        if question.ten
        for role in ((question.caller, "customer") if question.kind == "access" else (question.caller,))
    ]
    return list(together(lambda asked: ask(application, seed, *asked), questions, at_once))


def ask(application: Application, seed: int, question: SampleQuestion, role: str) -> Result:
    """Ask as somebody of a role, and judge the answer."""
    query = Query(question.ask, caller(role), question.as_of or application.today())
    answer = application.assistant.answer(Request(query))
    refuse = not question.answer or role != question.caller
    kind = f"{question.kind}, {question.language}" if role == question.caller else "access denied"
    problem = ("" if answer.kind is AnswerKind.REFUSED else "answered, expected a refusal") if refuse else judge(answer, question)
    return Result(seed, kind, question.ask, "a refusal" if refuse else question.answer[0], answer.text, problem)


def judge(answer: Answer, question: SampleQuestion) -> str:
    """What is wrong with an answer that should hold the question's: empty when nothing is."""
    if answer.kind is not AnswerKind.ANSWERED:
        return f"refused: {answer.reason}"
    if not contains_answer(answer.text, question.answer):
        return "another answer"
    cited = {(citation.document_id, citation.version) for citation in answer.citations}
    if any(document != question.document or version != (question.version or version) for document, version in cited):
        return f"cites {sorted(cited)}"
    return ""


def ask_seeds(seeds: Sequence[int], settings: Settings, models: LoadedModels, advance: Callable[[], None] = lambda: None, *, at_once: int = 1) -> list[Result]:
    """The ten on each bank, every bank in a folder of its own that is removed again."""
    results: list[Result] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, sample_bank(seed, settings, models, Path(folder)) as application:
            results += ask_ten(application, seed, at_once=at_once)
        advance()
    return results
