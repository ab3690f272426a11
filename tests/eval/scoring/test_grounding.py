"""Numbers and words of answers, held against what they cite."""

from __future__ import annotations

import pytest

from eval.run.record import Checked
from eval.scoring.grounding import entity_grounding, kept, number_grounding, quote_grounding
from tests.eval.scoring.made import answer, cited, item, passage, refusal, said

_ZH = "月费为4.50元。年利率为2.75%，按日计息，按季结息。"
_PLACES = (passage(1), passage(2, text=_ZH))


@pytest.mark.parametrize(
    ("text", "citations", "expected"),
    [
        ("The fee is USD 4.50.", (1,), 1),
        ("It ends on 2027-07-01 and the rate is 275 bp.", (1,), 1),
        ("The fee is USD 4.50 and the rate 3%.", (1,), 1 / 2),
        ("年利率为百分之二点七五，月费3元。", (2,), 3 / 4),  # how often counts too: a year, a month
        ("The fee is USD 4.50.", (2,), 0),  # 4.50 yuan stand there
        ("The fee is USD 4.50.", (), 0),
        ("You asked about 12 cards.", (1,), 1),  # of the question
        ("There is a fee.", (1,), None),
        ("近12个月逾期次数4.50元\n评级：低", (2,), 1 / 2),  # the next line's first word is no unit
    ],
)
def test_numbers(text: str, citations: tuple[int, ...], expected: float | None) -> None:
    asked = item(question="What do 12 cards cost?")
    record = answer(text, retrieved=_PLACES, cited=tuple(map(cited, citations)))
    assert number_grounding(asked, record).value == expected


def test_what_was_said_before_counts_and_what_is_not_supported_is_named() -> None:
    asked = item(history=({"role": "user", "content": "I have 30 cards"},))
    scored = number_grounding(asked, answer("30 cards cost USD 9.", retrieved=_PLACES, cited=(cited(1),)))
    assert (scored.value, scored.detail) == (0.5, {"unsupported": ["USD 9"]})


def test_a_heading_is_part_of_what_is_cited() -> None:
    headed = passage(1).model_copy(update={"heading": "Fees > From 1 March 2026"})
    assert number_grounding(item(), answer("From 1 March 2026 it is USD 4.50", retrieved=(headed,), cited=(cited(1),))).value == 1
    assert number_grounding(item(), answer("From 1 March 2026 it is USD 4.50", retrieved=(passage(1),), cited=(cited(1),))).value == 1 / 2


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ((said("The rate is 2.75% a year", 1),), 1),
        ((said("The rate is 2.75% a year", 1), said("Nobody ever pays for anything here", 1)), 1 / 2),
        ((said("年利率为2.75%，按日计息", 2),), 1),
        ((said("本行不收任何费用也不付任何利息", 2),), 0),
        ((said("The rate is 2.75% a year", 2),), None),  # in another language than its passage
        ((said("The rate is 2.75% a year", failed=("citation",)),), 0),
        ((said("The rate is 2.75% a year", 1), said("Rating: low")), 1),
        # "the" is an article: ends on 1, on 1 july, 1 july 2027 stand there, july 2027 at and 2027 at midnight do not
        ((said("ends on 1 July 2027 at midnight", 1),), 1),
        ((said("USD 4.50", 1),), 1),  # shorter than a run
        ((), None),
    ],
)
def test_quotations(sentences: tuple[Checked, ...], expected: float | None) -> None:
    assert quote_grounding(item(), answer("it", retrieved=_PLACES, sentences=sentences)).value == expected


_NAMED = (
    passage(1, text="The Harbour Notice Account pays 2.75% a year. Kestrel Bank opens it in the branch."),
    passage(2, text="港湾通知账户的年利率为2.75%。").model_copy(update={"heading": "港湾银行利率"}),
)


@pytest.mark.parametrize(
    ("text", "citations", "expected"),
    [
        ("The Harbour Notice Account pays 2.75%.", (1,), 1),
        ("At Kestrel Bank a Harbour Notice Account pays more than a Linden Notice Account.", (1,), 2 / 3),  # Linden stands nowhere
        ("The Harbour Notice Account pays 2.75%.", (), 0),
        ("The Alder Savings Account pays nothing.", (1,), 1),  # of the question
        ("It pays 2.75% a year.", (1,), None),
        ("The Harbour Notice Account pays 2.75%.", (2,), None),  # in another language than its passage
        ("港湾通知账户的年利率为2.75%。", (2,), 1),
        ("海岸通知账户的年利率为2.75%。", (2,), 0),
    ],
)
def test_names(text: str, citations: tuple[int, ...], expected: float | None) -> None:
    asked = item(question="What does the Alder Savings Account pay?")
    record = answer(text, retrieved=_NAMED, cited=tuple(map(cited, citations)))
    value = entity_grounding(asked, record).value
    assert value == (None if expected is None else pytest.approx(expected))


def test_a_name_that_stands_nowhere_is_told() -> None:
    record = answer("The 海岸通知账户 is for those who want neither of both, nor the Linden Notice Account.", retrieved=_NAMED, cited=(cited(1),))
    assert entity_grounding(item(), record).detail == {"unknown": ["Linden Notice Account", "海岸通知账户"]}
    assert entity_grounding(item(), refusal()).reason == "refused"


def test_the_share_that_was_kept() -> None:
    assert kept(item(), answer("a b c", sentences=(said("a"), said("b"), said("c")), dropped=1)).value == 3 / 4
    assert kept(item(), answer("a", sentences=(said("a"),))).value == 1
    assert kept(item(), refusal("unsupported", dropped=3)).value == 0
    assert kept(item(), refusal("no_evidence")).value == 0
