"""Thresholds out of each layout that a rating guide has."""

from __future__ import annotations

import pytest

from assistant.thresholds import thresholds

_THREE = [("low", "at most 31%"), ("medium", "above 31%, at most 43%"), ("high", "above 43%")]


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        pytest.param("Measure: Ratio | Low: at most 31% | Medium: above 31%, at most 43% | High: above 43%", {"Ratio": _THREE}, id="a row per measure"),
        pytest.param(
            "Risk: Low | Ratio: at most 31%\nRisk: Medium | Ratio: above 31%, at most 43%\nRisk: High | Ratio: above 43%",
            {"Ratio": _THREE},
            id="a row per rating",
        ),
        pytest.param(
            "2.1 Ratio: the risk is low at 31% or less, medium above 31% and up to 43%, and high above 43%.",
            {"Ratio": [("low", "31% or less"), ("medium", "above 31% and up to 43%"), ("high", "above 43%")]},
            id="a clause",
        ),
        pytest.param(
            "7.2 Years: the risk is low with no fewer than 8, medium with no fewer than 5 and fewer than 8, and high with fewer than 5.",
            {"Years": [("low", "no fewer than 8"), ("medium", "no fewer than 5 and fewer than 8"), ("high", "fewer than 5")]},
            id="a clause with and inside a limit",
        ),
        pytest.param(
            "第五条 负债收入比:不超过31%的为低风险;超过31%但不超过43%的为中风险;超过43%的为高风险。",
            {"负债收入比": [("low", "不超过31%"), ("medium", "超过31%但不超过43%"), ("high", "超过43%")]},
            id="a Chinese clause",
        ),
        pytest.param(
            "指标: 抵押率 | 低风险: 不超过36% | 中风险: 超过36%,不超过43% | 高风险: 超过43%",
            {"抵押率": [("low", "不超过36%"), ("medium", "超过36%,不超过43%"), ("high", "超过43%")]},
            id="a Chinese table",
        ),
        pytest.param(
            "Item: Account fee | Basic: HKD 4 | Plus: none\nThe risk of loss is low.\n4.1 Applications rated high are decided elsewhere.", {}, id="none"
        ),
    ],
)
def test_limits_by_measure_and_rating(passage: str, expected: dict[str, list[tuple[str, str]]]) -> None:
    assert thresholds(passage) == expected
