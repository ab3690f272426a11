"""Numbers, rates, amounts, periods, dates and times of English and Chinese text, in one normal form.

``2.75%``, ``2.75 per cent``, ``275 bp`` and ``百分之二点七五`` are one quantity; so are ``1.5万元`` and ``15,000元``, ``1 July 2026``
and ``2026年7月1日``, ``12 months`` and ``one year``. Grounding asks whether each quantity of an answer occurs in what it cites.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from core.text import units
from core.text.normalise import normalise
from core.text.numerals import EN_NUMBER, EN_ORDINAL, EN_PART, EN_SCALE, EN_SCALES, ZH_NUMBER, chinese, either, english, everyday, ordinal, part, scaled
from core.text.units import CODES, END, EVERY, ORDINAL, PERIOD, TIMES, UNKNOWN

_AFTERNOON = ("下午", "晚上")
_MONTHS = {name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1)}
_VULGAR = "¼-¾⅐-⅞⁄"
#: stands where another reader has read already
_READ = "\x00"
#: what ends a cell of a table's row, as core/text/tables.py writes it, and a field in running text
_CELL_ENDS = "|;；。"
_NAME_LENGTH = 80
#: texts whose quantities are kept: the checks of one answer ask for those of the same passages, rows and sentences again and again
_KEPT = 2048
#: joins a currency and the other unit that the same number has
_AND = " and "
_RANGE = re.compile(r"\s?[-–~～至到或]\s?|\sto\s|\sor\s")

# numbers are of bounded length, so that no hostile text can overflow them; 1,250 and 1 250 are grouped, 12,50 and 1.250,50 have a decimal comma
_DIGITS = (
    r"\d{1,3}(?:[,'’]\d{3}){1,12}(?!\d)(?:\.\d{1,40})?|\d{1,3}(?:\ \d{3}){1,12}(?![\d,.]*\d)(?:[.,]\d{1,2}(?!\d))?"
    r"|\d{1,3}(?:\.\d{3}){0,12},\d{1,2}(?!\d)|\d{1,40},\d{1,2}(?!\d)|\d{1,40}(?:\.\d{1,40})?|(?<![\d.])\.\d{1,40}"
)
_MONTH_NAME = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
#: a minus, but no hyphen (five-day), no bullet (- 5%) and no range (5-10%, 3 -5 days, 5年-10年)
_MINUS = rf"(?:(?<![A-Za-z0-9)%‰年月日天周号次元期{_READ}])(?<![\d%]\s)[-−–](?=[\d.A-Z$€£¥])|\b(?:minus|negative)\s|(?<!正)负的?\s?)"
#: one month, where a month would not say how often
_ARTICLE = rf"(?:(?<=within\s)|(?<=after\s)|(?<=for\s)|(?<=than\s)|(?<=least\s)|(?<=most\s)|(?<=over\s)|(?<=under\s))an?(?=\s{PERIOD}{END}(?!-))"
_SCALED_ARTICLE = rf"an?(?=[\s-](?:{EN_SCALE}){END})"
#: what makes another number of the number beside it
_NUMBER_PIECE = re.compile(rf"\d|[零〇一二两三四五六七八九十百千万亿兆半{_VULGAR}]|{EN_NUMBER}|{EN_SCALE}|\b(?:mn|bn|tn|[kmb]|half)\b", re.IGNORECASE)
#: behind a number without a unit: letters, a fraction, or a Chinese character other than these measure words and particles
_UNKNOWN_UNIT = re.compile(
    rf"\s?[{_VULGAR}]|[A-Za-z]+|\s[kKmMbB]{END}"
    "|\\s?(?![个次笔项条级名张倍份位家号款章节页人户类种年岁档的和或至到及以之与为时内起后前者则即等左右多余但并且也都由在从向被把将可应须需不未无有是于而又再另如若因其此该这那每各按含均计共约近超达满未上下中间外])[\u4e00-\u9fff]"
)

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
#: fractions, clause numbers with two dots or more, telephone and card numbers, credit ratings, codes of letters and digits
_CODES_IN_TEXT = re.compile(
    rf"(?<![\d,./⁄])(?:(?:\d{{1,3}}[ -])?\d/\d(?![\d/])|\d+⁄\d+|\d{{1,40}}\s?[¼-¾⅐-⅞])\s?[%‰]?"
    r"|(?<![A-Za-z0-9_.,])(?=(?:\d[ -]?){7})(?!\d{1,3}(?: \d{3})+(?![ -]?\d))(?:\d{1,5}(?:[ -]\d{1,5}){2,12}|\d{3,5} \d{4}|0\d{2,3}-\d{7,8})(?![\d%]|[.,]\d)"
    r"|(?<![A-Za-z0-9_+-])(?:(?:A{1,3}|B{1,3}|C{1,3}|D)[+-](?!\w)|(?:AAA?|BBB?|CCC?)(?![A-Za-z0-9_]))"
    rf"|(?<![A-Za-z0-9_.])(?!(?:{'|'.join(CODES)}|RMB)\d)"
    r"(?:\d+(?:\.\d+){2,}|\+\d[\d ()-]{5,}\d|(?=[A-Z-]*\d)(?=[\d-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)+|[A-Z]{1,4}\d{2,})(?![A-Za-z0-9_.][A-Za-z0-9_])"
)
_TIMES = re.compile(
    r"(?P<half>上午|下午|晚上|早上)?\s?(?<![\d.,])(?P<h>[01]?\d|2[0-4])(?::(?P<min>[0-5]\d)(?![\d])|[点](?P<zmin>[0-5]?\d(?=分))?分?(?P<zhalf>半)?)\s?(?P<ap>[ap]\.?m\.?(?![A-Za-z0-9_]))?"
    r"|(?<![\d.,])(?P<h12>1[0-2]|[1-9])\s?(?P<ap12>[ap]\.?m\.?)(?![A-Za-z0-9_])"
    r"|(?P<half_han>上午|下午|晚上|早上)(?P<h_han>[一二两三四五六七八九十]{1,2})点(?:(?P<min_han>[一二三四五六七八九十]{1,3})分|(?P<zhalf_han>半))?",
    re.IGNORECASE,
)
#: shares of a whole and halves of a period
_SHARES = re.compile(
    rf"""
      (?<![百千万十零〇一二三四五六七八九\d])(?P<zh_whole>[二三四五六七八九十]{{1,3}}|\d{{1,3}})分之(?P<zh_parts>[一二两三四五六七八九十]{{1,3}}|\d{{1,3}})
    | \b(?P<parts>an?|{EN_NUMBER})[\s-](?P<whole>{EN_PART})(?:s\b|(?=\s+of\b))
    | \bhalf[\s-](?:an?\s)?(?P<period>{PERIOD}){END}
    | (?<![一两二三四五六七八九十个每上下])半(?P<zh_period>年|个?月|小时|天|日|周|个?季度)
    | (?<!and\s)(?<!and\sa\s)(?P<half>\bhalf\b)(?!-)|(?P<zh_half>一半|对半|半(?=[价数额]))
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: how often: once a period
_FREQUENCIES = re.compile(
    rf"""
      (?<![-\w])(?P<adverb>daily|weekly|monthly|quarterly|(?P<half>half-|semi-?)?(?:year|annual)(?:ly)?|annually|p\.a\.)(?![A-Za-z])(?<!\byear)
    | \b(?:per|each|every)\s(?:calendar\s|full\s)?(?!second)(?P<each>{PERIOD}){END}
    | (?:(?<=[\d%]\s)|(?<=(?:{"|".join(CODES)})\s)|(?<=[rcod]s\s)|(?<=mes\s)|(?<=ce\s)|(?<=in\s))an?\s(?:calendar\s)?(?P<once>{PERIOD}){END}(?!-)
    | (?:每|按|逐)个?(?:自然)?(?P<zh_each>半年|季|年|月|日(?!元)|天|周|星期|工作日|营业日|小时|分钟)度?
    | (?<![\d一二两三四五六七八九十百半个几第上下作生节假次])(?P<zh_for>[年月季周日])(?=度|费|供|薪|利率|利息|化|息|租|检|报|均|限额|累计|收入)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ADVERBS = {"d": "day", "w": "week", "m": "month", "q": "quarter", "y": "year", "a": "year", "p": "year"}
_HOW_OFTEN = {"once": 1, "twice": 2, "thrice": 3}
_ORDINALS = re.compile(
    rf"""
      (?<!\d\s)(?<!\d-)(?<!\bone\s)(?<!\bper\s)\b(?P<word>{EN_ORDINAL})\b
    | (?<![\d.,])(?P<digits>\d{{1,4}})(?:st|nd|rd|th){END}
    | 第(?P<zh>\d{{1,4}}|[零一二三四五六七八九十百]{{1,6}})(?![条章节款项页编部\d.,])
    | (?<=[月{_READ}])(?P<day>\d{{1,2}})[日号]
    | \b(?P<times>once(?!\s(?:you|we|they|he|she|it|the|this|an?|all|your|our)\b)|twice|thrice)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_AMOUNTS = re.compile(
    rf"""
    (?P<minus>{_MINUS})?
    (?P<share>[百千万]分之)?
    (?:(?P<prefix>{units.PREFIX})\s?)?
    (?P<minus_inside>{_MINUS})?
    (?:
        (?<!\d)(?<!\d\.)(?P<digits>{_DIGITS})(?P<digits_half>\sand\sa\shalf{END})?
        (?:\s?(?P<zscale>[十百千]?[万亿]{{1,2}}|[百千](?!分))(?P<zrest>(?:\d{{1,4}}[百千万])*(?:\d{{2,4}}(?![\d.,%年月]))?)|[\s-]?(?P<escale>{EN_SCALE}|mn|bn|tn){END})?
      | (?P<han>{ZH_NUMBER})
      | \b(?P<word>{EN_NUMBER}|{_SCALED_ARTICLE}|{_ARTICLE}){END}(?P<word_half>\sand\sa\shalf{END})?
        (?:[\s-](?P<wscale>{EN_SCALE}){END}(?:\s(?:and\s)?(?P<wrest>{EN_NUMBER}){END}(?![\s-]hundred))?(?:[\s-](?P<wscale2>thousand|million|billion){END})?)?
    )
    (?P<behind>
        \s?(?P<percent>%|‰|per\s?cent{END})
      | \s?(?P<points>percentage\ points?{END}|个?百分点)
      | \s?(?P<basis>(?:bps?|basis\ points?){END}|个?基点)
      | \s?(?P<tenths>成(?![员立功本年都果为交绩长不]))
      | \s?(?P<discount>折(?![合算旧]))
      | \s?(?P<suffix>{units.SUFFIX})
      | \s?(?P<times>倍|次(?![年月日贷级于要性])|times{END})
      | [\s-]?(?:(?:calendar|full|consecutive)[\s-])?(?P<period>{PERIOD})s?{END}
      | \s?个?(?P<zhalf>半)?(?P<zperiod>{units.HAN_PERIOD})(?P<zrest_half>半(?!年))?
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
    """One number in normal form.

    ``unit`` is ``%``, ``points``, a currency code, ``money`` or ``dollars``, a period, ``every`` and a period, ``times``, ``ordinal``, ``折``,
    ``time`` (minutes of the day), ``date``, ``code``, ``?`` and what nobody knows, a currency ``and`` another of these, or empty.
    """

    value: Decimal | Day | str
    unit: str
    text: str
    start: int
    end: int
    spelled: bool = False


def quantities(text: str) -> list[Quantity]:
    """Every quantity of the text in order; spelled-out numbers too. What one reader has read the next ones do not see."""
    return list(_quantities(text))


@lru_cache(_KEPT)
def _quantities(text: str) -> tuple[Quantity, ...]:
    found: list[Quantity] = []
    left = everyday(text)
    for reader in (_dates, _codes, _times, _shares, _frequencies, _ordinals, _amounts):
        read = [_of(text, quantity) for quantity in reader(left)]
        left = _without(left, read)
        found += read
    return tuple(sorted(found, key=lambda quantity: quantity.start))


def without_quantities(text: str) -> str:
    """The text, of the same length, with nothing where its quantities stood."""
    return _without(text, quantities(text))


def _of(text: str, quantity: Quantity) -> Quantity:
    """The quantity with its words as the text writes them."""
    return Quantity(quantity.value, quantity.unit, text[quantity.start : quantity.end], quantity.start, quantity.end, quantity.spelled)


def _without(text: str, found: Iterable[Quantity]) -> str:
    pieces, at = [], 0
    for quantity in found:
        pieces += [text[at : quantity.start], _READ * (quantity.end - quantity.start)]
        at = quantity.end
    return "".join([*pieces, text[at:]])


def unsupported(text: str, sources: Iterable[str]) -> list[Quantity]:
    """The quantities of the normalised text that no normalised source states, neither in normal form nor to the letter."""
    return unsupported_in(text, [line for source in sources for line in lines_of(source)])


def lines_of(source: str) -> list[Line]:
    """A source read, for whoever holds many texts against it."""
    return [Line.read(line) for line in normalise(source).split("\n")]


def unsupported_in(text: str, lines: Sequence[Line]) -> list[Quantity]:
    """See :func:`unsupported`."""
    known = [quantity for line in lines for quantity in line.found]
    return [claim for claim in quantities(normalise(text)) if _claims(claim, known) and not any(line.states(claim) for line in lines)]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a source, its quantities, and for each the words that name its unit where it has none of its own."""

    text: str
    found: Sequence[Quantity]
    names: Sequence[str]

    @classmethod
    def read(cls, text: str) -> Line:
        found = quantities(text)
        blank = _without(text, found)
        return cls(text, found, [_name(blank, one.start) + _shared(text, found, number) for number, one in enumerate(found)])

    def states(self, claim: Quantity) -> bool:
        return any(states(quantity, claim, name) for quantity, name in zip(self.found, self.names, strict=True)) or _verbatim(claim, self.text, self.found)


def _shared(line: str, found: Sequence[Quantity], number: int) -> str:
    """The other end of the range in which a number stands: the ``USD 100`` of 200 in ``USD 100-200``, the ``5 years`` of 3 in ``3 or 5 years``."""
    before, one, behind = found[max(number - 1, 0)], found[number], found[min(number + 1, len(found) - 1)]
    joint = line[one.end : behind.start]
    is_item = one.start == 0 and joint.startswith((" -", " –"))  # 3 - USD 45
    if behind.unit and not is_item and _RANGE.fullmatch(joint):
        return f" {behind.text}"
    return f" {before.text}" if before.unit and _RANGE.fullmatch(line[before.end : one.start]) else ""


def _name(line: str, end: int) -> str:
    """``Fee (USD)`` of ``Card: Alpha | Fee (USD): 45``. Empty in running text, where the number of a clause or an item stands beside any unit."""
    start = max(line.rfind(mark, 0, end) for mark in _CELL_ENDS) + 1
    colon = max(line.rfind(mark, start, end) for mark in ":：")
    return line[max(start, colon - _NAME_LENGTH) : colon] if colon >= 0 else ""


def states(known: Quantity, claim: Quantity, name: str = "") -> bool:
    """Whether a quantity of a source says what another one claims.

    A date may be claimed with parts left out, a number without its unit. A unit that the source's number lacks must stand in
    the ``name`` of its field or column, such as ``Rate (%)``.
    """
    if isinstance(known.value, Day):
        if isinstance(claim.value, Day):
            return all(part is None or part == stated for part, stated in zip(claim.value, known.value, strict=True))
        return claim.unit == "" and claim.value == known.value.year
    if known.unit == "" and isinstance(known.value, Decimal) and claim.unit not in ("", TIMES, "time"):
        return any(known.value * factor == claim.value and units.same(unit, claim.unit) for unit, factor in units.named(name))
    if known.value != claim.value or (known.unit == "time") != (claim.unit == "time"):
        return False
    if claim.unit == "":
        return not known.unit.startswith(EVERY) and not re.search(r"[?][^\u4e00-\u9fff]", known.unit)
    return units.same(known.unit, claim.unit) or known.unit.endswith(_AND + claim.unit) or (known.unit == "" and claim.unit == TIMES)


def _claims(quantity: Quantity, known: Iterable[Quantity]) -> bool:
    """Words such as 'one' or '一' are mostly no numbers; with a unit they are, and 'first' and 'once' where the sources count."""
    if not quantity.spelled or quantity.value not in (Decimal(0), Decimal(1)):
        return True
    if quantity.unit in (ORDINAL, TIMES):
        return any(other.unit == quantity.unit for other in known)
    return quantity.unit != ""


def _verbatim(claim: Quantity, line: str, known: Iterable[Quantity]) -> bool:
    """Whether the line holds the claim to the letter, and not as a piece of another number: ``USD 5 million`` does not say ``USD 5``."""
    for match in re.finditer(rf"(?<![A-Za-z\d.,⁄]){re.escape(claim.text)}(?![A-Za-z+{_VULGAR}]|[.,]?\d|-(?![\w\s]))", line):
        wholes = [whole for whole in known if _holds(whole, match)]
        around = [line[whole.start : match.start()] + line[match.end() : whole.end] for whole in wholes]
        negated = any(isinstance(whole.value, Decimal) and whole.value < 0 and whole.start < match.start() for whole in wholes)
        if not negated and not any(_NUMBER_PIECE.search(rest) for rest in around):
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
    return int(text) if text.isdigit() else int(chinese(text))


def _codes(text: str) -> Iterator[Quantity]:
    for match in _CODES_IN_TEXT.finditer(text):
        yield Quantity(re.sub("[ ()]|-(?=.)", "", match[0]), "code", match[0], match.start(), match.end())


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


def _shares(text: str) -> Iterator[Quantity]:
    for match in _SHARES.finditer(text):
        value, unit = Decimal(50), "%"
        if match["zh_whole"]:
            value = 100 * either(match["zh_parts"]) / either(match["zh_whole"])
        elif match["whole"]:
            value = Decimal(100 * english(match["parts"])) / part(match["whole"])
        elif name := match["period"] or match["zh_period"]:
            unit, factor = units.period(name if name == "个月" else name.removeprefix("个"))
            value = Decimal(factor) / 2
        yield Quantity(value, unit, match[0], match.start(), match.end(), spelled=True)


def _frequencies(text: str) -> Iterator[Quantity]:
    for match in _FREQUENCIES.finditer(text):
        adverb = (match["adverb"] or "").lower()
        name = match["each"] or match["once"] or match["zh_each"] or match["zh_for"] or ("半年" if match["half"] else _ADVERBS[adverb[0]])
        unit, factor = units.period(name)
        yield Quantity(Decimal(factor), EVERY + unit, match[0], match.start(), match.end(), spelled=True)


def _ordinals(text: str) -> Iterator[Quantity]:
    for match in _ORDINALS.finditer(text):
        if match["times"]:
            value, unit = Decimal(_HOW_OFTEN[match["times"].lower()]), TIMES
        else:
            value, unit = Decimal(ordinal(match["word"])) if match["word"] else either(match["digits"] or match["zh"] or match["day"]), ORDINAL
        yield Quantity(value, unit, match[0], match.start(), match.end(), spelled=not (match["digits"] or match["day"]))


def _amounts(text: str) -> Iterator[Quantity]:
    matches = list(_AMOUNTS.finditer(text))
    for number, match in enumerate(matches, start=1):
        limit = matches[number].start() if number < len(matches) else len(text)
        value, unit = _with_unit(match, _value(match))
        end = match.start() + len(match[0].rstrip())
        # 一 and 十 are pieces of many words
        if match["han"] and not unit and len(match["han"]) < 2 and text[end : end + 1] not in set("个次笔项条级名张份位家"):
            continue
        if not match["behind"] and not match["word"] and (unknown := _UNKNOWN_UNIT.match(text, end, limit)):
            unit, end = f"{unit} {UNKNOWN}{unknown[0].strip().lower()}".strip(), unknown.end()
        yield Quantity(value, unit, text[match.start() : end], match.start(), end, spelled=match["digits"] is None)


def _with_unit(match: re.Match[str], value: Decimal) -> tuple[Decimal, str]:
    """The value in the base unit of what stands around the number. ``USD 1.25%`` keeps both units: no source that says 1.25% says that."""
    value, unit = _of_behind(match, value)
    if not match["prefix"] or not unit:
        currency = match["prefix"] or match["suffix"]
        return value, unit or (units.currency(currency) if currency else "")
    return value, f"{units.currency(match['prefix'])}{_AND}{unit}"


def _of_behind(match: re.Match[str], value: Decimal) -> tuple[Decimal, str]:
    """The value in the base unit of what stands behind the number, or of a share before it; without a unit where that is a currency or nothing."""
    if match["share"] or match["percent"]:
        return value / {"‰": 10, "千分之": 10, "万分之": 100}.get(match["share"] or match["percent"], 1), "%"
    if match["points"]:
        return value, units.POINTS
    if match["basis"]:
        return value / 100, "%"
    if match["tenths"]:
        return value * 10, "%"
    if match["discount"]:
        return value / 10 if value >= 10 else value, units.DISCOUNT  # 八五折 is 8.5折
    if match["times"]:
        return value, TIMES
    if period := match["period"] or match["zperiod"]:
        if period == "年" and value >= 1900:
            return value, ""  # a calendar year
        unit, factor = units.period(period)
        return value * factor, unit
    return value, ""


def _value(match: re.Match[str]) -> Decimal:
    half = Decimal("0.5") if any(match[name] for name in ("digits_half", "word_half", "zhalf", "zrest_half")) else Decimal(0)
    sign = -1 if match["minus"] or match["minus_inside"] else 1
    if match["digits"]:
        value = scaled(_decimal(match["digits"]) + half, match["zscale"] or "")
        for digits, scale in re.findall(r"(\d+)([百千万]?)", match["zrest"] or ""):  # 1万5千, 3亿5000万
            value += scaled(Decimal(digits), scale)
        return sign * value * EN_SCALES.get((match["escale"] or "").lower(), 1)
    if match["han"]:
        return sign * (chinese(match["han"]) + half)
    first, second = (EN_SCALES.get((match[name] or "").lower(), 1) for name in ("wscale", "wscale2"))
    value, rest = (english(match["word"]) + half) * first, english(match["wrest"] or "")
    return sign * ((value + rest) * second if first < second else value + rest * second)  # two hundred thousand, one million fifty thousand


def _decimal(digits: str) -> Decimal:
    whole, comma, fraction = digits.rpartition(",")
    if comma and len(fraction) < 3:  # 1.250,50
        return Decimal(re.sub(r"\D", "", whole) + "." + fraction)
    return Decimal(re.sub("[,'’ ]", "", digits))
