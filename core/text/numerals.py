"""Numbers spelled out in English and Chinese: ``twenty-one``, ``三万五``, ``伍佰``."""

from __future__ import annotations

import re
from decimal import Decimal

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_EN_WORDS = {word: value for value, word in enumerate(_ONES)}
_EN_TENS = {word: 10 * value for value, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)}
EN_SCALES = {
    "hundred": 100, "thousand": 1_000, "million": 1_000_000, "mn": 1_000_000, "billion": 1_000_000_000, "bn": 1_000_000_000,
    "trillion": 1_000_000_000_000, "tn": 1_000_000_000_000, "dozen": 12, "lakh": 100_000, "crore": 10_000_000,
}  # fmt: skip
_EN_ORDINALS = {
    word: value
    for value, word in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"], start=1
    )
}
_EN_PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10}
_ZH_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_ZH_STEPS = {"十": 10, "百": 100, "千": 1_000}
_ZH_SCALES = {"万": 10_000, "亿": 100_000_000}

EN_NUMBER = rf"(?:{'|'.join(_EN_TENS)})(?:[- ](?:{'|'.join(_ONES[1:10])}))?|{'|'.join(sorted(_ONES, key=len, reverse=True))}"
EN_SCALE = "hundred|thousand|million|billion|trillion|dozen|lakh|crore"
EN_ORDINAL = "|".join(_EN_ORDINALS)
EN_PART = "|".join(_EN_PARTS)
#: 万一 means 'in case', and （万元） names a column
ZH_NUMBER = "(?!万一|(?<=[（(])[百千万亿]{1,2}[^）)]{0,4}[）)])[零〇一二两三四五六七八九十百千万亿]{1,24}(?:点[零〇一二三四五六七八九]{1,24})?"

#: numerals that cannot be altered, as cheques and contracts write them; alone, most of them are parts of other words
_FORMAL = re.compile("[零壹贰叁肆伍陆柒捌玖拾佰仟万亿萬億]{2,}|[壹贰叁肆伍陆柒捌玖拾](?=[元圆])|圆")
_EVERYDAY = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟萬億圆", "一二三四五六七八九十百千万亿元")


def everyday(text: str) -> str:
    """The text with formal numerals written in everyday ones, of the same length."""
    return _FORMAL.sub(lambda match: match[0].translate(_EVERYDAY), text)


def english(text: str) -> int:
    """The value of ``EN_NUMBER``, or of an article before a scale: a hundred."""
    tens, _, ones = text.lower().replace("-", " ").partition(" ")
    return 1 if tens in ("a", "an") else _EN_TENS.get(tens, _EN_WORDS.get(tens, 0)) + _EN_WORDS.get(ones, 0)


def ordinal(text: str) -> int:
    return _EN_ORDINALS[text.lower()]


def part(text: str) -> int:
    """The denominator of ``thirds``."""
    return _EN_PARTS[text.lower()]


def scaled(value: Decimal, scale: str) -> Decimal:
    """The value times a Chinese scale such as 百万."""
    for character in scale:
        value *= _ZH_STEPS.get(character) or _ZH_SCALES[character]
    return value


def chinese(text: str) -> Decimal:
    """The value of ``ZH_NUMBER``."""
    whole, _, fraction = text.partition("点")
    total = section = digit = 0
    if all(character in _ZH_DIGITS for character in whole):  # 二〇二六
        total = int("".join(str(_ZH_DIGITS[character]) for character in whole) or 0)
    else:
        last = 10
        for character in whole:
            if character in _ZH_DIGITS:
                digit = _ZH_DIGITS[character]
                last = last if digit else 10
            elif character in _ZH_STEPS:
                last = _ZH_STEPS[character]
                section += (digit or 1) * last
                digit = 0
            else:
                last = _ZH_SCALES[character]
                section += digit
                # a larger scale multiplies all before it (一万亿), a smaller one only what is new (一亿两千万)
                total = (total + section) * last if 0 < total <= last else total + (section or 1) * last
                section = digit = 0
        total += section + digit * last // 10  # 三万五 is 35,000, 三万零五 is 30,005
    return Decimal(total) + (Decimal("0." + "".join(str(_ZH_DIGITS[character]) for character in fraction)) if fraction else 0)


def either(text: str) -> Decimal:
    """The value of digits or of a Chinese numeral."""
    return Decimal(text) if text.isdecimal() else chinese(text)
