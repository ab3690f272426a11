"""Loan cases, rated again from the guide's text alone."""

from __future__ import annotations

import operator
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from adapters.data.loans import loan_group, rating_line, reason_line
from core.prompts import NOT_FOUND, PromptPassage

Guide = dict[str, tuple[str, str, str]]

_GROUPS = 300

#: what a measure is about, whatever a guide or an application calls it
_TOPICS = {
    "debt": r"debt|dti|负债收入|债务收入|月供占收入|月供收入",
    "value": r"loan[- ]to[- ]value|ltv|property's value|抵押率|贷款价值|贷款成数|房产价值",
    "job": r"employ|工作|就业",
    "missed": r"missed|late payments|逾期",
    "score": r"score|评分",
    "reserve": r"reserve|savings|存款可覆盖|储备",
}

_LIMITS: list[tuple[str, Callable[[int, int], bool]]] = [
    (r"(?:at most|up to|no more than|不超过|不高于) ?(\d+)%?|(\d+)%? ?(?:or less|及以下)", operator.le),
    (r"(?:at least|from|no fewer than|不少于|至少) ?(\d+)%?|(\d+)%? ?(?:or more|及以上)", operator.ge),
    (r"(?:above|over|more than|超过|高于) ?(\d+)%?", operator.gt),
    (r"(?:below|fewer than|less than|少于|低于|不足) ?(\d+)%?", operator.lt),
]


def _holds(words: str, value: int) -> bool:
    """Whether the value keeps every limit of the words."""
    limits = 0
    for pattern, keeps in _LIMITS:
        for match in re.finditer(pattern, words):
            limits += 1
            if not keeps(value, int(match[1] or match[2] if match.re.groups > 1 else match[1])):
                return False
        words = re.sub(pattern, " ", words)
    assert limits
    assert not re.search(r"\d", words), words
    return True


def _topic(text: str) -> str:
    (topic,) = [name for name, pattern in _TOPICS.items() if re.search(pattern, text, re.IGNORECASE)]
    return topic


def _guide(text: str) -> tuple[str, Guide] | None:
    """The form of a guide and its words for low, medium and high by measure; None where the text is no guide."""
    lines = text.split("\n")
    if all(re.match(r"(Rating|Risk|评级|风险等级): ", line) for line in lines) and len(lines) == 3:
        rows = [dict(cell.split(": ") for cell in line.split(" | ")) for line in lines]
        names = list(rows[0])[1:]
        return "by rating", {name: (rows[0][name], rows[1][name], rows[2][name]) for name in names}
    if all(re.match(r"(Measure|Criterion|指标|评级指标): ", line) for line in lines):
        cells = [[cell.split(": ")[1] for cell in line.split(" | ")] for line in lines]
        return "table", {name: (low, medium, high) for name, low, medium, high in cells}
    clauses = [
        re.fullmatch(r"\d\.\d (.+): the risk is low with (.+), medium with (.+), and high with (.+)\.", line)
        or re.fullmatch(r"第[一二三四五六七八九十]+条 (.+)：(.+)的为低风险；(.+)的为中风险；(.+)的为高风险。", line)
        for line in lines
    ]
    found = [clause for clause in clauses if clause]
    return ("clauses", {clause[1]: (clause[2], clause[3], clause[4]) for clause in found}) if len(found) == len(lines) else None


def _values(question: str) -> dict[str, str]:
    """The figures of an application by topic, as they are written."""
    values: dict[str, str] = {}
    for part in re.split(r"[,;，、；]", question):
        part = re.sub(r"last 12 months|近12个月", "", part)
        figures = re.findall(r"\d+%?", part)
        if figures:
            (values[_topic(part)],) = figures
    return values


def _rated_again(question: str, guide: Guide, number: int, chinese: bool) -> str:
    bands = ("低", "中", "高") if chinese else ("low", "medium", "high")
    values = _values(question)
    lines, worst = [], 0
    for name, words in guide.items():
        value = values.pop(_topic(name), None)
        if value is not None:
            (band,) = [place for place in range(3) if _holds(words[place], int(value.rstrip("%")))]
            worst = max(worst, band)
            lines.append(f"{name}{value}：{bands[band]}，{words[band]} [{number}]" if chinese else f"{name} {value}: {bands[band]}, {words[band]} [{number}]")
    assert values == {}, "an application gives a figure that the guide does not rate"
    return "\n".join([*lines, f"评级：{bands[worst]}"]) if chinese else " " + "\n".join([*lines, f"Rating: {bands[worst]}"])


def _cited(passages: Sequence[PromptPassage]) -> tuple[int, Guide] | None:
    """Of the guides among the passages, the table before the clauses before the one by rating."""
    guides = [(number, *found) for number, passage in enumerate(passages, 1) if (found := _guide(passage.text))]
    if not guides:
        return None
    number, _, guide = min(guides, key=lambda each: ("table", "clauses", "by rating").index(each[1]))
    return number, guide


def test_every_case_is_rated_as_the_guide_says() -> None:
    rng = random.Random(1)
    seen: Counter[str] = Counter()
    for _ in range(_GROUPS):
        passages, cases = loan_group(rng)
        cited = _cited(passages)
        for question, target in cases:
            chinese = re.search("[一-鿿]", question) is not None
            seen["cases zh" if chinese else "cases en"] += 1
            if cited is None:
                assert target == f" {NOT_FOUND}"
                seen["no guide"] += 1
            else:
                assert target == _rated_again(question, cited[1], cited[0], chinese)
                seen[target.rpartition("\n")[2]] += 1
        for passage in passages:
            if guide := _guide(passage.text):
                seen[guide[0]] += 1
    assert all(seen[kind] > 20 for kind in ("cases en", "cases zh", "no guide", "table", "clauses", "by rating")), seen
    assert all(seen[line] > 40 for line in ("Rating: low", "Rating: medium", "Rating: high", "评级：低", "评级：中", "评级：高")), seen


def test_cases_lie_on_both_sides_of_thresholds_and_right_on_them() -> None:
    rng = random.Random(2)
    bands: Counter[int] = Counter()
    on_limit = left_out = applications = 0
    for _ in range(_GROUPS // 3):
        passages, cases = loan_group(rng)
        cited = _cited(passages)
        for question, _ in cases if cited else []:
            assert cited
            values = _values(question)
            applications += 1
            left_out += len(values) < len(cited[1])
            for name, words in cited[1].items():
                if (written := values.get(_topic(name))) is not None:
                    value = int(written.rstrip("%"))
                    bands.update(place for place in range(3) if _holds(words[place], value))
                    on_limit += str(value) in re.findall(r"\d+", " ".join(words))
    total = sum(bands.values())
    # low is the most frequent: a quarter of the applications keep to it, or to low and medium
    assert all(0.15 < bands[place] / total < 0.5 for place in range(3)), bands
    assert on_limit > 0.1 * total
    assert 0.1 * applications < left_out < 0.4 * applications


def test_the_same_seed_gives_the_same_cases() -> None:
    assert loan_group(random.Random(5)) == loan_group(random.Random(5)) != loan_group(random.Random(6))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (reason_line("Debt-to-income ratio", "46%", "high", "above 43%", 2, "en"), "Debt-to-income ratio 46%: high, above 43% [2]"),
        (reason_line("负债收入比", "46%", "高", "超过43%", 1, "zh"), "负债收入比46%：高，超过43% [1]"),
        (rating_line("high", "en"), "Rating: high"),
        (rating_line("高", "zh"), "评级：高"),
    ],
)
def test_lines_of_an_answer(line: str, expected: str) -> None:
    assert line == expected
