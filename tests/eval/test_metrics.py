"""Measures, by hand."""

from __future__ import annotations

import pytest

from eval.metrics import answer_tokens, contains_answer, token_f1


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        pytest.param("USD 45.00", ["USD 45.00"], 1.0, id="equal"),
        pytest.param("The USD 45.00!", ["usd 45.00"], 1.0, id="articles, case and punctuation do not count"),
        # tokens: the fee is gone an article; fee, is, usd, 4500 against usd, 4500: precision 2/4, recall 1
        pytest.param("The fee is USD 45.00", ["USD 45.00"], 2 / 3, id="longer"),
        pytest.param("USD", ["USD 45.00"], 2 / 3, id="shorter"),
        pytest.param("CHF", ["USD 45.00"], 0.0, id="nothing shared"),
        pytest.param("", ["USD 45.00"], 0.0, id="empty"),
        pytest.param("CHF 45.00", ["USD 45.00", "CHF 45.00"], 1.0, id="the best of several"),
        # characters: 年 费 1 2 0 元 are 4 tokens (120 is one); 每 年 1 2 0 元 share 年 120 元
        pytest.param("年费120元", ["每年120元"], 3 / 4, id="Chinese by characters"),
        pytest.param("the the", ["a fee fee"], 0.0, id="only articles"),
        pytest.param("fee fee", ["fee"], 2 / 3, id="repeated words count once per match"),
    ],
)
def test_token_f1(answer: str, gold: list[str], expected: float) -> None:
    assert token_f1(answer, gold) == pytest.approx(expected)


def test_tokens_of_mixed_text() -> None:
    assert answer_tokens("SWIFT代码为ABCD，费用2%。") == ["swift", "代", "码", "为", "abcd", "费", "用", "2"]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("It is USD 45.00 a year", ["USD 45.00"], True),
        ("It is USD 145.00 a year", ["USD 45.00"], False),
        ("年费为每年120元", ["每年120元"], True),
        ("年费为每年1200元", ["每年120元"], False),
        ("anything", [], False),
        ("anything", ["..."], False),
    ],
)
def test_contains_answer(answer: str, gold: list[str], expected: bool) -> None:
    assert contains_answer(answer, gold) is expected
