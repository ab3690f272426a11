"""Does an answer give all that the question asks for?

"What do three copies cost in total?" is not answered by the price of one, "the fee and the minimum?" not by the fee alone. :mod:`assistant.asked_figures` says what a question asks for; here an
answer that is one figure and no more fails where that is not enough, and so does a sentence that passes one off as what is asked for ("three copies cost SGD 7"). A figure that the cited passage
states as a total, for that number of things, for a year or as a difference is what a document computed already, and passes. The whole answer is judged: what its first sentence lacks the second may say.

It says nothing of a sentence that gives half of what was asked and claims no more ("a copy costs SGD 7"), of an answer with two figures, and of whether two figures are the right ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from assistant.asked_figures import Asks, asks, count_of
from assistant.kind_check import Kind, bare_figures, kind
from core.text.numbers import Quantity, quantities
from core.text.places import place_of
from core.text.sentences import sentences
from core.text.units import EVERY, TIMES, UNKNOWN
from core.types import Check, Passage, Sentence

NAME = "complete"
#: words with which a document says that it computed what is asked for
_STATED = {
    Asks.SUM: re.compile(
        r"\b(?:total|totals|altogether|overall|combined|together|both|sum|inclusive|including|included|incl|package)\b|[一总统拢]共|共计|合计|总计|总[额价费]|包[括含]|内含|含(?=.{0,6}[费税])|加起来|打包|套餐",
        re.IGNORECASE,
    ),
    Asks.DIFFERENCE: re.compile(
        r"\b(?:cheaper|dearer|(?:lower|higher|more expensive|less expensive) than|points? (?:below|above|lower|higher|less|more|under|over)|reduc\w+|discount\w*|rebate|bonus|surcharge\w*|difference"
        r"|increase\w*|extra|saves?)\b|比[^例较重率].{0,16}[高低贵多少便]|相差|差[额价距]|减[免收少]|优惠|加收|少收|多收|高出|低出|上浮|下浮|[加减]点|百分点|基点|[\d一二三四五六七八九]折",
        re.IGNORECASE,
    ),
    Asks.YEAR: re.compile(r"\b(?:year|years|yearly|annual|annually|annum|twelve months|12 months)\b|年", re.IGNORECASE),
}
#: words of an answer that says itself that its figure is for one
_OF_ONE = re.compile(r"\b(?:each|per|apiece|every|one|a piece)\b|每|单价|一[张份笔次页本]", re.IGNORECASE)
_COMPUTED = (Asks.SUM, Asks.PRODUCT, Asks.DIFFERENCE, Asks.YEAR, Asks.PART)
#: words with which a document says that one figure is that of several things
_SEVERAL_STATED = re.compile(r"\b(?:both|each|either|all|equally|same|alike)\b|均|都|各|同样|相同|一样", re.IGNORECASE)


def asks_for_more(question: str) -> bool:
    """Whether a question asks for more than a figure that stands somewhere, so that no sentence of its answer can be judged before all are there."""
    return asks(question) is not Asks.ONE


def checked(answer: Sequence[Sentence], passages: Sequence[Passage], question: str) -> list[Sentence]:
    """The sentences of an answer, those that passed with this check more."""
    kept = [sentence for sentence in answer if sentence.passed]
    numbers = {number for sentence in kept for number in sentence.citations}
    found = check(" ".join(sentence.text for sentence in kept), [passages[number - 1] for number in sorted(numbers)], question)
    return [replace(sentence, checks=(*sentence.checks, found)) if sentence.passed else sentence for sentence in answer]


def check(text: str, cited: Sequence[Passage], question: str) -> Check:
    """Passes an answer that is more than one bare figure; one figure where the question asks for no more, or the passage states it as what is asked for."""
    asked = asks(question)
    figures = _claimed(text, question, asked) or [one for one in bare_figures(text) if not one.unit.startswith(EVERY)]
    if asked is Asks.ONE or len(figures) != 1:
        return Check(NAME, True, "the question asks for one figure at most" if asked is Asks.ONE else "more than one figure alone")
    if _is_enough(text, figures[0], cited, question, asked):
        return Check(NAME, True, f"the question asks for {asked}, which the figure may be")
    of = "of a passage " if asked in _COMPUTED else ""
    return Check(NAME, False, f"the question asks for {asked}; the answer states one figure {of}and no more")


def _is_enough(text: str, figure: Quantity, cited: Sequence[Passage], question: str, asked: Asks) -> bool:
    places = list(_places(text, figure, cited))
    if asked is Asks.SEVERAL:
        return any(_SEVERAL_STATED.search(line) for line in places)
    if asked is Asks.PART:
        return kind(figure) is not Kind.RATE
    if kind(figure) in (Kind.PERIOD, Kind.CLOCK, Kind.DATE) and asked is not Asks.DIFFERENCE:
        return True  # of another kind than what is computed: the check of kinds judges it
    if asked is Asks.PRODUCT:
        count = count_of(question)
        return kind(figure) is Kind.RATE or (count is not None and any(_counts(line, count) for line in places))
    if asked is Asks.YEAR and len(quantities(text)) > 1:
        return True  # "SGD 5 a month" says itself that it is for no year
    return any(_STATED[asked].search(line) for line in places)


def _claimed(text: str, question: str, asked: Asks) -> list[Quantity]:
    """The amounts of a sentence that says that they are what a computation comes to."""
    if asked is Asks.PRODUCT:
        count = count_of(question)
        claims = count is not None and _counts(text, count) and not _OF_ONE.search(text)
    else:
        claims = asked in _STATED and _STATED[asked].search(text) is not None
    return [one for one in quantities(text) if kind(one) is Kind.AMOUNT] if claims else []


def _counts(line: str, count: Decimal) -> bool:
    return any(one.value == count and (one.unit in ("", TIMES) or one.unit.startswith(UNKNOWN)) for one in quantities(line))


def _places(text: str, figure: Quantity, cited: Sequence[Passage]) -> Iterator[str]:
    """The sentences and rows that hold the answer's figure to the letter, each under its headings."""
    words = text.strip().rstrip(".。")
    for passage in cited:
        lines = [span.text for span in sentences(passage.text)]
        holding = [line for line in lines if place_of(words, line) >= 0] or [line for line in lines if place_of(figure.text.strip(), line) >= 0]
        heading = " > ".join(passage.heading_path[-1:])
        yield from (f"{heading}\n{line}" for line in holding)
