"""The arms of the adapters' table."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.types import AdapterRef, Principal, Route
from eval.table import _WithoutAdapter


@dataclass
class _Router:
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def route(self, question: str, principal: Principal, wanted: str) -> Route:
        self.asked.append((question, principal.name, wanted))
        return Route("loan-risk", AdapterRef("loan-risk", 1, "somewhere", "digest"), 1.0, "the request named the adapter")


def test_the_base_arm_takes_the_same_task_without_its_adapter() -> None:
    """Else it would be judged by other checks, and could never come to a rating."""
    router = _Router()
    route = _WithoutAdapter(router).route("负债收入比 30%", Principal("eval", frozenset(), frozenset()), "loan-risk")  # type: ignore[arg-type]
    assert (route.task, route.adapter, route.confidence) == ("loan-risk", None, 1.0)
    assert router.asked == [("负债收入比 30%", "eval", "loan-risk")]
