"""Loan applications to rate by the thresholds of a guide: invented guides in several forms, cases on both sides of every threshold.

The answer names each measure with its value, its rating and the words of the guide that decide it, then the worst rating:

    Debt-to-income ratio 46%: high, above 43% [2]
    Years in employment 5: low, at least 4 [2]
    Rating: high
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.data.passages import PassageTemplate, load_all
from adapters.data.slots import Language
from core.prompts import NOT_FOUND, PromptPassage
from core.text.markers import marker
from core.text.tables import table_lines

BANDS: Mapping[Language, tuple[str, str, str]] = {"en": ("low", "medium", "high"), "zh": ("低", "中", "高")}


@dataclass(frozen=True, slots=True)
class _Kind:
    """A measure: its names in guides, how applications put it, and where its two thresholds lie."""

    names: Mapping[Language, tuple[str, ...]]
    asks: Mapping[Language, tuple[str, ...]]
    unit: str
    low: tuple[int, int]
    step: tuple[int, int]
    more_is_better: bool = False


_KINDS = (
    _Kind(
        {"en": ("Debt-to-income ratio", "Debt service ratio", "DTI", "Total debt payments to income"), "zh": ("负债收入比", "债务收入比", "月供收入比")},
        {
            "en": ("debt-to-income ratio {v}", "DTI {v}", "debt-to-income ratio of {v}", "debt payments take {v} of income", "a DTI of {v}"),
            "zh": ("负债收入比{v}", "负债收入比为{v}", "月供占收入{v}", "债务收入比{v}"),
        },
        "%", (18, 40), (4, 16),
    ),
    _Kind(
        {"en": ("Loan-to-value ratio", "LTV", "Loan to value"), "zh": ("抵押率", "贷款价值比", "贷款成数")},
        {
            "en": ("loan-to-value ratio {v}", "LTV {v}", "loan-to-value of {v}", "the loan is {v} of the property's value"),
            "zh": ("抵押率{v}", "抵押率为{v}", "贷款价值比{v}", "贷款占房产价值{v}"),
        },
        "%", (45, 75), (5, 20),
    ),
    _Kind(
        {"en": ("Years in employment", "Years with the present employer", "Length of employment in years"), "zh": ("工作年限", "现单位工作年限", "连续就业年数")},
        {
            "en": ("{v} years in employment", "employed for {v} years", "years in employment: {v}", "{v} years with the same employer", "years with the present employer {v}"),
            "zh": ("工作年限{v}年", "在现单位工作{v}年", "工作{v}年", "连续就业{v}年"),
        },
        "", (3, 9), (1, 3), True,
    ),
    _Kind(
        {"en": ("Missed payments in the last 12 months", "Late payments in the last 12 months", "Missed payments"), "zh": ("近12个月逾期次数", "最近一年逾期次数", "逾期次数")},
        {
            "en": ("{v} missed payments in the last 12 months", "missed payments: {v}", "{v} late payments last year", "missed payments in the last 12 months {v}"),
            "zh": ("近12个月逾期{v}次", "逾期次数{v}", "最近一年逾期{v}次"),
        },
        "", (0, 2), (1, 3),
    ),
    _Kind(
        {"en": ("Credit score", "Bureau score"), "zh": ("信用评分", "征信评分")},
        {"en": ("credit score {v}", "bureau score of {v}", "a credit score of {v}"), "zh": ("信用评分{v}", "征信评分{v}分")},
        "", (660, 780), (40, 150), True,
    ),
    _Kind(
        {"en": ("Reserve in monthly payments", "Savings in monthly instalments"), "zh": ("存款可覆盖月供月数", "储备月数")},
        {"en": ("savings of {v} monthly payments", "reserve in monthly payments: {v}"), "zh": ("存款可覆盖{v}个月月供", "储备月数{v}")},
        "", (5, 12), (1, 4), True,
    ),
)  # fmt: skip

#: words for the limits: (at most, above, at least, below)
_WORDS: Mapping[Language, tuple[tuple[str, str, str, str], ...]] = {
    "en": (
        ("at most {}", "above {}", "at least {}", "fewer than {}"),
        ("up to {}", "over {}", "from {}", "below {}"),
        ("{} or less", "more than {}", "{} or more", "less than {}"),
        ("no more than {}", "more than {}", "no fewer than {}", "fewer than {}"),
    ),
    "zh": (("不超过{}", "超过{}", "不少于{}", "少于{}"), ("{}及以下", "高于{}", "{}及以上", "低于{}"), ("不高于{}", "高于{}", "至少{}", "不足{}")),
}
_AND: Mapping[Language, tuple[str, ...]] = {"en": (", ", " and "), "zh": ("，", "且", "但")}


@dataclass(frozen=True, slots=True)
class _Measure:
    """One line of a guide: the words for low, medium and high."""

    kind: _Kind
    name: str
    low: int
    mid: int
    words: tuple[str, str, str]

    def band(self, value: int) -> int:
        if self.kind.more_is_better:
            return 0 if value >= self.low else 1 if value >= self.mid else 2
        return 0 if value <= self.low else 1 if value <= self.mid else 2


def loan_group(rng: random.Random) -> tuple[tuple[PromptPassage, ...], list[tuple[str, str]]]:
    """A guide among other passages, and cases as (application, answer)."""
    language: Language = "zh" if rng.random() < 0.4 else "en"
    measures = _measures(language, rng)
    forms = rng.sample([_as_table, _as_clauses, _by_rating], 2 if rng.random() < 0.3 else 1)
    guides = [PromptPassage(_heading(language, rng), form(measures, language, rng)) for form in forms]
    others = [
        PromptPassage(passage.heading, passage.text)
        for passage in (template.render(rng) for template in rng.sample(_bank_passages(language), rng.choice([0, 1, 2, 3])))
    ]
    absent = rng.random() < 0.08
    passages = others if absent and others else [*guides, *others]
    rng.shuffle(passages)
    # where the guide is given twice, the form named first here is cited
    order = [_as_table, _as_clauses, _by_rating]
    cited = guides[min(range(len(forms)), key=lambda position: order.index(forms[position]))]
    number = passages.index(cited) + 1 if cited in passages else None
    cases = []
    for _ in range(4 if number is None else 12):
        application, values = _application(measures, language, rng)
        cases.append((application, f" {NOT_FOUND}" if number is None else _answer(measures, values, number, language)))
    return tuple(passages), cases


def _measures(language: Language, rng: random.Random) -> list[_Measure]:
    words, joint = rng.choice(_WORDS[language]), rng.choice(_AND[language])
    measures = []
    for kind in rng.sample(_KINDS, rng.choice([3, 4, 4, 5])):
        low = rng.randint(*kind.low)
        step = rng.randint(*kind.step)
        mid = max(1, low - step) if kind.more_is_better else low + step
        low_text, mid_text = f"{low}{kind.unit}", f"{mid}{kind.unit}"
        at_most, above, at_least, below = (word.format for word in words)
        if kind.more_is_better:
            texts = (at_least(low_text), f"{at_least(mid_text)}{joint}{below(low_text)}", below(mid_text))
        else:
            texts = (at_most(low_text), f"{above(low_text)}{joint}{at_most(mid_text)}", above(mid_text))
        measures.append(_Measure(kind, rng.choice(kind.names[language]), low, mid, texts))
    return measures


def _as_table(measures: Sequence[_Measure], language: Language, rng: random.Random) -> str:
    header = {
        "en": (["Measure", "Low", "Medium", "High"], ["Criterion", "Low risk", "Medium risk", "High risk"]),
        "zh": (["指标", "低风险", "中风险", "高风险"], ["评级指标", "低", "中", "高"]),
    }[language]
    return "\n".join(table_lines(rng.choice(header), [[measure.name, *measure.words] for measure in measures]))


def _by_rating(measures: Sequence[_Measure], language: Language, rng: random.Random) -> str:
    names = [rng.choice(["Rating", "Risk"] if language == "en" else ["评级", "风险等级"]), *(measure.name for measure in measures)]
    bands = ("Low", "Medium", "High") if language == "en" else BANDS["zh"]
    return "\n".join(table_lines(names, [[band, *(measure.words[place] for measure in measures)] for place, band in enumerate(bands)]))


def _as_clauses(measures: Sequence[_Measure], language: Language, rng: random.Random) -> str:
    chapter = rng.randint(1, 9)
    lines = []
    for position, measure in enumerate(measures, 1):
        low, mid, high = measure.words
        if language == "en":
            lines.append(f"{chapter}.{position} {measure.name}: the risk is low with {low}, medium with {mid}, and high with {high}.")
        else:
            lines.append(f"第{_chinese(position + chapter)}条 {measure.name}：{low}的为低风险；{mid}的为中风险；{high}的为高风险。")
    return "\n".join(lines)


def _heading(language: Language, rng: random.Random) -> str:
    if language == "en":
        return rng.choice(
            [
                "Loan Rating Guide > Thresholds",
                "Credit Risk Manual > Rating of applications",
                "Rating rules of the risk department",
                "Scorecard for private loans > Limits",
            ]
        )
    return rng.choice(["信贷风险评级指引 > 评级标准", "风险部贷款评级办法", "个人贷款评分卡 > 阈值", "授信风险手册 > 评级指标"])


def _application(measures: Sequence[_Measure], language: Language, rng: random.Random) -> tuple[str, list[int | None]]:
    """The request, and the value of each measure; some applications leave a figure out."""
    values: list[int | None] = list(_values(measures, rng))
    if len(values) > 2 and rng.random() < 0.25:
        values[rng.randrange(len(values))] = None
    parts = [
        rng.choice(measure.kind.asks[language]).format(v=f"{value}{measure.kind.unit}")
        for measure, value in zip(measures, values, strict=True)
        if value is not None
    ]
    rng.shuffle(parts)
    if language == "en":
        start = rng.choice(
            [
                "Rate this application: ",
                "Assess the risk of this loan application: ",
                "How risky is this borrower? ",
                "Please rate: ",
                "Loan application, applicant with ",
                "What rating would you propose for an applicant with ",
            ]
        )
        listed = rng.choice([", ", "; "]).join(parts)
        return f"{start}{listed}{'?' if start.startswith('What') else '.'}", values
    start = rng.choice(["请评估该笔贷款申请的风险等级：", "请对以下申请评级：", "该借款人风险如何？", "贷款申请评级："])
    return f"{start}{rng.choice(['，', '、', '；']).join(parts)}。", values


def _values(measures: Sequence[_Measure], rng: random.Random) -> list[int]:
    """A value per measure. The worst of four is nearly always high, so a third of the cases keep to low, or to low and medium."""
    worst = rng.choices([0, 1, 2], [10, 18, 72])[0]
    values = []
    for measure in measures:
        value = _value(measure, rng)
        while measure.band(value) > worst:
            value = _value(measure, rng)
        values.append(value)
    return values


def _value(measure: _Measure, rng: random.Random) -> int:
    """A value in each band equally often, and often at or next to a threshold."""
    low, mid = sorted((measure.low, measure.mid))
    if rng.random() < 0.3:
        return max(0, rng.choice([low, mid, low + 1, mid + 1, low - 1, mid - 1]))
    width = max(2, mid - low)
    return max(0, rng.choice([rng.randint(low - width, low), rng.randint(low + 1, max(low + 1, mid)), rng.randint(mid + 1, mid + width)]))


def _answer(measures: Sequence[_Measure], values: Sequence[int | None], number: int, language: Language) -> str:
    lines = []
    worst = 0
    for measure, value in zip(measures, values, strict=True):
        if value is not None:
            band = measure.band(value)
            worst = max(worst, band)
            lines.append(reason_line(measure.name, f"{value}{measure.kind.unit}", BANDS[language][band], measure.words[band], number, language))
    lines.append(rating_line(BANDS[language][worst], language))
    return " " + "\n".join(lines) if language == "en" else "\n".join(lines)


def reason_line(name: str, value: str, band: str, words: str, number: int, language: Language) -> str:
    return f"{name} {value}: {band}, {words}{marker(number)}" if language == "en" else f"{name}{value}：{band}，{words}{marker(number)}"


def rating_line(band: str, language: Language) -> str:
    return f"Rating: {band}" if language == "en" else f"评级：{band}"


def _bank_passages(language: Language) -> list[PassageTemplate]:
    return [template for template in load_all(language) if template.id.startswith(("b-", "zk-"))]


def _chinese(number: int) -> str:
    digits = "零一二三四五六七八九十"
    return digits[number] if number <= 10 else "十" + (digits[number - 10] if number > 10 else "")
