"""The facts of one fictional bank: names, fees, rates, periods and dates, drawn by seed from ``facts/*.yaml``.

A line of such a file is ``key: KIND ARGUMENTS``:

    name Alder Bank / 安德银行 | Kestrel Bank / 隼湾银行      a name or phrase, English / Chinese
    money 2..9 step 0.5         percent 0.4..3 step 0.05     int 5..30 [step 5]
    day 2026-01..2026-09                                     the first day of a month
    phone
    above KEY 20..60 step 5     below KEY 0.1..0.4 step 0.05     of the kind of KEY, and so much more or less

Facts of one kind have different values as long as their ranges allow it, within one document before all others, so that
an answer taken from the wrong row or the wrong version is wrong.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

Language = Literal["en", "zh"]

CURRENCIES = {"SGD": "新加坡元", "HKD": "港元", "USD": "美元", "EUR": "欧元", "CHF": "瑞士法郎"}
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_.]*)(?::(plain))?\}")
_STEPPED = re.compile(r"(?P<low>\d+(?:\.\d+)?)\.\.(?P<high>\d+(?:\.\d+)?)(?: step (?P<step>\d+(?:\.\d+)?))?")
_MONTHS = re.compile(r"(\d{4})-(\d{2})\.\.(\d{4})-(\d{2})")
_MONTH_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


@dataclass(frozen=True)
class Fact:
    """One value. ``number`` is set for amounts, rates and counts, ``day`` for dates, ``names`` for words."""

    kind: Literal["name", "money", "percent", "int", "day", "phone"]
    number: Decimal = Decimal(0)
    digits: int = 0
    day: date = date.min
    names: tuple[str, str] = ("", "")

    @property
    def value(self) -> object:
        return self.names if self.kind in ("name", "phone") else self.day if self.kind == "day" else self.number


@dataclass(frozen=True)
class Facts:
    seed: int
    currency: str
    values: Mapping[str, Fact]

    @classmethod
    def draw(cls, seed: int) -> Facts:
        """The facts of the bank with this seed: the same seed gives the same bank on every machine."""
        currency = random.Random(f"samplebank {seed} currency").choice(list(CURRENCIES))
        values: dict[str, Fact] = {}
        taken: set[tuple[str, object]] = set()
        near: dict[str, set[tuple[str, object]]] = defaultdict(set)
        for key, spec in _specs().items():
            rng = random.Random(f"samplebank {seed} {key}")  # its own, so that a new fact does not change the others
            document = key.rpartition(".")[0]
            fact = second = _draw(key, spec, values, rng)
            for _ in range(60):
                if (fact.kind, fact.value) not in taken:
                    break
                if (fact.kind, fact.value) not in near[document]:
                    second = fact
                fact = _draw(key, spec, values, rng)
            else:
                fact = second
            taken.add((fact.kind, fact.value))
            near[document].add((fact.kind, fact.value))
            values[key] = fact
        return cls(seed, currency, values)

    def text(self, key: str, language: Language, *, plain: bool = False) -> str:
        """How documents of a language write the fact; ``plain`` leaves unit and currency out."""
        if key not in self.values:
            raise ValueError(f"unknown fact {key!r}")
        fact = self.values[key]
        match fact.kind:
            case "name" | "phone":
                return fact.names[0 if language == "en" else 1]
            case "day":
                day = fact.day
                return f"{day.day} {_MONTH_NAMES[day.month - 1]} {day.year}" if language == "en" else f"{day.year}年{day.month}月{day.day}日"
            case "percent":
                return f"{fact.number:.{fact.digits}f}" + ("" if plain else "%")
            case "int":
                return f"{int(fact.number):,}"
            case "money":
                return self._money(fact.number, language, plain)

    def fill(self, text: str, language: Language) -> str:
        """The text with every ``{key}`` and ``{key:plain}`` replaced."""
        return _PLACEHOLDER.sub(lambda match: self.text(match[1], language, plain=match[2] == "plain"), text)

    def _money(self, amount: Decimal, language: Language, plain: bool) -> str:
        digits = f"{amount:,.0f}" if amount == int(amount) and amount >= 100 else f"{amount:,.2f}"
        if plain:
            return digits
        if language == "en":
            return f"{self.currency} {digits}"
        if amount >= 10_000 and amount % 1000 == 0:
            return f"{(amount / 10_000).normalize():f}万{CURRENCIES[self.currency]}"
        return digits + CURRENCIES[self.currency]


@cache
def _specs() -> Mapping[str, str]:
    specs: dict[str, str] = {}
    folder = files("examples.samplebank") / "facts"
    for path in sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name):
        for key, spec in (yaml.safe_load(path.read_text("utf8")) or {}).items():
            if key in specs:
                raise ValueError(f"{path.name}: fact {key!r} is declared twice")
            specs[key] = str(spec)
    return specs


def _draw(key: str, spec: str, values: Mapping[str, Fact], rng: random.Random) -> Fact:
    kind, _, rest = spec.partition(" ")
    match kind:
        case "name":
            english, _, chinese = rng.choice(rest.split("|")).partition("/")
            if not english.strip() or not chinese.strip():
                raise ValueError(f"fact {key}: a name needs 'English / Chinese', got {rest!r}")
            return Fact("name", names=(english.strip(), chinese.strip()))
        case "phone":
            number = f"+{rng.choice([41, 44, 65, 852])} {rng.randint(20, 99)} {rng.randint(200, 999)} {rng.randint(1000, 9999)}"
            return Fact("phone", names=(number, number))
        case "money" | "percent" | "int":
            value, digits = _stepped(key, rest, rng)
            return Fact(kind, value, digits)
        case "above" | "below":
            other, _, bounds = rest.partition(" ")
            if other not in values:
                raise ValueError(f"fact {key}: {other!r} must be declared above it")
            change, digits = _stepped(key, bounds, rng)
            base = values[other]
            value = base.number + change if kind == "above" else base.number - change
            return Fact(base.kind, value, max(digits, base.digits))
        case "day":
            months = _MONTHS.fullmatch(rest)
            if months is None:
                raise ValueError(f"fact {key}: expected months such as 2026-01..2026-09, got {rest!r}")
            first, last = (int(months[1]) * 12 + int(months[2]) - 1, int(months[3]) * 12 + int(months[4]) - 1)
            month = rng.randint(first, last)
            return Fact("day", day=date(month // 12, month % 12 + 1, 1))
        case _:
            raise ValueError(f"fact {key}: unknown kind {kind!r}")


def _stepped(key: str, text: str, rng: random.Random) -> tuple[Decimal, int]:
    match = _STEPPED.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"fact {key}: expected a range such as 2..9 step 0.5, got {text!r}")
    low, high, step = Decimal(match["low"]), Decimal(match["high"]), Decimal(match["step"] or "1")
    number = low + step * rng.randint(0, int((high - low) / step))
    exponent = step.as_tuple().exponent
    return number, max(0, -exponent) if isinstance(exponent, int) else 0
