"""Groups of applicants, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fair  # type: ignore[import-untyped]

from eval.run.record import Record
from eval.scoring import fairness, loan
from eval.suite.item import Expected, Item, Label
from tests.eval.scoring.made import item, rated


def _group(name: str, approved_good: int, declined_good: int, approved_bad: int, declined_bad: int) -> tuple[list[Item], list[Record]]:
    """Applications of one group: good and bad loans, approved and declined."""
    items: list[Item] = []
    records: list[Record] = []
    cells: list[tuple[Any, str, int]] = [(0, "low", approved_good), (0, "high", declined_good), (1, "low", approved_bad), (1, "high", declined_bad)]
    for y, rating, count in cells:
        for _ in range(count):
            one = f"{name} {len(items)}"
            items.append(item(one, task="loan_risk", answer=Expected(verdict="low"), label=Label(y=y, protected={"gender": name})))
            records.append(rated(rating, 0.8 if rating == "high" else 0.2, one))
    return items, records


def _measured(*groups: tuple[list[Item], list[Record]]) -> dict[str, float | None]:
    items = {one.id: one for found, _ in groups for one in found}
    return fairness.measures(loan.cases(items, [record for _, found in groups for record in found]))


def test_by_hand() -> None:
    values = _measured(_group("f", 20, 10, 5, 15), _group("m", 40, 0, 4, 6))
    assert values["approval:gender=f"] == 25 / 50
    assert values["approval:gender=m"] == 44 / 50
    assert values["group_count:gender=f"] == 50
    # Wilson for 25 of 50
    assert (values["approval_low:gender=f"], values["approval_high:gender=f"]) == pytest.approx((0.3664, 0.6336), abs=1e-4)
    assert values["parity_difference:gender"] == pytest.approx(0.88 - 0.5)
    assert values["impact_ratio:gender"] == pytest.approx(0.5 / 0.88)
    assert values["opportunity_difference:gender"] == pytest.approx(1 - 20 / 30)  # of good loans approved
    assert values["odds_difference:gender"] == pytest.approx(max(1 - 20 / 30, 4 / 10 - 5 / 20))
    assert values["group_auroc:gender=m"] == pytest.approx((1 + 0.6) / 2)
    assert values["group_calibration:gender=f"] == pytest.approx((25 * 0.2 + 25 * 0.8) / 50 - 20 / 50)


def test_intervals_between_groups_are_fairlearn_s_where_items_are_independent() -> None:
    values = _measured(_group("f", 20, 10, 5, 15), _group("m", 40, 0, 4, 6))
    groups, good = np.repeat(["f", "m"], 50), np.repeat([1, 0, 1, 0], [30, 20, 40, 10])
    approved = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], [20, 10, 5, 15, 40, 0, 4, 6])
    rates = {"all": fair.selection_rate, "good": fair.true_positive_rate}
    frame = fair.MetricFrame(metrics=rates, y_true=good, y_pred=approved, sensitive_features=groups, n_boot=60, ci_quantiles=[0.025, 0.975], random_state=3)
    for name, theirs, metric in (
        ("parity_difference", frame.difference_ci(), "all"), ("impact_ratio", frame.ratio_ci(), "all"), ("opportunity_difference", frame.difference_ci(), "good"),
    ):  # fmt: skip
        low, high = (values[f"{name}_{end}:gender"] for end in ("low", "high"))
        assert (low, high) == pytest.approx((theirs[0][metric], theirs[1][metric]), abs=0.1)
    odds = values["odds_difference_low:gender"], values["odds_difference_high:gender"]
    assert odds[0] is not None
    assert odds[1] is not None
    assert odds[0] < (values["odds_difference:gender"] or 0) < odds[1]


def test_pairs_of_one_cluster_are_drawn_together() -> None:
    def spread(size: int) -> float:
        women, men = _group("f", 25, 0, 25, 0), _group("m", 25, 25, 0, 0)
        items = [one.model_copy(update={"group_id": f"g{place // size}"}) for place, one in enumerate([*women[0], *men[0]])]
        values = _measured((items, [*women[1], *men[1]]))
        low, high = values["parity_difference_low:gender"], values["parity_difference_high:gender"]
        assert low is not None
        assert high is not None
        return high - low

    assert spread(5) > 1.5 * spread(1)


def test_small_groups_are_shown_and_judge_nothing() -> None:
    values = _measured(_group("f", 20, 10, 5, 15), _group("m", 40, 0, 4, 6), _group("x", 0, 9, 0, 1))
    assert values["approval:gender=x"] == 0
    assert values["impact_ratio:gender"] == pytest.approx(0.5 / 0.88)
    assert values["impact_ratio_all:gender"] == 0
    alone = _measured(_group("f", 20, 10, 5, 15), _group("x", 1, 1, 1, 1))
    assert alone["impact_ratio:gender"] is None
    assert alone["impact_ratio_all:gender"] == 1


def test_without_good_or_bad_loans_in_a_group_its_share_of_them_is_not_known() -> None:
    values = _measured(_group("f", 25, 25, 0, 0), _group("m", 0, 0, 25, 25))
    assert (values["opportunity_difference:gender"], values["odds_difference:gender"]) == (None, None)
    assert values["parity_difference:gender"] == 0
    nobody = _measured(_group("f", 0, 25, 0, 25), _group("m", 0, 25, 0, 25))
    assert (nobody["parity_difference:gender"], nobody["impact_ratio:gender"]) == (0, None)


def test_pairs_that_differ_in_a_protected_attribute_alone() -> None:
    items = {f"{pair}{side}": item(f"{pair}{side}", task="loan_risk", label=Label(pair_id=pair)) for pair in "abcd" for side in "xy"}
    records = [
        rated("low", 0.1, "ax"), rated("low", 0.3, "ay"), rated("low", 0.4, "bx"), rated("high", 0.8, "by"),
        rated("low", 0.1, "cx"), rated(None, name="cy"), rated("low", 0.1, "dx"),
    ]  # fmt: skip
    values = fairness.flips(items, records)
    # b has other ratings, c has one and none, of d there is one alone; changes are 0.2 and 0.4
    assert values == {"pairs": 3, "flips": pytest.approx(2 / 3), "pair_change_p95": pytest.approx(0.2 + 0.95 * 0.2)}
    assert fairness.flips({"q": item()}, [rated("low", 0.1)]) == {}
