"""All records under all metrics, in one order, with nothing lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from core.errors import BadInput
from eval.scoring.registry import METRICS
from eval.scoring.scorer import read_scores, score_records, write_scores
from tests.eval.scoring.made import answer, facts, failure, item, refusal, refuse

_ITEMS = [item("b", answer=facts("it")), item("a", expect=refuse())]
_RECORDS = [
    answer("it", "b", "base"), answer("it", "b", "rag+lora"), failure("b", "oracle"), refusal(name="a", arm="rag+lora"), answer("no", "a", "rag+lora", rep=1),
    refusal(name="b", arm="forced:x"),
]  # fmt: skip


def test_the_order_is_the_suite_s_whatever_that_of_the_records() -> None:
    shuffled = random.Random(1).sample(_RECORDS, len(_RECORDS))
    scores = list(score_records(_ITEMS, shuffled, METRICS))
    assert scores == list(score_records(_ITEMS, _RECORDS, METRICS))
    keys = list(dict.fromkeys((score.item, score.arm, score.rep) for score in scores))
    assert keys == [("b", "base", 0), ("b", "rag+lora", 0), ("b", "oracle", 0), ("b", "forced:x", 0), ("a", "rag+lora", 0), ("a", "rag+lora", 1)]


def test_an_error_is_the_worst_value_and_costs_nothing() -> None:
    scores = {score.metric: score for score in score_records(_ITEMS, [failure("b", "rag")], METRICS)}
    assert {score.reason for score in scores.values()} == {"error"}
    assert scores["correct"].detail == {"type": "TooLate"}
    assert [scores[name].value for name in ("correct", "fabricated", "over_refusal", "seconds")] == [0, 1, 1, None]


def test_records_that_fit_no_item_or_come_twice_are_told() -> None:
    with pytest.raises(BadInput, match="item 'c', which the suite does not have"):
        list(score_records(_ITEMS, [answer("it", "c")], METRICS))
    with pytest.raises(BadInput, match="two answers to item 'b' under arm 'rag'"):
        list(score_records(_ITEMS, [answer("it", "b", "rag"), answer("at", "b", "rag")], METRICS))


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    written = write_scores(score_records(_ITEMS, _RECORDS, METRICS), path)
    assert list(read_scores(path)) == written
    assert [one.name for one in tmp_path.iterdir()] == ["scores.jsonl"]
    path.write_text(path.read_text("utf8") + "{}\n", "utf8")
    with pytest.raises(BadInput, match=f"line {len(written) + 1} is no score"):
        list(read_scores(path))
    with pytest.raises(BadInput, match="eval score` writes it"):
        list(read_scores(tmp_path / "none"))


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.worst in (None, 0.0 if metric.higher_is_better else 1.0)
