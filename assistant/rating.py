"""A proposed loan rating: the model's lines read into reasons, each comparison computed again.

The model proposes, arithmetic disposes: a line such as ``Debt-to-income ratio 46%: high, above 43% [2]`` passes when 46% is
a figure of the application, ``above 43%`` stands in the cited passage under ``high``, and 46 is above 43. The rating must be
the worst of its reasons. Where the application gives one figure for a measure, one passage sets thresholds for it and one
rating's limit holds for the figure, a line that says otherwise is corrected, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from assistant.application_figures import figures
from assistant.asked import source_text
from assistant.ground import CORRECTION, numbers_check
from assistant.thresholds import BAND, thresholds
from core.text.language import HAN
from core.text.markers import split_markers
from core.text.normalise import normalise
from core.text.numbers import Quantity, quantities, unsupported
from core.types import Check, Passage, Sentence

RATINGS = ("low", "medium", "high")
_CHINESE = {"low": "低", "medium": "中", "high": "高"}
_REASON = re.compile(r"(?P<name>.+?)\s?(?P<value>\d[\d.,]*%?)\s?[:：]\s?(?P<band>low|medium|high|低|中|高)[,，]\s?(?P<words>.+)", re.IGNORECASE)
_RATING = re.compile(r"(?P<before>Rating:|评级[:：])\s?(?P<band>low|medium|high|低|中|高)\W*", re.IGNORECASE)
_ECHO = re.compile(r"(?P<name>[^:：]+)[:：]\s?(?:low|medium|high|低|中|高)[,，]", re.IGNORECASE)
_LABEL = re.compile(r"\b(low|medium|high)\b|([低中高])(?=风险|[:：])", re.IGNORECASE)
#: limits in words: what a value must be to the number beside them; longer ones first, "no more than" is no "more than"
_LIMITS: Sequence[tuple[str, str]] = (
    (
        r"(?:at most|up to|no more than|not more than|not (?:above|over|exceeding)|(?:不|不得|未)(?:超过|高于|大于)|至多)\s*{n}|{n}\s*(?:or less|or fewer|及以下|以下（含）)",
        "<=",
    ),
    (
        r"(?:at least|no fewer than|no less than|not (?:below|less than|fewer than|under)|from|(?:不|不得)(?:少于|低于|小于)|至少)\s*{n}|{n}\s*(?:or more|及以上)",
        ">=",
    ),
    (r"(?:above|over|more than|exceeding|超过|高于|大于)\s*{n}", ">"),
    (r"(?:below|fewer than|less than|under|少于|低于|小于|不足)\s*{n}", "<"),
)
#: left of a limit's words when all that was understood is taken out: what may turn it round, or another limit in words that were not understood
_NOT_UNDERSTOOD = re.compile(r"\d|[不未没非无除]|\b(?:no|not|never|except|unless|without|neither|nor)\b", re.IGNORECASE)
#: a limit where it is no piece of another: "above 4" of "above 43%", "more than 5" of "no more than 5", 超过31% of 不超过31%
_WHOLE = r"(?:(?<![A-Za-z])|(?![A-Za-z]))(?<![\d.,不未没])(?<!\b[Nn]o )(?<!\b[Nn]ot ){}(?![A-Za-z]|[.,]?\d|\s?[%‰])"
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Reason:
    measure: str
    value: str
    rating: str
    words: str
    citation: int

    def line(self) -> str:
        """As an adapter learns to write it."""
        if HAN.search(self.measure + self.words):
            gap = " " if self.measure[-1].isascii() else ""
            return f"{self.measure}{gap}{self.value}：{_CHINESE[self.rating]}，{self.words} [{self.citation}]"
        return f"{self.measure} {self.value}: {self.rating}, {self.words} [{self.citation}]"


@dataclass
class RatingChecker:
    """Checks the lines of a rating in order and keeps what they say."""

    passages: Sequence[Passage]
    question: str
    reasons: list[Reason] = field(default_factory=list)
    rating: str | None = None
    corrected: bool = False

    def check(self, text: str) -> Sentence:
        text = normalise(text)
        if match := _RATING.fullmatch(text.strip()):
            return self._rated(text.strip(), BAND[match["band"].lower()], match["before"])
        marked = split_markers(text)
        valid = tuple(number for number in marked.numbers if 1 <= number <= len(self.passages))
        match = _REASON.fullmatch(marked.text)
        if self.rating is not None:
            return Sentence(marked.text, valid, (Check("form", False, "nothing may follow the rating"),), len(quantities(marked.text)))
        if match is None or len(valid) != 1:
            problem = "not of the form MEASURE VALUE: RATING, LIMIT [PASSAGE]"
            return Sentence(marked.text, valid, (Check("form", False, problem),), len(quantities(marked.text)))
        proposed = Reason(match["name"].strip(), match["value"], BAND[match["band"].lower()], match["words"].strip(), valid[0])
        reason, sentence = proposed, self._sentence(proposed)
        if not sentence.passed:
            other = self._corrected(proposed)
            mended = self._sentence(other)
            if other != proposed and mended.passed:
                detail = f"the model wrote {proposed.line()}; by the application and the thresholds it is {other.line()}"
                reason, sentence = other, replace(mended, checks=(*mended.checks, Check(CORRECTION, True, detail)))
                self.corrected = True
        self.reasons.append(reason)
        return sentence

    def echoes(self, text: str) -> bool:
        """Whether a line only repeats words of the application with a rating behind them: it gives no figure and names no measure, and rates nothing."""
        match = _ECHO.match(normalise(text))
        if match is None or any(character.isdigit() for character in match["name"]):
            return False
        name = match["name"].strip().casefold()
        measures = {measure.casefold() for number in range(1, len(self.passages) + 1) for measure in thresholds(self._source(number))}
        return bool(name) and name in normalise(self.question).casefold() and name not in measures

    def _source(self, number: int) -> str:
        return normalise(source_text(self.passages[number - 1]))

    def _corrected(self, reason: Reason) -> Reason:
        """The reason with the one figure that the application gives for its measure, the one passage that sets thresholds for it, and the only limit that
        holds; as it is where any of them is open."""
        numbers = range(1, len(self.passages) + 1)
        own = [(number, limits) for number in numbers if (limits := _of(reason.measure, thresholds(self._source(number))))]
        cited = [one for one in own if one[0] == reason.citation] or own
        if len(cited) != 1:
            return reason
        number, limits = cited[0]
        values = self._figures(reason, number)
        if len(values) != 1:
            return reason
        holding = [(band, words) for band, words in limits if _comparison(values[0], words).passed]
        if len({band for band, _ in holding}) != 1:
            return reason
        return replace(reason, value=values[0], citation=number, rating=holding[0][0], words=holding[0][1])

    def _figures(self, reason: Reason, number: int) -> list[str]:
        """The figures that the application gives for the measure."""
        measures = [*thresholds(self._source(number)), reason.measure]
        asked = figures(normalise(self.question), measures)
        return [figure.text for figure in asked if figure.measure and figure.measure.casefold() == reason.measure.casefold()]

    def as_corrected(self, draft: str) -> str:
        """The draft as it would read with what was corrected: what the rating's probabilities are asked behind."""
        if not self.corrected or not self.reasons or self.rating is None:
            return draft
        chinese = HAN.search(self.reasons[0].measure) is not None
        last = f"评级：{_CHINESE[self.rating]}" if chinese else f"Rating: {self.rating}"
        return ("" if chinese else " ") + "\n".join([*(reason.line() for reason in self.reasons), last])

    def _sentence(self, reason: Reason) -> Sentence:
        passage = self._source(reason.citation)
        text = split_markers(reason.line()).text
        wrong = unsupported(text, [self.question, passage])
        checks = (
            Check("citation", True, f"cites {reason.citation}"),
            numbers_check(text, wrong),
            self._given(reason),
            _limit(reason.measure, reason.words, reason.rating, passage),
            _comparison(reason.value, reason.words),
        )
        return Sentence(text, (reason.citation,), checks, len(quantities(text)), len(wrong))

    def _rated(self, text: str, proposed: str, before: str) -> Sentence:
        """The worst of the reasons; a rating that is not, behind reasons of which some were corrected, is corrected as well."""
        worst = max((RATINGS.index(reason.rating) for reason in self.reasons), default=-1)
        self.rating = RATINGS[worst] if self.corrected else proposed
        right = worst >= 0 and RATINGS[worst] == self.rating
        checks = [Check("rating", right, "the worst of the reasons" if right else "not the worst of the reasons"), self._complete()]
        if right and self.rating != proposed:
            checks.append(Check(CORRECTION, True, f"the model wrote {proposed}; the worst of the corrected reasons is {self.rating}"))
            text = f"{before} {self.rating}" if before.startswith("R") else f"{before}{_CHINESE[self.rating]}"
        return Sentence(text, (), tuple(checks))

    def _complete(self) -> Check:
        """Every measure of the cited thresholds that the application gives a figure for is rated, none twice; where one is not, no figure is left that may be its."""
        rated = [reason.measure.casefold() for reason in self.reasons]
        if twice := next((measure for measure in rated if rated.count(measure) > 1), None):
            return Check("complete", False, f"{twice} is rated twice")
        cited = sorted({reason.citation for reason in self.reasons})
        measures = {name for number in cited for name in thresholds(self._source(number))}
        left = {name for name in measures if name.casefold() not in rated}
        for figure in figures(normalise(self.question), [*measures, *(reason.measure for reason in self.reasons)]):
            if figure.measure in left or (figure.measure is None and left):
                what = f"{figure.measure} is" if figure.measure else f"{figure.text} belongs to no measure that was recognised, and {min(left)} is"
                return Check("complete", False, f"{what} in the thresholds, and is not rated")
        return Check("complete", True, "every measure that the application names is rated")

    def _given(self, reason: Reason) -> Check:
        """The figure is the one that the application gives for the measure."""
        own = self._figures(reason, reason.citation)
        if own == [reason.value]:
            return Check("input", True, f"{reason.value} is in the application")
        if unsupported(reason.value, [self.question]):
            return Check("input", False, f"{reason.value} is not in the application")
        detail = (
            f"the application gives {' and '.join(own)} for {reason.measure}, not {reason.value}"
            if own
            else f"the application names no figure for {reason.measure}"
        )
        return Check("input", False, detail)


