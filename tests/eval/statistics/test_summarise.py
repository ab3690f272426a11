"""What the scores of a run come to, by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from core.errors import BadInput
from eval.scoring.score import Score
from eval.statistics.shares import mcnemar, wilson
from eval.statistics.summarise import summarise
from eval.statistics.values import SEVERAL
from eval.summary import Aggregate, Pair, Summary
from tests.eval.statistics.run_of import ARMS, METRICS, item, metric, scores

ITEMS = [item(f"i{place}", lang="zh" if place % 2 else "en", task="calc" if place >= 6 else "lookup", topic="fees" if place < 2 else "") for place in range(10)]
TABLE: dict[str, Sequence[float | None]] = {
    "base": [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    "rag": [1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
    "lora": [0, 0, 0, 0, 1, 1, 0, 0, 0, 1],
    "rag+lora": [1, 1, 1, 1, 1, 1, 1, 1, 0, 1],
    "oracle": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
}


def summary(found: Iterator[Score] | list[Score], primary: tuple[str, ...] = ("correct",)) -> Summary:
    return summarise("run 1", "bank", ITEMS, found, METRICS, primary, {"rag": {"auroc": 0.75, "ks": None}})


def aggregate(found: Summary, arm: str, part: str = "all", name: str = "correct") -> Aggregate:
    (one,) = [one for one in found.aggregates if (one.arm, one.slice, one.metric) == (arm, part, name)]
    return one


def pair(found: Summary, first: str, second: str, part: str = "all", name: str = "correct") -> Pair:
    (one,) = [one for one in found.pairs if (one.first, one.second, one.slice, one.metric) == (first, second, part, name)]
    return one


def test_the_table_of_four_arms_by_hand() -> None:
    found = summary(scores(ITEMS, TABLE))
    assert {arm: aggregate(found, arm).mean for arm in TABLE} == {"base": 0.1, "rag": 0.6, "lora": 0.3, "rag+lora": 0.9, "oracle": 1.0}
    one = aggregate(found, "rag")
    assert (one.total, one.scored, one.errors, one.method) == (10, 10, 0, "wilson")
    assert (one.low, one.high) == pytest.approx(wilson(6, 10))
    apart = pair(found, "rag", "rag+lora")
    assert (apart.count, apart.clusters, apart.only_first, apart.only_second, apart.test) == (10, 10, 0, 3, "mcnemar")
    assert (apart.difference, apart.p, apart.p_holm) == pytest.approx((0.3, mcnemar(0, 3), mcnemar(0, 3)))
    effects = {one.name: one.value for one in found.effects}
    # halves of (.6 - .1) + (.9 - .3), of (.3 - .1) + (.9 - .6); (.9 - .3) - (.6 - .1); 1 - .9; 1 - 1
    assert effects == pytest.approx({"rag": 0.55, "lora": 0.25, "interaction": 0.1, "retrieval_loss": 0.1, "generation_loss": 0.0})
    assert all(effect.low <= effect.value <= effect.high for effect in found.effects)
    (omnibus,) = found.omnibus
    assert omnibus.count == 10
    # columns 1, 6, 3, 9 (mean 4.75), rows 2 2 2 2 3 2 1 1 0 4 (squares 47)
    assert omnibus.q == pytest.approx(4 * 3 * (3.75**2 + 1.25**2 + 1.75**2 + 4.25**2) / (4 * 19 - 47))
    (smallest,) = found.detectable
    # 3 of 10 differ between rag and rag+lora
    assert [smallest.count, smallest.discordant, smallest.difference] == pytest.approx([10, 0.3, 2.8 * (0.3 / 10) ** 0.5])
    assert (found.run, found.suite, found.primary, found.corpus_metrics) == ("run 1", "bank", ("correct",), {"rag": {"auroc": 0.75, "ks": None}})


def test_slices_are_languages_tasks_topics_and_tasks_in_languages() -> None:
    found = summary(scores(ITEMS, TABLE))
    assert {one.slice for one in found.aggregates} == {
        "all", "lang:en", "lang:zh", "task:lookup", "task:calc", "topic:fees",
        "lang:en&task:lookup", "lang:zh&task:lookup", "lang:en&task:calc", "lang:zh&task:calc",
    }  # fmt: skip
    assert (aggregate(found, "rag", "task:calc").total, aggregate(found, "rag", "task:calc").mean) == (4, 0.25)
    assert aggregate(found, "rag", "lang:zh&task:calc").mean == 0.5
    assert pair(found, "rag", "rag+lora", "task:calc").difference == 0.5


def test_items_that_need_two_documents_are_a_slice() -> None:
    def needs(*documents: str, grade: int = 1) -> dict[str, Any]:
        return {
            "evidence": [
                {"document_id": name, "version": 1, "start": place, "end": place + 1, "quote": "q", "grade": grade} for place, name in enumerate(documents)
            ]
        }

    evidence = [needs("a", "b"), needs("a", "a"), needs("a", "b", grade=2), needs("a"), {}]
    items = [item(f"i{place}", **one) for place, one in enumerate(evidence)]
    found = summarise("r", "s", items, scores(items, {"rag": [1, 0, 0, 0, 0]}), METRICS, (), {})
    assert [(one.total, one.mean) for one in found.aggregates if one.slice == SEVERAL] == [(1, 1.0)]


def test_what_a_right_route_is_worth() -> None:
    found = summary(scores(ITEMS, {"rag+lora": TABLE["rag+lora"], "wrong-adapter": TABLE["lora"]}))
    (worth,) = found.effects
    assert (worth.name, worth.count) == ("wrong_adapter", 10)
    assert worth.value == pytest.approx(0.6)


def test_no_interval_lies_where_nothing_can() -> None:
    """With three items: the widening for few clusters reaches beyond all that a difference can be."""
    table = {"base": [0, 0, 1], "rag": [1, 1, 0], "lora": [0, 1, 0], "rag+lora": [1, 1, 1], "oracle": [0, 0, 1], "wrong-adapter": [1, 0, 0]}
    found = summarise("r", "s", ITEMS[:3], [*scores(ITEMS[:3], table), *scores(ITEMS[:3], table, "token_f1")], METRICS, (), {})
    reach = {"interaction": (-2, 2), "generation_loss": (0, 1)}
    beyond = [one for one in found.effects if not reach.get(one.name, (-1, 1))[0] <= one.low <= one.high <= reach.get(one.name, (-1, 1))[1]]
    assert beyond == []
    assert {one.name for one in found.effects} == {"rag", "lora", "interaction", "retrieval_loss", "generation_loss", "wrong_adapter"}
    assert [one for one in found.pairs if not -1 <= one.low <= one.difference <= one.high <= 1] == []
    assert {one.metric for one in found.pairs} == {"correct", "token_f1"}
    assert [one for one in found.aggregates if one.low is not None and one.high is not None and not 0 <= one.low <= one.high <= 1] == []
    # seconds have no end
    slow = summarise("r", "s", ITEMS[:3], scores(ITEMS[:3], {"rag": [0, 0, 9], "rag+lora": [9, 9, 0]}, "seconds"), METRICS, (), {})
    assert slow.pairs[0].high > 9


def test_nothing_vanishes_from_a_denominator() -> None:
    found = list(scores(ITEMS, {"rag": [1, 1, 0, None, None, 1, 1, 1, 1, 0]}, "token_f1"))
    found[-1] = replace(found[-1], reason="error")
    one = aggregate(summary(found), "rag", name="token_f1")
    assert (one.total, one.scored, one.errors, one.mean) == (10, 8, 1, 6 / 8)
    # an item that no metric was asked of is no part of the slice
    assert aggregate(summary(found[:3]), "rag", "lang:zh", "token_f1").total == 1
    empty = aggregate(summary(list(scores(ITEMS, {"base": [None] * 10}, "token_f1"))), "base", name="token_f1")
    assert (empty.total, empty.scored, empty.mean, empty.low, empty.high, empty.method) == (10, 0, None, None, None, "none")


def test_repetitions_are_averaged_before_anything_else() -> None:
    found = [*scores(ITEMS, TABLE), *scores(ITEMS, {**TABLE, "rag": [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]}, rep=1)]
    one = aggregate(summary(found), "rag")
    assert (one.total, one.scored, one.mean) == (10, 10, 0.55)
    assert (one.low, one.high) == pytest.approx(wilson(11, 20), abs=0.1)
    assert one.low is not None
    assert one.low < wilson(11, 20).low  # ten items asked twice are not twenty
    apart = pair(summary(found), "rag", "rag+lora")
    assert (apart.test, apart.only_first, apart.only_second) == ("sign-flip", None, None)
    assert apart.difference == pytest.approx(0.35)
    assert summary(found).omnibus == ()


def test_clusters_change_the_interval_and_the_test() -> None:
    # five pairs of paraphrases, each right or wrong together
    items = [one.model_copy(update={"group_id": f"g{place // 2}"}) for place, one in enumerate(ITEMS)]
    table = {arm: [column[place // 2 * 2] for place in range(10)] for arm, column in TABLE.items()}
    found = summarise("r", "s", items, scores(items, table), METRICS, ("correct",), {})
    one = aggregate(found, "rag")
    assert one.method == "cluster-wilson"
    assert one.low is not None
    assert one.low < wilson(6, 10).low
    apart = pair(found, "base", "rag")
    # clusters 0, 1, 2 gained: of 8 flips of three the sum is as far in two
    assert (apart.clusters, apart.test, apart.only_second, apart.p) == (5, "cluster-sign-flip", 6, 0.25)


def test_holm_looks_at_the_primary_metrics_of_two_arms_together() -> None:
    found = [*scores(ITEMS, TABLE), *scores(ITEMS, TABLE, "token_f1"), *scores(ITEMS, TABLE, "injected")]
    both = summary(found, ("correct", "token_f1"))
    first, second = pair(both, "rag", "rag+lora"), pair(both, "rag", "rag+lora", name="token_f1")
    assert (first.p, second.p) == (0.25, 0.25)  # 0 of 3; 2 of 8 flips
    assert (first.p_holm, second.p_holm) == (0.5, 0.5)
    assert pair(both, "rag", "rag+lora", name="injected").p_holm is None
    assert {one.metric for one in both.pairs if one.slice != "all"} == {"correct", "token_f1"}


def test_what_is_missing_to_the_best_is_only_said_of_metrics_that_have_one() -> None:
    found = summary([*scores(ITEMS, TABLE, "injected"), *scores(ITEMS, TABLE, "seconds")], ())
    assert {(one.metric, one.name) for one in found.effects} == {
        (name, effect) for name in ("injected", "seconds") for effect in ("rag", "lora", "interaction")
    }


def test_effects_are_of_items_that_all_four_arms_were_scored_on() -> None:
    table: dict[str, Sequence[float | None]] = {**{arm: TABLE[arm] for arm in ARMS}, "base": [None, *TABLE["base"][1:]]}
    (rag, _, _) = summary(scores(ITEMS, table)).effects
    assert [rag.count, rag.value] == pytest.approx([9, ((5 / 9 - 1 / 9) + (8 / 9 - 3 / 9)) / 2])


def test_seven_primary_metrics_and_unknown_ones_are_refused() -> None:
    many = {f"m{place}": metric(f"m{place}") for place in range(7)}
    with pytest.raises(BadInput, match="7 primary metrics; at most 6"):
        summarise("r", "s", ITEMS, [], many, tuple(many), {})
    with pytest.raises(BadInput, match="'nonsense' is none"):
        summary([], ("nonsense",))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"item": "other"}, "item 'other', which the suite does not have", id="item"),
        pytest.param({"metric": "bleu"}, "metric 'bleu', which this program does not know", id="metric"),
        pytest.param({"version": 2}, "of its version 2, this program has 1", id="version"),
        pytest.param({}, "two scores of item 'i0', arm 'base'", id="twice"),
    ],
)
def test_scores_that_do_not_fit_are_refused(change: dict[str, object], says: str) -> None:
    found = list(scores(ITEMS, TABLE))
    with pytest.raises(BadInput, match=says):
        summary([*found, replace(found[0], **change)])  # type: ignore[arg-type]
