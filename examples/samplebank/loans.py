"""Loan applications to the sample bank, each with the rating that the bank's own guide gives it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from examples.samplebank.facts import Facts, Language

RATINGS = ("low", "medium", "high")
_GUIDES: dict[Language, tuple[str, str]] = {"en": ("en.rg", "en-loan-rating-guide"), "zh": ("zh.rating", "zh-rating-guide")}
_TEXTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "Please rate this loan application: debt-to-income ratio {dti}%, loan-to-value ratio {ltv}%, {job} years in employment, {miss} missed payments in the last 12 months.",
        "What is the risk of a borrower with a loan-to-value ratio of {ltv}%, a debt-to-income ratio of {dti}%, {job} years in employment and {miss} missed payments in the last 12 months?",
    ),
    "zh": (
        "请为这笔贷款申请评级：负债收入比{dti}%，抵押率{ltv}%，现单位工作年限{job}年，近12个月逾期次数{miss}。",
        "申请人抵押率{ltv}%，负债收入比{dti}%，现单位工作年限{job}年，近12个月逾期次数{miss}，风险评级应是多少？",
    ),
}


@dataclass(frozen=True)
class Application:
    language: Language
    text: str
    rating: str
    document: str


def applications(facts: Facts, language: Language, count: int) -> Sequence[Application]:
    """So many applications, the same for the same facts, ratings in turn low, medium and high."""
    prefix, document = _GUIDES[language]
    limits = {
        name: int(facts.values[f"{prefix}.{name}"].number)
        for name in ("dti_low", "dti_mid", "ltv_low", "ltv_mid", "job_low", "job_mid", "miss_low", "miss_mid")
    }
    rng = random.Random(f"loans {facts.seed} {language}")
    found: list[Application] = []
    while len(found) < count:
        values = {
            "dti": rng.randint(limits["dti_low"] - 10, limits["dti_mid"] + 10),
            "ltv": rng.randint(limits["ltv_low"] - 10, limits["ltv_mid"] + 10),
            "job": rng.randint(0, limits["job_low"] + 5),
            "miss": rng.randint(0, limits["miss_mid"] + 2),
        }
        worst = max(
            _above(values["dti"], limits["dti_low"], limits["dti_mid"]),
            _above(values["ltv"], limits["ltv_low"], limits["ltv_mid"]),
            _above(values["miss"], limits["miss_low"], limits["miss_mid"]),
            0 if values["job"] >= limits["job_low"] else 1 if values["job"] >= limits["job_mid"] else 2,
        )
        if worst == len(found) % 3:
            found.append(Application(language, rng.choice(_TEXTS[language]).format(**values), RATINGS[worst], document))
    return found


def _above(value: int, low: int, middle: int) -> int:
    return 0 if value <= low else 1 if value <= middle else 2