def structured(checker: RatingChecker, probabilities: Mapping[str, float] | None) -> dict[str, Any]:
    """The rating as a JSON document. ``probabilities`` come from the likelihoods of the label tokens, never from the text."""
    return {
        "rating": checker.rating,
        "probabilities": {name: round(value, 4) for name, value in probabilities.items()} if probabilities else None,
        "reasons": [
            {"measure": reason.measure, "value": reason.value, "rating": reason.rating, "limit": reason.words, "citation": reason.citation}
            for reason in checker.reasons
        ],
        "decision_support": True,
    }


def before_rating(draft: str) -> tuple[str, tuple[str, str, str]] | None:
    """The draft up to its rating, and the labels that could follow; None without a rating line."""
    matches = list(_RATING.finditer(draft))
    if not matches:
        return None
    match = matches[-1]
    chinese = match["before"].startswith("评级")
    return draft[: match.end("before")], ("低", "中", "高") if chinese else (" low", " medium", " high")


def stated_rating(text: str) -> str | None:
    """The rating that the last rating line of a text gives; None without one."""
    matches = list(_RATING.finditer(normalise(text)))
    return BAND[matches[-1]["band"].lower()] if matches else None


def _of(measure: str, limits: Mapping[str, list[tuple[str, str]]]) -> list[tuple[str, str]] | None:
    return next((found for name, found in limits.items() if name.casefold() == measure.casefold()), None)


