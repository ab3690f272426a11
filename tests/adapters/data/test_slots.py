"""Slots of training passages: what they draw, and how it is written."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.data.slots import KINDS, Language, Style, _date, _million, _money, draw_values
from core.text.numbers import Day, quantities

_SPECS = {
    "person": "person",
    "surname": "surname",
    "place": "place",
    "company": "company",
    "bank": "bank",
    "bird": "choice red kite | grey heron | barn owl",
    "born": "year 1850..1960",
    "died": "after born 20..40",
    "count": "int 3..4000",
    "more": "after count 1..10",
    "length": "decimal 0.5..9.5",
    "rate": "percent 0.5..12",
    "share": "percent 25..90",
    "fee": "money 20..90000",
    "turnover": "million 2..900",
    "day": "date 1990..2026",
}


def test_every_kind_is_tried_here() -> None:
    assert {spec.split()[0] for spec in _SPECS.values()} == set(KINDS)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.sampled_from(["en", "zh"]))
def test_values_keep_their_ranges_and_differ(seed: int, language: Language) -> None:
    values = draw_values(_SPECS, language, random.Random(seed))
    assert values.keys() == _SPECS.keys()
    assert len(set(values.values())) == len(values)
    assert values["bird"] in ("red kite", "grey heron", "barn owl")
    assert 1850 <= int(values["born"]) <= 1960
    assert 20 <= int(values["died"]) - int(values["born"]) <= 40
    count = int(values["count"].replace(",", ""))
    assert 3 <= count <= 4000
    assert values["count"] == f"{count:,}"
    assert 1 <= int(values["more"].replace(",", "")) - count <= 10
    assert re.fullmatch(r"\d\.\d", values["length"])
    assert 0.5 <= float(values["length"]) <= 9.5
    for name, least, most in (("rate", 0.5, 12), ("share", 25, 90)):
        (quantity,) = quantities(values[name])
        assert quantity.unit == "%"
        assert least <= quantity.value <= most  # type: ignore[operator]  # a Decimal, as its unit says
    (day,) = quantities(values["day"])
    assert isinstance(day.value, Day)
    assert 1990 <= (day.value.year or 0) <= 2026


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.sampled_from(["en", "zh"]), st.sampled_from([(20, 95), (120, 900), (2000, 9000), (20_000, 90_000)]))
def test_amounts_keep_their_range_in_every_notation(seed: int, language: Language, bounds: tuple[int, int]) -> None:
    values = draw_values({"fee": f"money {bounds[0]}..{bounds[1]}", "sum": f"million {bounds[0]}..{bounds[1]}"}, language, random.Random(seed))
    fee = [quantity.value for quantity in quantities(values["fee"])]
    total = [quantity.value for quantity in quantities(values["sum"])]
    assert len(fee) == len(total) == 1
    assert bounds[0] <= fee[0] <= bounds[1]  # type: ignore[operator]  # a Decimal, as an amount is
    assert bounds[0] * 10**6 <= total[0] <= bounds[1] * 10**6  # type: ignore[operator]  # a Decimal, as an amount is


def test_the_same_seed_draws_the_same_values_and_another_seed_others() -> None:
    first, again, other = (draw_values(_SPECS, "zh", random.Random(seed)) for seed in (1, 1, 2))
    assert first == again
    assert sum(first[name] == other[name] for name in _SPECS) <= 4


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("colour", "slot x: unknown kind 'colour'; the kinds are person, "),
        ("", "slot x: unknown kind ''"),
        ("choice red", "slot x: a choice needs at least two alternatives separated by '|', got 'red'"),
        ("choice 红 | ", "slot x: a choice needs at least two alternatives"),
        ("int 5", "slot x: expected a range such as 3..40, got '5'"),
        ("money 9..5", "slot x: expected a range such as 3..40, got '9..5'"),
        ("percent -1..5", "slot x: expected a range"),
        ("after y 1..2", "slot x: 'after y' needs a year or int slot 'y' written above it"),
    ],
    ids=["unknown", "empty", "one choice", "empty choice", "no range", "backwards", "negative", "after nothing"],
)
def test_a_slot_that_is_not_understood_is_named(spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        draw_values({"x": spec}, "en", random.Random(1))


def test_slots_that_cannot_differ_are_refused() -> None:
    two = {"a": "choice red | blue", "b": "choice red | blue"}
    assert set(draw_values(two, "en", random.Random(1)).values()) == {"red", "blue"}
    with pytest.raises(ValueError, match=r"slot c: 'choice red \| blue' has too few different values"):
        draw_values({**two, "c": "choice red | blue"}, "en", random.Random(1))


def _style(money_form: int = 0, date_form: int = 0, currency: str = "EUR") -> Style:
    return Style(currency, money_form, "%", date_form)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_money(12.5, "en", _style(1)), "EUR 12.50"),
        (_money(12500, "en", _style(0)), "€12,500"),
        (_money(12000, "zh", _style(1, currency="元")), "1.2万元"),
        (_money(12000, "zh", _style(0, currency="元")), "12,000元"),
        (_money(12500, "zh", _style(1, currency="元")), "12,500元"),
        (_million(2.5, "en", _style(2)), "EUR 2.5 million"),
        (_million(2.5, "en", _style(0)), "€2.5 million"),
        (_million(2.5, "zh", _style(currency="元")), "250万元"),
        (_million(250, "zh", _style(currency="元")), "2.50亿元"),
        (_date(2026, 7, 1, "en", _style()), "1 July 2026"),
        (_date(2026, 7, 1, "en", _style(date_form=1)), "July 1, 2026"),
        (_date(2026, 7, 1, "zh", _style()), "2026年7月1日"),
        (_date(2026, 7, 1, "zh", _style(date_form=2)), "2026-07-01"),
    ],
)
def test_notations(text: str, expected: str) -> None:
    assert text == expected


def test_a_passage_keeps_one_notation_throughout() -> None:
    slots = {f"d{number}": "date 1990..2020" for number in range(4)} | {f"r{number}": "percent 1..9" for number in range(4)}
    for seed in range(30):
        values = draw_values(slots, "en", random.Random(seed))
        assert len({bool(re.match(r"\d", value)) for name, value in values.items() if name[0] == "d"}) == 1
        assert len({value.lstrip("0123456789.") for name, value in values.items() if name[0] == "r"}) == 1
