"""Which items a limit takes, and in which order they are asked."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from eval.run.plan import jobs, left_out, sample
from eval.suite.item import Caller, Item
from tests.eval.run.conftest import ITEMS


def items() -> list[Item]:
    """60 English lookups, 30 Chinese ones, 10 Chinese calculations."""
    kinds: list[tuple[int, Literal["en", "zh"], Literal["lookup", "calc"]]] = [(60, "en", "lookup"), (30, "zh", "lookup"), (10, "zh", "calc")]
    return [Item(id=f"{task}-{lang}-{number}", group_id="g", lang=lang, task=task, question="?") for count, lang, task in kinds for number in range(count)]


def test_a_limit_takes_of_each_task_and_language_its_share() -> None:
    chosen = sample(items(), 20, seed=7)
    assert Counter((item.task, item.lang) for item in chosen) == {("lookup", "en"): 12, ("lookup", "zh"): 6, ("calc", "zh"): 2}
    assert chosen == sample(items(), 20, seed=7)
    assert chosen != sample(items(), 20, seed=8)
    assert [item.id for item in chosen] == [item.id for item in items() if item in chosen]  # in their order
    # 7 of 100: 4.2, 2.1, 0.7, so that the seventh goes to the largest remainder
    assert Counter((item.task, item.lang) for item in sample(items(), 7, seed=0)) == {("lookup", "en"): 4, ("lookup", "zh"): 2, ("calc", "zh"): 1}
    assert sample(items(), 1000, seed=0) == sample(items(), None, seed=0) == tuple(items())


def test_an_items_arms_follow_one_another_and_a_callers_items_too() -> None:
    planned = list(jobs(ITEMS, ("base", "rag", "rag+lora"), 2))
    assert len(planned) == len({job.key for job in planned}) == len(ITEMS) * 3 * 2
    assert [(job.item.id, job.arm, job.rep) for job in planned[:6]] == [
        ("fee", "rag", 0), ("fee", "rag+lora", 0), ("fee", "base", 0), ("fee", "rag", 1), ("fee", "rag+lora", 1), ("fee", "base", 1),
    ]  # fmt: skip
    assert [job.item.caller for job in planned[-6:]] == [Caller(groups=("staff",))] * 6
    assert left_out(ITEMS, ("rag", "oracle", "forced:loan-risk")) == {"oracle": 2, "forced:loan-risk": 6}