def _limit(measure: str, words: str, band: str, passage: str) -> Check:
    """The limit stands in the passage, under this rating somewhere and, where the passage sets thresholds for the measure, among those."""
    own = _of(measure, thresholds(passage))
    if own is not None:
        passed = (band, words) in own
        return Check("limit", passed, f"'{words}' is {'' if passed else 'not '}the limit of {band} for {measure}")
    labels = [_label_near(passage, match.start(), match.end()) for match in re.finditer(_WHOLE.format(re.escape(words)), passage)]
    if not labels:
        return Check("limit", False, f"'{words}' is not in the cited passage")
    passed = band in labels
    other = f"'{words}' is the limit of {labels[0]}" if labels[0] else f"'{words}' stands beside no rating"
    return Check("limit", passed, f"'{words}' is the limit of {band}" if passed else other)


def _label_near(passage: str, start: int, end: int) -> str | None:
    """The rating that a limit belongs to: named just before it, as in tables and English clauses, or behind it, as in Chinese ones."""
    line = passage[passage.rfind("\n", 0, start) + 1 : start]
    row = line.rpartition("\n")[2]
    before = list(_LABEL.finditer(row))
    after = _LABEL.search(re.split(r"[\n|]", passage[end : end + 8])[0])  # not of the next line or cell
    if row.startswith(("Rating:", "Risk:", "评级:", "风险等级:")) and before:
        return BAND[before[0][0].lower()]  # a table with a row per rating
    if after and after[2]:
        return BAND[after[2]]
    if before and len(row) - before[-1].end() <= 10:
        return BAND[before[-1][0].lower()]
    return None


def _comparison(value: str, words: str) -> Check:
    """Whether the value keeps every limit that the words state."""
    number = _plain(quantities(value))
    limits = _limits(words)
    if number is None or not limits:
        return Check("comparison", False, f"'{words}' states no limit to compare with")
    for sign, limit in limits:
        if not {"<=": number <= limit, ">=": number >= limit, "<": number < limit, ">": number > limit}[sign]:
            return Check("comparison", False, f"{value} is not {sign} {limit}")
    return Check("comparison", True, f"{value} is {words}")


def _limits(words: str) -> list[tuple[str, Decimal]]:
    """The limits that the words state; none when a number in them is none, such as 1.2.3."""
    found: list[tuple[str, Decimal]] = []
    left = words
    for pattern, sign in _LIMITS:
        for match in re.finditer(pattern.replace("{n}", r"(\d[\d.,]*)\s?%?"), left, re.IGNORECASE):
            digits = next(group for group in match.groups() if group).rstrip(".,")
            if not _NUMBER.fullmatch(digits):
                return []
            found.append((sign, Decimal(digits.replace(",", ""))))
            left = left[: match.start()] + " " * (match.end() - match.start()) + left[match.end() :]
    return [] if _NOT_UNDERSTOOD.search(left) else found


def _plain(found: Sequence[Quantity]) -> Decimal | None:
    return found[0].value if len(found) == 1 and isinstance(found[0].value, Decimal) else None
