"""The facts of a fictional bank: drawn by seed, written as documents write them."""

from __future__ import annotations

import random
import re
from datetime import date
from decimal import Decimal

import pytest

from examples.samplebank import facts
from examples.samplebank.facts import CURRENCIES, Fact, Facts, Language


def _specs(monkeypatch: pytest.MonkeyPatch, specs: dict[str, str]) -> None:
    monkeypatch.setattr(facts, "_specs", lambda: specs)


@pytest.mark.parametrize(
    ("fact", "english", "chinese"),
    [
        (Fact("money", Decimal("4")), "CHF 4.00", "4.00瑞士法郎"),
        (Fact("money", Decimal("0.5")), "CHF 0.50", "0.50瑞士法郎"),
        (Fact("money", Decimal("100")), "CHF 100", "100瑞士法郎"),
        (Fact("money", Decimal("1234.5")), "CHF 1,234.50", "1,234.50瑞士法郎"),
        (Fact("money", Decimal("9000")), "CHF 9,000", "9,000瑞士法郎"),
        (Fact("money", Decimal("15000")), "CHF 15,000", "1.5万瑞士法郎"),
        (Fact("money", Decimal("12500")), "CHF 12,500", "12,500瑞士法郎"),
        (Fact("money", Decimal("2000000")), "CHF 2,000,000", "200万瑞士法郎"),
        (Fact("percent", Decimal("2.5"), 2), "2.50%", "2.50%"),
        (Fact("percent", Decimal("30"), 0), "30%", "30%"),
        (Fact("int", Decimal("12500")), "12,500", "12,500"),
        (Fact("day", day=date(2026, 7, 1)), "1 July 2026", "2026年7月1日"),
        (Fact("name", names=("Alder Bank", "安德银行")), "Alder Bank", "安德银行"),
        (Fact("phone", names=("+41 22 345 6789", "+41 22 345 6789")), "+41 22 345 6789", "+41 22 345 6789"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_how_a_fact_is_written(fact: Fact, english: str, chinese: str) -> None:
    bank = Facts(1, "CHF", {"a.fact": fact})
    assert (bank.text("a.fact", "en"), bank.text("a.fact", "zh")) == (english, chinese)
    assert bank.fill("before {a.fact}, {not a fact} after", "en") == f"before {english}, {{not a fact}} after"
    assert bank.fill("前{a.fact}后", "zh") == f"前{chinese}后"


def test_plain_leaves_unit_and_currency_out() -> None:
    bank = Facts(1, "EUR", {"a.fee": Fact("money", Decimal("15000")), "a.rate": Fact("percent", Decimal("2.75"), 2)})
    assert bank.fill("{a.fee:plain} {a.rate:plain}", "zh") == "15,000 2.75"


def test_an_unknown_fact_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown fact 'a\.fea'"):
        Facts(1, "EUR", {}).fill("{a.fea}", "en")


def test_the_same_seed_gives_the_same_bank_and_another_seed_another_one() -> None:
    banks = {seed: Facts.draw(seed) for seed in (1, 2, 3)}
    assert Facts.draw(1) == banks[1]
    for other in (2, 3):
        same = [key for key, fact in banks[1].values.items() if fact == banks[other].values[key]]
        assert len(same) < 0.2 * len(banks[1].values)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_facts_of_one_document_differ(seed: int) -> None:
    bank = Facts.draw(seed)
    assert bank.currency in CURRENCIES
    values = [(key.rpartition(".")[0], fact.kind, fact.value) for key, fact in bank.values.items()]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_fact_keeps_its_range(seed: int) -> None:
    bank = Facts.draw(seed)
    for key, spec in facts._specs().items():
        fact = bank.values[key]
        kind, _, rest = spec.partition(" ")
        if kind in ("above", "below"):
            other, _, rest = rest.partition(" ")
            sign = 1 if kind == "above" else -1
            assert fact.kind == bank.values[other].kind
            value = sign * (fact.number - bank.values[other].number)
        else:
            assert fact.kind == kind
            value = fact.number
        if match := re.fullmatch(r"([\d.]+)\.\.([\d.]+)(?: step ([\d.]+))?", rest):
            low, high, step = (Decimal(part or "1") for part in match.groups())
            assert low <= value <= high, key
            assert (value - low) % step == 0, key
            assert fact.number >= 0, key
        elif kind == "name":
            english, chinese = fact.names
            assert f"{english} / {chinese}" in [re.sub(r"\s*/\s*", " / ", name.strip()) for name in rest.split("|")], key
        elif kind == "day":
            assert fact.day.day == 1
            assert rest[:7] <= fact.day.isoformat()[:7] <= rest[9:], key


def test_values_run_out_in_the_whole_bank_before_they_do_in_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    _specs(monkeypatch, {f"{document}.f{number}": "int 1..5" for document in ("a", "b") for number in range(5)})
    bank = Facts.draw(1)
    for document in ("a", "b"):
        assert sorted(int(bank.values[f"{document}.f{number}"].number) for number in range(5)) == [1, 2, 3, 4, 5]


def test_a_new_fact_does_not_change_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"a.fee": "money 2..900 step 0.5", "a.rate": "percent 0..9 step 0.01", "a.name": "name Alder / 安德 | Kestrel / 隼湾"}
    _specs(monkeypatch, old)
    before = Facts.draw(7)
    _specs(monkeypatch, {"new.days": "int 1..90", **old})
    after = Facts.draw(7)
    assert {key: after.values[key] for key in old} == before.values


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("money 2-9", "expected a range such as 2..9 step 0.5, got '2-9'"),
        ("int", "expected a range"),
        ("percent 1..2 step", "expected a range"),
        ("name Alder Bank", "a name needs 'English / Chinese'"),
        ("name Alder / ", "a name needs 'English / Chinese'"),
        ("above a.later 1..2", "'a.later' must be declared above it"),
        ("day 2026..2027", "expected months such as 2026-01..2026-09"),
        ("colour red", "unknown kind 'colour'"),
    ],
    ids=lambda value: value if " " in value else None,
)
def test_a_spec_that_is_not_understood_is_named(monkeypatch: pytest.MonkeyPatch, spec: str, says: str) -> None:
    _specs(monkeypatch, {"a.fact": spec})
    with pytest.raises(ValueError, match=f"fact a.fact: .*{re.escape(says)}"):
        Facts.draw(1)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_committed_fact_can_be_written(language: Language) -> None:
    bank = Facts.draw(random.Random("any").randrange(1000))
    assert all(bank.text(key, language).strip() for key in bank.values)
