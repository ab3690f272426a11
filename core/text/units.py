"""The units of quantities: how English and Chinese texts name them, and which of them may stand for which."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: amounts whose currency the text leaves open: 元 is yuan or nothing certain, a bare $ some dollar
MONEY, DOLLARS = "money", "dollars"
#: a rate rises by percentage points; two points are not two per cent
POINTS = "points"
TIMES, ORDINAL, DISCOUNT = "times", "ordinal", "折"
#: stands before a period: ``every month`` is monthly
EVERY = "every "
#: stands before a unit that nobody knows, which is then compared to the letter: ``5k``, ``5台``
UNKNOWN = "?"

CODES = ("CHF", "EUR", "USD", "GBP", "SGD", "HKD", "CNY", "AUD", "CAD", "JPY", "NZD", "SEK", "NOK", "DKK", "ZAR", "INR", "AED")
_SIGNS = {"¥": "CNY", "€": "EUR", "£": "GBP", "$": DOLLARS, "us$": "USD", "hk$": "HKD", "s$": "SGD"}
_NAMES = {
    "us dollar": "USD", "hong kong dollar": "HKD", "singapore dollar": "SGD", "australian dollar": "AUD", "canadian dollar": "CAD", "dollar": DOLLARS,
    "euro": "EUR", "pound": "GBP", "swiss franc": "CHF", "franc": "CHF", "yen": "JPY", "yuan": "CNY", "renminbi": "CNY", "rmb": "CNY", "cent": "cent",
}  # fmt: skip
_HAN_NAMES = {
    "人民币元": "CNY", "人民币": "CNY", "美元": "USD", "港元": "HKD", "港币": "HKD", "欧元": "EUR", "英镑": "GBP", "日元": "JPY", "瑞士法郎": "CHF",
    "新加坡元": "SGD", "新元": "SGD", "澳元": "AUD", "加元": "CAD",
}  # fmt: skip
_OPEN_HAN = {"元": MONEY, "块": MONEY}
_CURRENCIES = _SIGNS | _NAMES | _HAN_NAMES | _OPEN_HAN | {code.lower(): code for code in CODES}
#: what an open unit may turn out to be
_FAMILIES = {MONEY: {"CNY"}, DOLLARS: {"USD", "HKD", "SGD", "AUD", "CAD", "NZD"}}

#: periods in one base unit each; business days are no calendar days
_PERIODS = {
    "second": ("second", 1), "sec": ("second", 1), "minute": ("minute", 1), "min": ("minute", 1), "hour": ("minute", 60), "hr": ("minute", 60),
    "h": ("minute", 60), "day": ("day", 1), "week": ("day", 7), "month": ("month", 1), "quarter": ("month", 3), "year": ("month", 12), "annum": ("month", 12),
    "business day": ("business day", 1), "working day": ("business day", 1), "banking day": ("business day", 1),
}  # fmt: skip
_HAN_PERIODS = {
    "秒": ("second", 1), "分钟": ("minute", 1), "小时": ("minute", 60), "天": ("day", 1), "日": ("day", 1), "自然日": ("day", 1), "日历日": ("day", 1), "周": ("day", 7),
    "星期": ("day", 7), "月": ("month", 1), "个月": ("month", 1), "季": ("month", 3), "季度": ("month", 3), "半年": ("month", 6), "年": ("month", 12),
    "工作日": ("business day", 1), "营业日": ("business day", 1),
}  # fmt: skip
#: scales in the name of a column: ``Limit (USD million)``, ``金额（万元）``
_SCALES = {
    "thousand": 1_000, "million": 1_000_000, "mn": 1_000_000, "billion": 1_000_000_000, "bn": 1_000_000_000,
    "百": 100, "千": 1_000, "万": 10_000, "百万": 1_000_000, "千万": 10_000_000, "亿": 100_000_000,
}  # fmt: skip


def any_of(words: Iterable[str]) -> str:
    """A pattern for one of the words, longer ones first."""
    return "|".join(re.escape(word).replace(r"\ ", r"[\s-]") for word in sorted(words, key=len, reverse=True))


#: the end of a Latin word or number; a ``\b`` would not see one before a Chinese character
END = "(?![A-Za-z0-9_])"
PREFIX = rf"(?:{any_of(CODES)}|RMB)(?![A-Za-z])|US\$|HK\$|S\$|[$€£¥]|{any_of(_HAN_NAMES)}"
SUFFIX = rf"(?:{any_of(CODES)}|(?:{any_of(_NAMES)})s?){END}|[$€£¥](?!\s?\d)|{any_of(_HAN_NAMES | _OPEN_HAN)}"
PERIOD = rf"(?:{any_of(_PERIODS)})"
#: behind a number, where 年利率, 日元 and 周年 are no periods; a month is 个月, 3月 is March
HAN_PERIOD = "(?:银行)?(?:工作日|营业日)|自然日|日历日|小时|分钟|星期|季度?|天|秒|日(?![元均期利])|周(?![年岁末])|(?<=个)月|(?<=个半)月|年(?![利化均度费])"

_CURRENCY_NAMED = re.compile(rf"(?<![A-Za-z])(?:{any_of(CODES)}|(?:{any_of(_NAMES)})s?)(?![A-Za-z])|{any_of(_SIGNS | _HAN_NAMES | _OPEN_HAN)}", re.IGNORECASE)
_PERIOD_NAMED = re.compile(rf"(?<![A-Za-z]){PERIOD}s?(?![A-Za-z])|{any_of(_HAN_PERIODS)}", re.IGNORECASE)
_SCALE_NAMED = re.compile(rf"(?<![A-Za-z])(?:thousand|million|mn|billion|bn)(?![A-Za-z])|[百千]?[百千万亿](?={any_of(_HAN_NAMES | _OPEN_HAN)})", re.IGNORECASE)


def currency(text: str) -> str:
    """The unit of a currency as it is written: ``US dollars``, ``CHF``, ``元``."""
    name = " ".join(re.split(r"[\s-]+", text.lower()))
    return _CURRENCIES.get(name) or _CURRENCIES[name.removesuffix("s")]


def period(text: str) -> tuple[str, int]:
    """The base unit of a period's name, and how many of it one is."""
    name = " ".join(re.split(r"[\s-]+", text.lower())).removeprefix("银行")
    return _HAN_PERIODS.get(name) or _PERIODS.get(name) or _PERIODS[name.removesuffix("s")]


def same(known: str, claim: str) -> bool:
    """Whether a source's unit says what a claim's does. Every 12 months is yearly, but what is yearly does not last a year."""
    return known == claim or known in _FAMILIES.get(claim, ()) or claim in _FAMILIES.get(known, ()) or claim == EVERY + known


def named(words: str) -> set[tuple[str, int]]:
    """The units that the name of a column or field gives the bare numbers under it, and the factor of each: ``Limit (USD million)``."""
    scale = _SCALE_NAMED.search(words)
    found = {(currency(match[0]), _SCALES[scale[0].lower()] if scale else 1) for match in _CURRENCY_NAMED.finditer(words)}
    if re.search(r"percentage\spoint|百分点", words, re.IGNORECASE):
        found.add((POINTS, 1))
    elif re.search(r"%|per\s?cent|百分", words, re.IGNORECASE):
        found.add(("%", 1))
    periods = {period(match[0]) for match in _PERIOD_NAMED.finditer(words)}
    # what is headed "days" may mean business days
    return found | periods | {("business day", 1) for unit, factor in periods if (unit, factor) == ("day", 1)}
