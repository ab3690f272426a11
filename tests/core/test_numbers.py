"""Quantities in normal form, and which of them a source states."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text.numbers import Day, Quantity, quantities, states, unsupported, without_quantities
from core.text.units import DOLLARS, MONEY

_ONE_LINE = st.text(st.sampled_from("0123456789,.'%‰ -:/+$€¥CHFEURmp年月日天个工作百千万亿分之点半零一二两三十上下午元基美第A"), max_size=40)


def _read(text: str) -> list[tuple[Decimal | Day | str, str]]:
    return [(quantity.value, quantity.unit) for quantity in quantities(text)]


def _han(number: int) -> str:
    """The number in Chinese numerals, as a bank writes it out."""
    digits = "零一二三四五六七八九"

    def below_ten_thousand(value: int) -> str:
        out, gap = "", False
        for step, word in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit, value = divmod(value, step)
            if digit:
                out += ("零" if gap and out else "") + digits[digit] + word
                gap = False
            else:
                gap = True
        return out

    parts, out = (number // 10**8, number // 10**4 % 10**4, number % 10**4), ""
    for value, word in zip(parts, ("亿", "万", ""), strict=True):
        if value:
            out += ("零" if out and value < 1000 else "") + below_ten_thousand(value) + word
    return out


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("2.75%", "2.75"),
        ("2.75 %", "2.75"),
        ("2.75 per cent", "2.75"),
        ("2.75 percent", "2.75"),
        ("275 bp", "2.75"),
        ("275 basis points", "2.75"),
        ("上浮25bp的利率", "0.25"),
        ("275个基点", "2.75"),
        ("百分之二点七五", "2.75"),
        ("百分之30", "30"),
        ("27.5‰", "2.75"),
        ("千分之三", "0.3"),
        ("利率万分之五", "0.05"),
    ],
)
def test_rates_are_percent(text: str, percent: str) -> None:
    assert _read(text) == [(Decimal(percent), "%")]


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("CHF 4.00", "4", "CHF"),
        ("CHF4.00", "4", "CHF"),
        ("CHF400", "400", "CHF"),
        ("EUR10,000", "10000", "EUR"),
        ("4.00 CHF", "4", "CHF"),
        ("收取100CHF的费用", "100", "CHF"),
        ("CHF 15’000", "15000", "CHF"),
        ("15'000 francs", "15000", "CHF"),
        ("€12.50", "12.5", "EUR"),
        ("12.50 €", "12.5", "EUR"),
        ("US$5", "5", "USD"),
        ("$5", "5", DOLLARS),
        ("5 dollars", "5", DOLLARS),
        ("100 RMB", "100", "CNY"),
        ("人民币100元", "100", "CNY"),
        ("15,000元", "15000", MONEY),
        ("1.5万元", "15000", MONEY),
        ("1万5千元", "15000", MONEY),
        ("1万5000元", "15000", MONEY),
        ("5千元", "5000", MONEY),
        ("3亿5000万元", "350000000", MONEY),
        ("一万五千元", "15000", MONEY),
        ("500万新加坡元", "5000000", "SGD"),
        ("EUR 3bn", "3000000000", "EUR"),
        ("CHF 1.2 million", "1200000", "CHF"),
        ("one hundred and fifty euros", "150", "EUR"),
    ],
)
def test_amounts(text: str, amount: str, unit: str) -> None:
    assert _read(text) == [(Decimal(amount), unit)]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("12 months", 12, "month"),
        ("one year", 12, "month"),
        ("十二个月", 12, "month"),
        ("3年期", 36, "month"),
        ("开户1年后", 12, "month"),
        ("three-year", 36, "month"),
        ("14天", 14, "day"),
        ("two weeks", 14, "day"),
        ("30 calendar days", 30, "day"),
        ("5个工作日", 5, "business day"),
        ("5 working days", 5, "business day"),
        ("1.5 hours", 90, "minute"),
        ("30分钟", 30, "minute"),
    ],
)
def test_periods_have_one_base_unit_each(text: str, value: int, unit: str) -> None:
    assert _read(text) == [(Decimal(value), unit)]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1 July 2026", Day(2026, 7, 1)),
        ("1st of July 2026", Day(2026, 7, 1)),
        ("Jul 1, 2026", Day(2026, 7, 1)),
        ("01.07.2026", Day(2026, 7, 1)),
        ("2026-07-01", Day(2026, 7, 1)),
        ("2026年7月1日", Day(2026, 7, 1)),
        ("2026 年 7 月 1 号", Day(2026, 7, 1)),
        ("二〇二六年七月一日", Day(2026, 7, 1)),
        ("七月三十一日", Day(None, 7, 31)),
        ("二〇二六年十二月", Day(2026, 12, None)),
        ("July 2026", Day(2026, 7, None)),
        ("7月1日", Day(None, 7, 1)),
    ],
)
def test_dates_may_leave_parts_out(text: str, day: Day) -> None:
    assert _read(text) == [(day, "date")]


@pytest.mark.parametrize("text", ["32 July 2026", "2026年13月1日", "31.13.2026"])
def test_no_day_of_the_calendar_is_no_date(text: str) -> None:
    assert all(unit != "date" for _, unit in _read(text))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("14:00", 840),
        ("2 pm", 840),
        ("2:00 p.m.", 840),
        ("12 a.m.", 0),
        ("12 pm", 720),
        ("下午2点", 840),
        ("下午两点半", 870),
        ("上午九点十五分", 555),
        ("上午9点15分", 555),
        ("下午 2:30", 870),
    ],
)
def test_times_are_minutes_of_the_day(text: str, minutes: int) -> None:
    assert _read(text) == [(Decimal(minutes), "time")]


@pytest.mark.parametrize(
    ("text", "code"),
    [("clause 4.2.1", "4.2.1"), ("第4.2.1条规定", "4.2.1"), ("ISO-20022标准", "ISO20022"), ("表A380号", "A380"), ("+41 22 345 6789", "+41223456789")],
)
def test_codes_are_read_whole(text: str, code: str) -> None:
    assert _read(text) == [(code, "code")]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234,567.89", "1234567.89"),
        ("twenty-one", "21"),
        ("two hundred", "200"),
        ("three hundred and four", "304"),
        ("三十三", "33"),
        ("一百零五", "105"),
        ("三万五", "35000"),
        ("三万零五", "30005"),
        ("一亿两千万", "120000000"),
        ("一万亿", "1000000000000"),
        ("二〇二六年", "2026"),
        ("2026年", "2026"),
    ],
)
def test_plain_numbers(text: str, number: str) -> None:
    assert _read(text) == [(Decimal(number), "")]


@pytest.mark.parametrize("text", ["", "no figures here", "统一规定", "万一卡片丢失", "十分方便", "often written about money"])
def test_words_that_only_look_like_numbers(text: str) -> None:
    assert _read(text) == []


def test_a_range_keeps_both_ends_apart() -> None:
    assert _read("between one hundred and two hundred euros, 1,2345") == [
        (Decimal(100), ""),
        (Decimal(200), "EUR"),
        (Decimal(1), ""),
        (Decimal(2345), ""),
    ]


@pytest.mark.parametrize(
    "text", ["一" * 6000, "亿" * 20_000, "1" + "亿" * 130_000, "9" * 100_000, "万点一" * 5000], ids=["han", "scales", "scaled", "digits", "points"]
)
def test_monstrous_numbers_are_read_without_an_error(text: str) -> None:
    assert quantities(text)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(1, 10**12 - 1))
def test_chinese_numerals_mean_what_they_say(number: int) -> None:
    assert [quantity.value for quantity in quantities(f"共{_han(number)}元")] == [number]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_ONE_LINE)
def test_quantities_are_slices_in_order_and_their_own_source(text: str) -> None:
    found = quantities(text)
    assert all(text[quantity.start : quantity.end] == quantity.text for quantity in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert unsupported(text, [text]) == []


_FORMS = [
    "The fee is CHF {}.",
    "It takes {} business days.",
    "The rate is {}%.",
    "费用为{}元。",
    "需要{}个工作日。",
    "利率为{}%。",
    "until {} July 2026",
    "期限为{}万元",
]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(_FORMS), st.integers(1, 28), st.integers(1, 28))
def test_only_the_same_figure_supports_a_claim(form: str, claimed: int, stated: int) -> None:
    wrong = unsupported(form.format(claimed), [form.format(stated)])
    assert (wrong == []) is (claimed == stated)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(2, 9999), st.integers(2, 9999))
def test_only_the_same_numeral_supports_a_chinese_claim(claimed: int, stated: int) -> None:
    wrong = unsupported(f"期限为{_han(claimed)}天", [f"期限为{_han(stated)}天"])
    assert (wrong == []) is (claimed == stated)


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("2.75%", "The rate is 275 bp."),
        ("百分之二点七五", "利率为2.75%。"),
        ("15,000元", "金额1.5万元"),
        ("one year", "期限为12个月"),
        ("1 July", "from 1 July 2026"),
        ("in 2026", "自2026年7月1日起"),
        ("2.75", "The rate is 2.75%."),
        ("3 or 5 years", "Terms: 3 years, 5 years"),
        ("5.00元", "CNY 5.00"),
        ("2.75%", "Term: 6 months | Rate (%): 2.75"),
        ("CHF 4", "Account: Basic | Fee (CHF): 4.00"),
        ("5欧元", "单位：欧元 5"),
        ("one account", "every account"),
        ("一个账户", "每个账户"),
    ],
)
def test_supported(claim: str, source: str) -> None:
    assert unsupported(claim, ["nothing here", source]) == []


@pytest.mark.parametrize(
    ("claim", "source", "wrong"),
    [
        ("5%", "0.5%", "5%"),
        ("CHF 5", "CHF 5.50", "CHF 5"),
        ("CHF 5", "EUR 5", "CHF 5"),
        ("USD 5", "USD 5 million", "USD 5"),
        ("ten cards", "often written", "ten"),
        ("one year", "twenty-one year term", "one year"),
        ("期限三年", "期限十三年", "三年"),
        ("十五万元", "二十五万元", "十五万元"),
        ("5天", "5个工作日", "5天"),
        ("1年后", "1天后", "1年"),
        ("1000元", "5千元", "1000元"),
        ("1 July 2027", "1 July 2026", "1 July 2027"),
        ("1 July 2026", "July 2026", "1 July 2026"),
        ("840 clients", "open until 14:00", "840"),
        ("5欧元", "单位：美元 5", "5欧元"),
        ("2.75%", "2.75 points\nRate in %", "2.75%"),
        ("1.5", "1.5万", "1.5"),
    ],
)
def test_unsupported(claim: str, source: str, wrong: str) -> None:
    assert [quantity.text for quantity in unsupported(claim, [source])] == [wrong]


_SAME = [
    # the same figure, written otherwise
    ("USD 1 250", "USD 1,250"),
    ("USD 1,250", "USD 1 250"),
    ("USD 1,250", "USD 1250"),
    ("12,000元", "1.2万元"),
    ("45 USD", "USD 45.00"),
    ("USD 12,50", "USD 12.50"),
    ("5.00 %", "百分之五"),
    ("１２％", "12%"),
    ("５天", "5天"),
    ("2½%", "2½%"),
    ("-0.75%", "minus 0.75%"),
    ("负0.75%", "-0.75%"),
    ("5-10%", "5-10%"),
    ("10%", "5-10%"),
    ("1 March", "3月1日"),
    ("six months", "half a year"),
    ("半年", "6 months"),
    ("两年半", "30 months"),
    ("two and a half years", "2.5 years"),
    ("five days", "within 5 days"),
    ("5日内", "5天内"),
    ("12-month", "12 months"),
    ("30 seconds", "30秒"),
    ("2个季度", "6 months"),
    # currencies
    ("$50", "USD 50"),
    ("HKD 50", "$50"),
    ("50元", "CNY 50"),
    ("5 US dollars", "USD 5"),
    ("5块钱", "5元"),
    # cells
    ("USD 45", "Card: Alpha | Annual fee (USD): 45"),
    ("45美元", "年费（美元）：45"),
    ("3 years", "Term (years): 3"),
    ("USD 5 million", "Limit (USD million): 5"),
    ("5万元", "金额（万元）：5"),
    ("3 times", "Withdrawals: 3"),
    # ranges
    ("USD 200", "USD 100-200"),
    ("CHF 5", "CHF 4 or 5"),
    ("3 years", "3 or 5 years"),
    ("USD 3,000,000", "3 to 5 million USD"),
    ("5%", "5至10%"),
    # spelled out
    ("a hundred francs", "CHF 100"),
    ("two hundred thousand francs", "CHF 200,000"),
    ("a dozen", "12 cards"),
    ("伍佰元", "500元"),
    ("half", "一半"),
    ("50%", "一半"),
    ("a third of the fee", "三分之一"),
    ("30%", "三成"),
    ("8折", "八折"),
    ("twice", "每年两次"),
    ("3rd reminder", "third reminder"),
    ("on the 15th", "每月15日"),
    ("第五条", "clause 5"),
    ("once you have signed", "3 times"),
    # how often
    ("monthly", "per month"),
    ("每月", "USD 5 a month"),
    ("按季", "quarterly"),
    ("annually", "every 12 months"),
    # codes
    ("AA+", "rated AA+ or better"),
    ("6789 0123", "+65 6789 0123"),
    ("in 2025", "2024 2025 2026"),
]


@pytest.mark.parametrize(("claim", "source"), _SAME)
def test_what_is_true_in_other_words_is_supported(claim: str, source: str) -> None:
    assert unsupported(claim, [source]) == []


_DIFFERENT = [
    # the number of a clause or item is no figure
    ("a late fee of 4.1%", "4.1 A late fee of 2% of the balance applies."),
    ("USD 3", "3. The late fee is USD 45."),
    ("USD 9", "9 Late fee USD\nUSD 45"),
    ("USD 3", "3 - USD 45 for a late payment"),
    ("USD 40", "The 40 largest clients pay USD 45."),
    # another cell, another column's unit
    ("USD 40", "Fee (USD): 45 | Fee (EUR): 40"),
    ("12%", "Rate (%): 3.5 | Term (months): 12"),
    ("3.5 months", "Rate (%): 3.5 | Term (months): 12"),
    ("USD 5", "Limit (USD million): 5"),
    ("USD 40", "Fee (USD): 45; the 40 largest clients pay nothing"),
    # another currency
    ("$50", "EUR 50"),
    ("50元", "50美元"),
    ("50元", "CHF 50"),
    ("5 Hong Kong dollars", "USD 5"),
    ("50 cents", "50 francs"),
    # a currency before what is no amount
    ("HKD 1.25%", "1.25%"),
    ("HKD 1.25%", "HKD 1.25"),
    ("港元1.25%", "1.25%"),
    ("USD 25 bp", "25 bp"),
    ("USD 12 months", "12 months"),
    # another sign
    ("-0.75%", "0.75%"),
    ("−0.75%", "0.75%"),
    ("minus 0.75%", "0.75%"),
    ("负0.75%", "0.75%"),
    ("0.75%", "-0.75%"),
    ("0.75%", "minus 0.75%"),
    # something directly behind or inside the number
    ("USD 5k", "USD 5"),
    ("USD 5 m", "USD 5"),
    ("USD 5 trillion", "USD 5"),
    ("USD 5", "USD 5k"),
    ("USD 5", "USD 5 m"),
    ("2½%", "2%"),
    ("2%", "2½%"),
    ("5台", "5张"),
    ("5％", "5天"),
    ("USD 1 250", "USD 1 for 250 pages"),
    ("USD 12,50", "USD 12 for 50 pages"),
    ("USD 4\u200b5", "USD 4 or 5"),
    (".5%", "5%"),
    # another period
    ("五日内", "五个月内"),
    ("5日", "5个月"),
    ("30 seconds", "30 minutes"),
    ("within a month", "within a year"),
    ("半年", "一年"),
    ("两年半", "两年"),
    ("每月", "每年"),
    ("quarterly", "monthly"),
    ("per month", "per year"),
    ("one month", "monthly"),
    ("USD 3", "美元3个月"),
    # another share or count
    ("a hundred francs", "a thousand francs"),
    ("a dozen", "a hundred"),
    ("伍佰元", "叁佰元"),
    ("八折", "九折"),
    ("三成", "四成"),
    ("一半", "三分之一"),
    ("三分之一", "三分之二"),
    ("half", "all"),
    ("a quarter of the fee", "a third of the fee"),
    ("0.5 percentage points", "0.5%"),
    ("0.5%", "0.5 percentage points"),
    ("second", "first"),
    ("first", "second"),
    ("twice", "once"),
    ("once", "twice"),
    ("两次", "三次"),
    # another code
    ("AA+", "BB+"),
    ("AA", "AA-"),
    ("022 345 67 89", "022 67 345 89"),
]


@pytest.mark.parametrize(("claim", "source"), _DIFFERENT)
def test_what_only_looks_alike_is_not_supported(claim: str, source: str) -> None:
    assert unsupported(claim, [source]) != []
    assert unsupported(claim, [source, claim]) == []


@pytest.mark.parametrize("piece", ["5；", "5: ", "a: 5 | ", "1 000 ", "1,0", "two hundred ", "minus ", "1½ ", "12 345 "])
def test_long_lines_of_numbers_are_checked_in_time(piece: str) -> None:
    started = time.process_time()
    unsupported("USD 7 or 8%", [(piece * 4000)[:4000]])
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("5k", [("5", "?k")]),
        ("USD 5k", [("5", "USD ?k")]),
        ("5台", [("5", "?台")]),
        ("2 percentage points", [("2", "points")]),
        ("2个百分点", [("2", "points")]),
        ("日利率万分之五", [("1", "every day"), ("0.05", "%")]),
        ("minus USD 5", [("-5", "USD")]),
        ("八五折", [("8.5", "折")]),
        ("a year", []),
        ("万元", [("10000", MONEY)]),
        ("（万元）", []),
        ("大陆个人客户", []),
    ],
)
def test_readings(text: str, read: list[tuple[str, str]]) -> None:
    assert _read(text) == [(Decimal(value), unit) for value, unit in read]


def test_no_words_of_periods_counts_and_currencies_break_the_reading() -> None:
    """Documents are full of "per annum"; a reader that knows a word by its pattern and not by its value fails in the middle of an answer."""
    periods = "second sec minute min hour hr h day week month quarter year annum business\tday working day banking day 年 半年 季 季度 月 个月 日 周 天 小时 分钟 工作日 营业日"
    frames = (
        "2.5% per {}",
        "each {}",
        "every full {}",
        "USD 5 a {}",
        "within a {}",
        "3 {}s",
        "half a {}",
        "half {}",
        "二{}",
        "每{}",
        "半{}",
        "{}费5元",
        "两{}半",
        "per {}",
        "{}",
    )
    for word in periods.replace("business\tday", "business-day").split():
        for frame in frames:
            quantities(frame.format(word))
    assert _read("2.5% per annum") == [(Decimal("2.5"), "%"), (Decimal(12), "every month")]
    assert unsupported("2.5% a year", ["The rate is 2.5% per annum."]) == []


def test_a_text_without_its_quantities() -> None:
    assert without_quantities("from 1 July 2026 USD 45 a year").replace("\0", "") == "from   "


def test_without_sources_every_claim_is_unsupported() -> None:
    assert [quantity.text for quantity in unsupported("CHF 4.00 or 5%, one card", [])] == ["CHF 4.00", "5%"]


def test_a_bare_number_takes_its_unit_from_its_line() -> None:
    known, claim = Quantity(Decimal(5), "", "5", 0, 1), Quantity(Decimal(5), "business day", "5 business days", 0, 15)
    assert states(known, claim, "Duration in days: 5")
    assert not states(known, claim, "Fee in euros: 5")
