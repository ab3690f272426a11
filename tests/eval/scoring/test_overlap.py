"""Shared words and characters, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.scoring.overlap import bleu, chrf, common_subsequence, exact, rouge_l

_TEXTS = st.text(st.sampled_from("ab c年费%1"), max_size=12)


@pytest.mark.parametrize(
    ("text", "accepted", "expected"),
    [
        ("The USD 45!", ["usd 45"], True),
        ("年费120元。", ["年费120元"], True),
        ("年费120元", ["年费1200元", "年费120元"], True),
        ("USD 45 a year", ["usd 45"], False),
        ("", ["usd 45"], False),
        ("...", ["!"], False),
        ("usd 45", [], False),
    ],
)
def test_exact_match(text: str, accepted: list[str], expected: bool) -> None:
    assert exact(text, accepted) is expected


@pytest.mark.parametrize(
    ("text", "accepted", "expected"),
    [
        # "police kill gunman" against "police killed gunman": 2 of 3 in order, on both sides (Lin's example)
        pytest.param("police kill gunman", ["police killed gunman"], 2 / 3, id="Lin's example"),
        # in another order only two of four tokens follow each other
        pytest.param("gunman kill police now", ["police kill gunman now"], 1 / 2, id="order counts"),
        # 年 费 为 120 元 (5) against 每 年 120 元 (4): 年 120 元 are shared
        pytest.param("年费为120元", ["每年120元"], 6 / 9, id="Chinese by characters"),
        pytest.param("nothing", ["shared here", "at all"], 0.0, id="nothing"),
        pytest.param("", [""], 0.0, id="empty"),
    ],
)
def test_rouge_l(text: str, accepted: list[str], expected: float) -> None:
    assert rouge_l(text, accepted) == pytest.approx(expected)


def test_chrf() -> None:
    # ab against ac: of one character half is shared, of two none, longer runs there are not: both means are 1/4
    assert chrf("ab", ["ac"]) == pytest.approx(1 / 4)
    # abc against ab: characters 2/3 and 2/2, pairs 1/2 and 1/1, and no triple on one side: P 7/12, R 1, F2 = 5 PR / (4P + R)
    assert chrf("a bc", ["ab"]) == pytest.approx(5 * 7 / 12 / (4 * 7 / 12 + 1))
    assert chrf("年费", ["年费"]) == 1.0
    assert chrf("", ["年费"]) == 0.0


@pytest.mark.parametrize(
    ("text", "accepted", "expected"),
    [
        # of words 4 of 5, of pairs 2 of 4, of triples 1 of 3 are shared; of fours none of 2, which counts as 1 of 2 * 2
        pytest.param("the fee is 4 dollars", ["the fee is 5 dollars"], (4 / 5 * 2 / 4 * 1 / 3 * 1 / 4) ** (1 / 4), id="by hand"),
        # 年 费 为 120 元 against 年 费 120 元: 4 of 5, 2 of 4, none of 3 (1 of 2 * 3), none of 2 (1 of 4 * 2)
        pytest.param("年费为120元", ["年费120元"], (4 / 5 * 2 / 4 * 1 / 6 * 1 / 8) ** (1 / 4), id="Chinese by characters"),
        # two words of four: pairs and longer runs are left out behind what it has, and it is half as long
        pytest.param("the fee", ["the fee is nothing"], math.exp(1 - 4 / 2), id="too short"),
        pytest.param("the fee", ["a rate", "the fee"], 1.0, id="all accepted ones together"),
        pytest.param("nothing", ["shared here"], 0.0, id="nothing shared"),
        pytest.param("", ["it"], 0.0, id="empty"),
        pytest.param("it", [], 0.0, id="nothing accepted"),
    ],
)
def test_bleu(text: str, accepted: list[str], expected: float) -> None:
    assert bleu(text, accepted) == pytest.approx(expected)


@given(_TEXTS, _TEXTS)
def test_the_longest_common_subsequence_is_that_of_the_table(first: str, second: str) -> None:
    row = [0] * (len(second) + 1)
    for letter in first:
        above = row
        row = [0]
        for place, other in enumerate(second):
            row.append(above[place] + 1 if letter == other else max(row[place], above[place + 1]))
    assert common_subsequence(first, second) == row[-1] == common_subsequence(second, first)


@given(_TEXTS, st.lists(_TEXTS, max_size=3))
def test_bounds(text: str, accepted: list[str]) -> None:
    for measure in (rouge_l, chrf, bleu):
        assert 0 <= measure(text, accepted) <= 1
        assert measure(text, accepted) == pytest.approx(measure(text, accepted[::-1]))
    if exact(text, accepted):
        assert rouge_l(text, accepted) == 1.0
