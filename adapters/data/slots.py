"""Typed slots of a training passage: each draws one value, in one of the forms in which documents write it.

A slot is one line, ``KIND [ARGUMENTS]``:

    person | surname | place | company | bank          a name that occurs once in a passage
    choice red kite | grey heron | barn owl            one of the alternatives
    year 1850..1960        int 3..4000                 whole numbers (thousands get a separator)
    decimal 0.5..9.5       percent 0.5..12             one or two decimals
    money 20..90000        million 2..900              an amount in the passage's currency; a large amount in words
    date 1990..2026                                    a day, in one of the usual notations
    after SLOT 2..30                                   a year or whole number that much greater than another slot's
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Language = Literal["en", "zh"]

KINDS = ("person", "surname", "place", "company", "bank", "choice", "year", "int", "decimal", "percent", "money", "million", "date", "after")
_RANGE = re.compile(r"(?P<low>\d+(?:\.\d+)?)\.\.(?P<high>\d+(?:\.\d+)?)")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


@cache
def _names() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((files("adapters.data") / "names.yaml").read_text("utf8"))
    return loaded


@dataclass(frozen=True)
class Style:
    """The notations of one passage: a document writes its amounts, rates and dates in one way throughout."""

    currency: str
    money_form: int
    percent_word: str
    date_form: int

    @classmethod
    def draw(cls, language: Language, rng: random.Random) -> Style:
        return cls(
            currency=rng.choice(_names()[language]["currencies"]),
            money_form=rng.randrange(3),
            percent_word=rng.choice(["%", "%", "%", " per cent", " percent"]) if language == "en" else "%",
            date_form=rng.randrange(3),
        )


def draw_values(slots: Mapping[str, str], language: Language, rng: random.Random) -> dict[str, str]:
    """The text of every slot. No two slots of one passage get the same text.

    Raises:
        ValueError: a slot that is not written as the module says.
    """
    style = Style.draw(language, rng)
    numbers: dict[str, int] = {}
    values: dict[str, str] = {}
    for name, spec in slots.items():
        for _ in range(200):
            value = _draw(name, spec, language, style, numbers, rng)
            if value not in values.values():
                break
        else:
            raise ValueError(f"slot {name}: {spec!r} has too few different values")
        values[name] = value
    return values


def _draw(name: str, spec: str, language: Language, style: Style, numbers: dict[str, int], rng: random.Random) -> str:
    kind, _, rest = spec.partition(" ")
    pool = _names()[language]
    match kind:
        case "person" | "surname" | "place" | "company" | "bank":
            return _name(kind, pool, language, rng)
        case "choice":
            options = [option.strip() for option in rest.split("|")]
            if len(options) < 2 or not all(options):
                raise ValueError(f"slot {name}: a choice needs at least two alternatives separated by '|', got {rest!r}")
            return rng.choice(options)
        case "after":
            other, _, bounds = rest.partition(" ")
            if other not in numbers:
                raise ValueError(f"slot {name}: 'after {other}' needs a year or int slot {other!r} written above it")
            low, high = _bounds(name, bounds)
            numbers[name] = numbers[other] + rng.randint(int(low), int(high))
            return str(numbers[name]) if numbers[other] > 1000 and numbers[name] < 2100 else f"{numbers[name]:,}"
        case "year" | "int" | "decimal" | "percent" | "money" | "million" | "date":
            low, high = _bounds(name, rest)
            return _number(name, kind, low, high, language, style, numbers, rng)
        case _:
            raise ValueError(f"slot {name}: unknown kind {kind!r}; the kinds are {', '.join(KINDS)}")


def _bounds(name: str, text: str) -> tuple[float, float]:
    match = _RANGE.fullmatch(text.strip())
    if match is None or float(match["low"]) > float(match["high"]):
        raise ValueError(f"slot {name}: expected a range such as 3..40, got {text!r}")
    return float(match["low"]), float(match["high"])


def _name(kind: str, pool: Mapping[str, Any], language: Language, rng: random.Random) -> str:
    space = " " if language == "en" else ""
    match kind:
        case "person":
            first = rng.choice(pool["first_names"] if language == "en" else pool["surnames"])
            last = rng.choice(pool["surnames"] if language == "en" else pool["given_names"])
            return f"{first}{space}{last}"
        case "surname":
            return str(rng.choice(pool["surnames"]))
        case "place":
            return str(rng.choice(pool["place_starts"])) + str(rng.choice(pool["place_ends"]))
        case "company":
            return f"{rng.choice(pool['company_heads'])}{space}{rng.choice(pool['company_tails'])}"
        case _:
            start = str(rng.choice(pool["place_starts"])) + str(rng.choice(pool["place_ends"]))
            return f"{start}{space}{rng.choice(pool['bank_tails'])}"


def _number(name: str, kind: str, low: float, high: float, language: Language, style: Style, numbers: dict[str, int], rng: random.Random) -> str:
    match kind:
        case "year":
            numbers[name] = rng.randint(int(low), int(high))
            return str(numbers[name])
        case "int":
            numbers[name] = rng.randint(int(low), int(high))
            return f"{numbers[name]:,}"
        case "decimal":
            return f"{rng.uniform(low, high):.1f}"
        case "percent":
            digits = 2 if high <= 20 else rng.choice([0, 1])
            return f"{rng.uniform(low, high):.{digits}f}{style.percent_word}"
        case "money":
            return _money(_round_amount(rng.uniform(low, high), rng), language, style)
        case "million":
            return _million(rng.uniform(low, high), language, style)
        case _:
            return _date(rng.randint(int(low), int(high)), rng.randint(1, 12), rng.randint(1, 28), language, style)


def _round_amount(amount: float, rng: random.Random) -> float:
    """Bank-like amounts: cents below 100, round hundreds above 10,000."""
    if amount < 100:
        return round(amount * 2) / 2 if rng.random() < 0.7 else round(amount, 2)
    step = 5 if amount < 1000 else 50 if amount < 10_000 else 500
    return max(step, round(amount / step) * step)


def _money(amount: float, language: Language, style: Style) -> str:
    digits = f"{amount:,.2f}" if amount != int(amount) else f"{int(amount):,}"
    if language == "zh":
        if amount >= 10_000 and amount % 1000 == 0 and style.money_form != 0:
            return f"{amount / 10_000:g}万{style.currency}"
        return f"{digits}{style.currency}"
    symbol = _names()["en"]["symbols"].get(style.currency)
    if symbol and style.money_form == 0:
        return f"{symbol}{digits}"
    return f"{style.currency} {digits}"


def _million(amount: float, language: Language, style: Style) -> str:
    if language == "zh":
        return f"{amount / 100:.2f}亿{style.currency}" if amount >= 100 else f"{amount * 100:,.0f}万{style.currency}"
    symbol = _names()["en"]["symbols"].get(style.currency)
    return f"{symbol}{amount:.1f} million" if symbol and style.money_form < 2 else f"{style.currency} {amount:.1f} million"


def _date(year: int, month: int, day: int, language: Language, style: Style) -> str:
    if language == "zh":
        return f"{year}年{month}月{day}日" if style.date_form < 2 else f"{year}-{month:02d}-{day:02d}"
    name = _MONTHS[month - 1]
    return (f"{day} {name} {year}", f"{name} {day}, {year}", f"{day} {name} {year}")[style.date_form]
