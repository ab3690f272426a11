"""Is the figure of an answer of the kind that the question asks for?

"How long does a transfer take?" is not answered by 10:30, nor "for how many years?" by 2.85%, "how old?" by 15 working days. Only questions whose words leave no doubt are judged, and
only figures that are plainly of another kind fail: a bare number may be anything.
"""

from __future__ import annotations

import re
from enum import StrEnum

from core.text import units
from core.text.numbers import Quantity, quantities, without_quantities
from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.types import Check

NAME = "kind"
RIGHT = "of the kind that the question asks for"


class Kind(StrEnum):
    """What a figure says."""

    AMOUNT = "an amount"
    RATE = "a rate"
    PERIOD = "a period"
    DAYS = "a number of days or less"
    CLOCK = "a time of day"
    DATE = "a date"


_NEAR = r".{0,120}"  # bounded, so that no long question keeps the search busy
_NOUN = r"(?:[\w'-]+\s){0,3}?"
_HEAD = r"\bwhat(?:'s|\s(?:is|are|was|were))\s(?:the\s|your\s|its\s)?" + _NOUN
_PERSON = r"(?:do|does|must|need|should|may|can|is|are)\s(?:I|you|we|one|he|she|they|a|my|your)\b"
_CURRENCIES = r"新加坡元|美元|港元|欧元|瑞士法郎|英镑|人民币|元"
#: questions of one kind, and the kinds of figure that cannot answer them
_ASKED: tuple[tuple[re.Pattern[str], frozenset[Kind]], ...] = (
    (
        re.compile(
            rf"\bhow (?:long|often|quickly|soon|old(?!\s{_PERSON})|much (?:time|notice))\b|\b(?:for|within) (?:what|which) (?:period|time)\b|\b(?:how many|number of)\s(?:\w+\s)?(?:seconds|minutes|hours|days|weeks|months|years)\b"
            r"|多久|多长|(?:几|多少)个?(?:年|月|天|周|星期|小时|分钟|工作日|营业日|自然日|日(?=之?内))|(?:时限|年限|期限)(?:是|为)?多少",
            re.IGNORECASE,
        ),
        frozenset({Kind.AMOUNT, Kind.RATE, Kind.CLOCK}),
    ),
    (
        re.compile(
            rf"\bwhat\s(?:does|do|did|will|would)\b{_NEAR}\b(?:cost|charge)\b|\b(?:what|which)\s(?:sum|amount)\b|\bhow much\sof\smy\smoney\b|\bhow much\s(?:does|do|did|is|are|will|would)\b{_NEAR}\b(?:cost|charged?|pay|fee)\b"
            rf"|{_HEAD}(?:fee|charge|price|cost|rent|premium)s?\b(?!\s(?:waiver|period|date|schedule|free))"
            rf"|多少钱|(?:费用?|租金|价格)(?:是|为)?多少(?!{_CURRENCIES})|(?:如何|怎么|怎样)收费|收多少|多少金额|金额(?:上限)?(?:是|为)?多少",
            re.IGNORECASE,
        ),
        frozenset({Kind.PERIOD, Kind.CLOCK, Kind.DATE}),
    ),
    (  # in money
        re.compile(
            r"(?i:\bprice per\b|\b(?:fee|cost|charge|price|sum|amount)\b.{0,40}\bin (?:dollars|euros|francs|pounds)\b|\b(?:how much|what) do I owe\b)"
            r"|\b(?:fee|cost|charge|price|sum|amount)\b.{0,40}\bin [A-Z]{3}\b"
            rf"|(?:存|转|取|汇)(?:进去|出去|出|入|进|走)?多少(?![个天年月次笔人名位岁种])|多少(?:{_CURRENCIES})"
        ),
        frozenset({Kind.RATE, Kind.PERIOD, Kind.CLOCK, Kind.DATE}),
    ),
    (
        re.compile(
            rf"(?!{_NEAR}\bexchange\b)(?:{_HEAD}|\b(?:what|which)\s{_NOUN})rates?\b|\bhow much interest\b|(?:利率|比例)(?:是|为)?多少|多少利率|百分之几",
            re.IGNORECASE,
        ),
        frozenset({Kind.AMOUNT, Kind.PERIOD, Kind.CLOCK, Kind.DATE}),
    ),
    (  # an age
        re.compile(
            rf"\bhow old\s{_PERSON}|\b(?:from|at|until|by|up to) (?:what|which) age\b|\b(?:what|which) birthday\b|几岁|多少岁|多大(?:年龄|岁数|年纪)",
            re.IGNORECASE,
        ),
        frozenset({Kind.AMOUNT, Kind.RATE, Kind.DAYS, Kind.CLOCK}),
    ),
    (  # a count
        re.compile(
            r"\bhow many\s(?:\w+\s)?(?:times|attempts|people|persons|guests|members|cards|copies|payslips)\b|(?:几|多少)(?:次|名|位|人(?!民)|张|笔)",
            re.IGNORECASE,
        ),
        frozenset({Kind.AMOUNT, Kind.RATE, Kind.PERIOD, Kind.CLOCK, Kind.DATE}),
    ),
    (
        re.compile(r"^(?:and\s|by\s|until\s|from\s|since\s)?when\b|\bwhat time\b|几点|什么时候|何时|什么时间|哪一?天", re.IGNORECASE),
        frozenset({Kind.AMOUNT, Kind.RATE}),
    ),
)
#: words beside the figures from which on a text says more than them: "orders by 10:30 leave on the same day" tells how long
_SAYS_MORE = 4


def check(text: str, question: str) -> Check:
    """Passes a text that holds no figure, or says more than figures; one of the kind asked for, or that may be of any; and all where the question leaves it open."""
    found = bare_figures(text)
    if not found:
        return Check(NAME, True, "more than a figure" if quantities(text) else "no figure")
    wrong = barred(question)
    if not wrong:
        return Check(NAME, True, "the question leaves the kind of figure open")
    if all(_kinds(one) & wrong for one in found):
        return Check(NAME, False, f"{kind(found[0])}, which does not answer this question")
    return Check(NAME, True, RIGHT)


def bare_figures(text: str) -> list[Quantity]:
    """The figures of a text that says nothing else, "2.2% of the loan amount"; none of one that says more."""
    others = [token for token in index_tokens(without_quantities(text)) if token not in STOP_WORDS]
    return quantities(text) if len(others) < _SAYS_MORE else []


def barred(question: str) -> frozenset[Kind]:
    """The kinds of figure that cannot answer a question; none where its words leave that open."""
    found = [kinds for pattern, kinds in _ASKED if pattern.search(question)]
    return frozenset.intersection(*found) if found else frozenset()


def _kinds(quantity: Quantity) -> frozenset[Kind]:
    found = kind(quantity)
    short = found is Kind.PERIOD and quantity.unit.removeprefix(units.EVERY) != "month"  # nor years, which are months too
    return frozenset() if found is None else frozenset({found, Kind.DAYS}) if short else frozenset({found})


def kind(quantity: Quantity) -> Kind | None:
    """What a figure says; None for what may be of any kind."""
    unit = quantity.unit.removeprefix(units.EVERY)
    if unit in ("%", units.POINTS):
        return Kind.RATE
    if unit in ("second", "minute", "day", "business day", "month"):
        return Kind.PERIOD
    if unit == "time":
        return Kind.CLOCK
    if unit == "date":
        return Kind.DATE
    return Kind.AMOUNT if unit in (*units.CODES, units.MONEY, units.DOLLARS, "cent") else None
