"""Numbers, rates, amounts, periods, dates and times of English and Chinese text, in one normal form.

``2.75%``, ``2.75 per cent``, ``275 bp`` and ``百分之二点七五`` are one quantity; so are ``1.5万元`` and ``15,000元``, ``1 July 2026``
and ``2026年7月1日``, ``12 months`` and ``one year``. Grounding asks whether each quantity of an answer occurs in what it cites.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

#: unit of an amount whose currency the text leaves open (元, or a bare $)
MONEY = "money"

_CURRENCY_WORDS = {
    "¥": "CNY", "€": "EUR", "£": "GBP", "$": MONEY, "元": MONEY, "块": MONEY, "人民币": "CNY", "rmb": "CNY", "美元": "USD", "港元": "HKD", "港币": "HKD",
    "欧元": "EUR", "英镑": "GBP", "日元": "JPY", "瑞士法郎": "CHF", "新加坡元": "SGD", "新元": "SGD", "澳元": "AUD", "加元": "CAD", "euros": "EUR", "euro": "EUR",
    "dollars": MONEY, "dollar": MONEY, "pounds": "GBP", "francs": "CHF", "us$": "USD", "hk$": "HKD", "s$": "SGD",
}  # fmt: skip
_CODES = ("CHF", "EUR", "USD", "GBP", "SGD", "HKD", "CNY", "AUD", "CAD", "JPY", "NZD", "SEK", "NOK", "DKK", "ZAR", "INR", "AED")

_EN_WORDS = {
    word: value
    for value, word in enumerate(
        [
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
    )
}
_EN_TENS = {word: 10 * value for value, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)}
_EN_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "mn": 1_000_000, "billion": 1_000_000_000, "bn": 1_000_000_000}
_ZH_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_ZH_STEPS = {"十": 10, "百": 100, "千": 1_000}
_ZH_SCALES = {"万": 10_000, "亿": 100_000_000}
_AFTERNOON = ("下午", "晚上")
_MONTHS = {name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1)}

#: periods in one base unit each; business days are no calendar days
_PERIODS = {
    "minute": ("minute", 1), "分钟": ("minute", 1), "hour": ("minute", 60), "小时": ("minute", 60), "day": ("day", 1), "天": ("day", 1), "自然日": ("day", 1),
    "week": ("day", 7), "周": ("day", 7), "星期": ("day", 7), "个月": ("month", 1), "month": ("month", 1), "year": ("month", 12), "年": ("month", 12),
    "工作日": ("business day", 1), "营业日": ("business day", 1), "business day": ("business day", 1),
}  # fmt: skip

#: the end of a Latin word or number; a ``\b`` would not see one before a Chinese character
_END = "(?![A-Za-z0-9_])"
# numbers are of bounded length, so that no hostile text can overflow them
_DIGITS = r"\d{1,3}(?:[,'’]\d{3}){1,12}(?!\d)(?:\.\d{1,40})?|\d{1,40}(?:\.\d{1,40})?"
_ZH_NUMBER = "(?!万一)[零〇一二两三四五六七八九十百千万亿]{1,24}(?:点[零〇一二三四五六七八九]{1,24})?"  # 万一 means 'in case'
_EN_NUMBER = rf"(?:{'|'.join(_EN_TENS)})(?:[- ](?:{'|'.join(list(_EN_WORDS)[1:10])}))?|{'|'.join(sorted(_EN_WORDS, key=len, reverse=True))}"
_MONTH_NAME = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
_EN_SCALE = "hundred|thousand|million|billion"
_PREFIX = rf"(?:{'|'.join(_CODES)})|US\$|HK\$|S\$|RMB|人民币|[$€£¥]"
_SUFFIX = (
    rf"(?:{'|'.join(_CODES)}|RMB|euros?|dollars?|pounds|francs){_END}|[$€£¥](?!\s?\d)"
    "|人民币元?|新加坡元|瑞士法郎|美元|港元|港币|欧元|英镑|日元|新元|澳元|加元|元|块"
)
_CURRENCY_NAMES = re.compile("|".join(re.escape(word) for word in sorted(_CURRENCY_WORDS, key=len, reverse=True)))
#: what makes another number of the number beside it
_NUMBER_PIECE = re.compile(rf"\d|[零〇一二两三四五六七八九十百千万亿]|{_EN_NUMBER}|{_EN_SCALE}|mn|bn", re.IGNORECASE)

_DATES = re.compile(
    rf"""
      (?P<iso_y>\d{{4}})[-/.](?P<iso_m>\d{{1,2}})[-/.](?P<iso_d>\d{{1,2}})(?!\d)
    | (?P<eu_d>\d{{1,2}})[./](?P<eu_m>\d{{1,2}})[./](?P<eu_y>\d{{4}})(?!\d)
    | (?P<zh_y>\d{{4}})\s?年\s?(?P<zh_m>\d{{1,2}})\s?月(?:\s?(?P<zh_d>\d{{1,2}})\s?[日号])?
    | (?P<zm_m>\d{{1,2}})\s?月\s?(?P<zm_d>\d{{1,2}})\s?[日号]
    | (?:(?P<zc_y>[零〇一二三四五六七八九]{{4}})年)?(?P<zc_m>[一二三四五六七八九十]{{1,2}})月(?P<zc_d>[一二三四五六七八九十]{{1,3}})[日号]
    | (?P<zd_y>[零〇一二三四五六七八九]{{4}})年(?P<zd_m>[一二三四五六七八九十]{{1,2}})月
    | (?P<d_d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<d_m>{_MONTH_NAME})(?:,?\s+(?P<d_y>\d{{4}}))?(?![\w%])
    | \b(?P<m_m>{_MONTH_NAME})\s+(?P<m_d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<m_y>\d{{4}}))?(?![\w%])
    | \b(?P<my_m>{_MONTH_NAME})\s+(?P<my_y>\d{{4}})\b
    """,
    re.VERBOSE,
)
#: clause numbers with two dots or more, telephone numbers, codes of letters and digits
_CODES_IN_TEXT = re.compile(
    rf"(?<![A-Za-z0-9_.])(?!(?:{'|'.join(_CODES)}|RMB)\d)"
    r"(?:\d+(?:\.\d+){2,}|\+\d[\d ()-]{5,}\d|(?=[A-Z-]*\d)(?=[\d-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)+|[A-Z]{1,4}\d{2,})(?![A-Za-z0-9_.][A-Za-z0-9_])"
)
_TIMES = re.compile(
    r"(?P<half>上午|下午|晚上|早上)?\s?(?<![\d.,])(?P<h>[01]?\d|2[0-4])(?::(?P<min>[0-5]\d)(?![\d])|[点](?P<zmin>[0-5]?\d(?=分))?分?(?P<zhalf>半)?)\s?(?P<ap>[ap]\.?m\.?(?![A-Za-z0-9_]))?"
    r"|(?<![\d.,])(?P<h12>1[0-2]|[1-9])\s?(?P<ap12>[ap]\.?m\.?)(?![A-Za-z0-9_])"
    r"|(?P<half_han>上午|下午|晚上|早上)(?P<h_han>[一二两三四五六七八九十]{1,2})点(?:(?P<min_han>[一二三四五六七八九十]{1,3})分|(?P<zhalf_han>半))?",
    re.IGNORECASE,
)
_AMOUNTS = re.compile(
    rf"""
    (?P<share>[百千万]分之)?
    (?:(?P<prefix>{_PREFIX})\s?)?
    (?:
        (?<![\d.])(?P<digits>{_DIGITS})(?:\s?(?P<zscale>[十百千]?[万亿]{{1,2}}|[百千](?!分))(?P<zrest>(?:\d{{1,4}}[百千万])*(?:\d{{2,4}}(?![\d.,%年月]))?)|[\s-]?(?P<escale>{_EN_SCALE}|mn|bn){_END})?
      | (?P<han>{_ZH_NUMBER})
      | \b(?P<word>{_EN_NUMBER}){_END}(?:[\s-](?P<wscale>{_EN_SCALE}){_END}(?:\s(?:and\s)?(?P<wrest>{_EN_NUMBER}){_END}(?![\s-](?:{_EN_SCALE})))?)?
    )
    (?:
        \s?(?P<percent>%|‰|(?:per\s?cent|percentage\ points?){_END}|个?百分点)
      | \s?(?P<basis>(?:bps?|basis\ points?){_END}|个?基点)
      | \s?(?P<suffix>{_SUFFIX})
      | (?:\s|-)?(?:(?P<business>business|working|banking)|calendar|full|consecutive)?(?:\s|-)?(?P<period>minute|hour|day|week|month|year)s?{_END}
      | \s?个?(?P<zperiod>工作日|营业日|自然日|小时|分钟|天|星期|周|(?<=个)月|年(?!\d|[利化均度费]))
    )?
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Day(NamedTuple):
    """A date of which the text may leave parts out."""

    year: int | None
    month: int | None
    day: int | None


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number in normal form. ``unit`` is ``%``, a currency code, ``money``, a period, ``time`` (minutes of the day), ``date``, ``code`` or empty."""

    value: Decimal | Day | str
    unit: str
    text: str
    start: int
    end: int
    spelled: bool = False


def quantities(text: str) -> list[Quantity]:
    """Every quantity of the text in order; spelled-out numbers too."""
    found: list[Quantity] = []
    taken = bytearray(len(text))
    for reader in (_dates, _codes, _times, _amounts):
        for quantity in reader(text):
            if not any(taken[quantity.start : quantity.end]):
                taken[quantity.start : quantity.end] = b"\x01" * (quantity.end - quantity.start)
                found.append(quantity)
    return sorted(found, key=lambda quantity: quantity.start)


def unsupported(text: str, sources: Iterable[str]) -> list[Quantity]:
    """The quantities of the text that no source states, neither in normal form nor to the letter."""
    lines = [(line, quantities(line)) for source in sources for line in source.split("\n")]
    return [
        claim
        for claim in quantities(text)
        if _claims(claim) and not any(any(states(quantity, claim, line) for quantity in known) or _verbatim(claim, line, known) for line, known in lines)
    ]


def states(known: Quantity, claim: Quantity, line: str = "") -> bool:
    """Whether a quantity of a source says what another one claims.

    A date may be claimed with parts left out, a number without its unit. A unit that the source's number lacks must stand
    elsewhere in its ``line``, as in a table whose column is named ``Rate (%)``.
    """
    if isinstance(known.value, Day):
        if isinstance(claim.value, Day):
            return all(part is None or part == stated for part, stated in zip(claim.value, known.value, strict=True))
        return claim.unit == "" and claim.value == known.value.year
    if known.value != claim.value or (known.unit == "time") != (claim.unit == "time"):
        return False
    if claim.unit in ("", known.unit) or (claim.unit == MONEY and known.unit in _CODES) or (known.unit == MONEY and claim.unit in _CODES):
        return True
    return known.unit == "" and _names_unit(line, claim.unit)


def _names_unit(line: str, unit: str) -> bool:
    if unit == "%":
        return re.search(r"%|per\s?cent|百分", line, re.IGNORECASE) is not None
    if unit == MONEY or unit in _CODES:
        named = {_CURRENCY_WORDS[word] for word in _CURRENCY_NAMES.findall(line.lower())}
        return unit in line or unit in named or MONEY in named
    return unit.split()[-1] in line.lower() or any(base == unit for word, (base, _) in _PERIODS.items() if word in line)


def _claims(quantity: Quantity) -> bool:
    """Words such as 'one' or '一' are mostly no numbers; with a unit they are."""
    return not quantity.spelled or quantity.unit != "" or quantity.value not in (Decimal(0), Decimal(1))


def _verbatim(claim: Quantity, line: str, known: Iterable[Quantity]) -> bool:
    """Whether the line holds the claim to the letter, and not as a piece of another number: ``USD 5 million`` does not say ``USD 5``."""
    for match in re.finditer(rf"(?<![A-Za-z\d.,]){re.escape(claim.text)}(?![A-Za-z]|[.,]?\d)", line):
        around = [line[whole.start : match.start()] + line[match.end() : whole.end] for whole in known if _holds(whole, match)]
        if not any(_NUMBER_PIECE.search(rest) for rest in around):
            return True
    return False


def _holds(whole: Quantity, piece: re.Match[str]) -> bool:
    return isinstance(whole.value, Decimal) and whole.unit != "time" and whole.start <= piece.start() and piece.end() <= whole.end


def _dates(text: str) -> Iterator[Quantity]:
    for match in _DATES.finditer(text):
        if match.start() and text[match.start() - 1].isdigit():
            continue
        parts = {key.split("_")[1]: value for key, value in match.groupdict().items() if value is not None}
        month = _MONTHS.get(parts["m"][:3].lower()) or _whole(parts["m"])
        day = _whole(parts["d"]) if "d" in parts else None
        if 1 <= month <= 12 and (day is None or 1 <= day <= 31):
            year = _whole(parts["y"]) if "y" in parts else None
            yield Quantity(Day(year, month, day), "date", match[0], match.start(), match.end())


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else int(_chinese(text))


def _codes(text: str) -> Iterator[Quantity]:
    for match in _CODES_IN_TEXT.finditer(text):
        yield Quantity(re.sub("[ ()-]", "", match[0]), "code", match[0], match.start(), match.end())


def _times(text: str) -> Iterator[Quantity]:
    for match in _TIMES.finditer(text):
        if match["h12"]:
            hours, minutes, half = int(match["h12"]), 0, match["ap12"][0].lower()
        elif match["h_han"]:
            hours, minutes = _whole(match["h_han"]), _whole(match["min_han"]) if match["min_han"] else 30 if match["zhalf_han"] else 0
            half = "p" if match["half_han"] in _AFTERNOON else ""
        else:
            hours = int(match["h"])
            minutes = int(match["min"] or match["zmin"] or (30 if match["zhalf"] else 0))
            half = (match["ap"] or "")[:1].lower() or ("p" if match["half"] in _AFTERNOON else "")
        if half == "p" and hours < 12:
            hours += 12
        elif half == "a" and hours == 12:
            hours = 0
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        written = match[0].strip()
        yield Quantity(Decimal(60 * hours + minutes), "time", written, start, start + len(written))


def _amounts(text: str) -> Iterator[Quantity]:
    for match in _AMOUNTS.finditer(text):
        spelled = match["digits"] is None
        value = _value(match)
        unit = ""
        if match["share"] or match["percent"]:
            unit = "%"
            value /= {"‰": 10, "千分之": 10, "万分之": 100}.get(match["share"] or match["percent"], 1)
        elif match["basis"]:
            unit, value = "%", value / 100
        elif currency := match["prefix"] or match["suffix"]:
            unit = _currency(currency)
        elif period := match["period"] or match["zperiod"]:
            unit, value = _period(match, period.lower(), value)
        if (
            spelled
            and not unit
            and match["han"]
            and len(match["han"]) < 2
            and not re.match("[个次笔项条级名张倍成份位家]", text[match.end() : match.end() + 1])
        ):
            continue
        yield Quantity(value, unit, match[0].strip(), match.start(), match.start() + len(match[0].rstrip()), spelled)


def _value(match: re.Match[str]) -> Decimal:
    if match["digits"]:
        value = Decimal(re.sub("[,'’]", "", match["digits"]))
        value = _times_scale(value, match["zscale"] or "")
        for digits, scale in re.findall(r"(\d+)([百千万]?)", match["zrest"] or ""):  # 1万5千, 3亿5000万
            value += _times_scale(Decimal(digits), scale)
        return value * _EN_SCALES.get((match["escale"] or "").lower(), 1)
    if match["han"]:
        return _chinese(match["han"])
    return Decimal(_english(match["word"]) * _EN_SCALES.get((match["wscale"] or "").lower(), 1) + _english(match["wrest"] or ""))


def _english(text: str) -> int:
    tens, _, ones = text.lower().replace("-", " ").partition(" ")
    return _EN_TENS.get(tens, _EN_WORDS.get(tens, 0)) + _EN_WORDS.get(ones, 0)


def _times_scale(value: Decimal, scale: str) -> Decimal:
    for character in scale:
        value *= _ZH_STEPS.get(character) or _ZH_SCALES[character]
    return value


def _currency(text: str) -> str:
    return text.upper() if text.upper() in _CODES else "CNY" if text.startswith("人民币") else _CURRENCY_WORDS[text.lower()]


def _period(match: re.Match[str], period: str, value: Decimal) -> tuple[str, Decimal]:
    if period == "月":
        period = "个月"
    if period == "年" and value >= 1900:
        return "", value  # a calendar year
    if match["business"] and period == "day":
        period = "business day"
    unit, factor = _PERIODS[period]
    return unit, value * factor


def _chinese(text: str) -> Decimal:
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
