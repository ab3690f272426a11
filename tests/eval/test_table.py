"""The arms of the adapters' table."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.prompts import NOT_FOUND, PromptPassage
from core.types import AdapterRef, Principal, Route
from eval.drafts import record
from eval.reading import ReadingItem
from eval.run.arms import WithoutAdapter
from eval.table import Marks, Row, answers, bound_against_free, document


@dataclass
class _Router:
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def route(self, question: str, principal: Principal, wanted: str) -> Route:
        self.asked.append((question, principal.name, wanted))
        return Route("loan-risk", AdapterRef("loan-risk", 1, "somewhere", "digest"), 1.0, "the request named the adapter")


def test_the_base_arm_takes_the_same_task_without_its_adapter() -> None:
    """Else it would be judged by other checks, and could never come to a rating."""
    router = _Router()
    route = WithoutAdapter(router).route("负债收入比 30%", Principal("eval", frozenset(), frozenset()), "loan-risk")  # type: ignore[arg-type]
    assert (route.task, route.adapter, route.confidence) == ("loan-risk", None, 1.0)
    assert router.asked == [("负债收入比 30%", "eval", "loan-risk")]


def test_the_table_and_the_answers_behind_it() -> None:
    item = ReadingItem("q1", "en", "What is the fee?", (PromptPassage("Fees", "The fee is USD 5."),), frozenset({1}), ("USD 5",))
    row = Row("squad2", "base", (record(item, "USD 5 [1]"), record(item, NOT_FOUND)))
    scores = document([row], [])["rows"][0]["scores"]
    assert (scores["count"], scores["f1"], scores["citation"], scores["over_refusal"]) == (2, 0.5, 0.5, 0.5)
    first, second = answers(row)
    assert first == {
        "set": "squad2",
        "arm": "base",
        "id": "q1",
        "question": "What is the fee?",
        "accepted": ["USD 5"],
        "gold": [1],
        "answer": "USD 5",
        "citations": [1],
        "refused": False,
        "invented": False,
    }
    assert (second["refused"], second["citations"]) == (True, [])


def test_bound_to_its_sources_is_compared_question_by_question() -> None:
    fees = (PromptPassage("Fees", "The fee is USD 5."),)
    answerable = ReadingItem("q1", "en", "What is the fee?", fees, frozenset({1}), ("USD 5",))
    other = ReadingItem("q2", "en", "What is the other fee?", fees, frozenset(), ())
    free = Row("squad2", "a", (record(answerable, "USD 7 [1]"), record(answerable, "USD 5 [1]"), record(other, "USD 9 [1]")))
    bound = Row("squad2", "a, sources only", (record(answerable, "USD 5 [1]"), record(answerable, "USD 5 [1]"), record(other, NOT_FOUND)))
    (found,) = bound_against_free([Row("squad2", "base", free.records), free, bound])
    # F1 of "usd 7" against "usd 5" is one half; the question without an answer has none
    assert (found.set, found.count, found.changed, found.f1) == ("squad2", 3, 2, 0.25)
    assert (found.holds, found.invented, found.refused) == (Marks(1, 2, 0, 1), Marks(2, 0, 2, 0), Marks(0, 1, 0, 1))
    assert found.document["invented_p"] == 0.5
    assert bound_against_free([free]) == []
    *_, everything = bound_against_free([free, bound, Row("tatqa", "a", free.records), Row("tatqa", "a, sources only", bound.records)])
    assert (everything.set, everything.count, everything.invented) == ("all", 6, Marks(4, 0, 4, 0))
