"""Whether a suite may be trusted: every item against the corpus and against itself, and the shares of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from core.text.numbers import quantities
from eval.suite.corpus import Corpus
from eval.suite.file import Draft, Problem
from eval.suite.item import Evidence, Item
from eval.suite.leaks import Leak
from eval.suite.manifest import Manifest
from eval.suite.personal import kinds_in

#: of a general suite, the share of items to be refused
REFUSED_AT_LEAST, REFUSED_AT_MOST = 0.15, 0.40
#: the metric of a suite that says what the right answers are
ANSWERS = "correct"
#: answers of these tasks need not stand in a document: they are computed, decided, or concern who answers
_DERIVED = ("calc", "loan_risk", "routing")


def check_items(draft: Draft, corpus: Corpus | None, today: date) -> list[Problem]:
    """Every problem of every item, in the order of the file. Without a corpus, evidence is not looked at."""
    problems: list[Problem] = []
    judged = draft.manifest is None or ANSWERS in draft.manifest.primary
    for line, item in draft.items:
        found = [*_consistent(item, judged), *(_evidence(item, corpus, today) if corpus is not None else ())]
        found += [f"personal data ({', '.join(kinds)}) in what is asked or expected" for kinds in [kinds_in(item)] if kinds]
        problems += [Problem(line, item.id, text) for text in found]
    if draft.manifest is not None:
        problems += [Problem(None, "", text) for text in _shares(draft.manifest, [item for _, item in draft.items])]
        problems += [Problem(None, "", text) for text in corpus.missing(draft.manifest.corpus.documents)] if corpus is not None else []
    return problems


def leak_problems(draft: Draft, leaks: Iterable[Leak]) -> list[Problem]:
    lines = {item.id: line for line, item in draft.items}
    return [
        Problem(
            lines.get(leak.item),
            leak.item,
            f"asked to the letter in {leak.source}: {leak.text!r}" if leak.exact else f"13 tokens in a row as in {leak.source}: {leak.shared!r}",
        )
        for leak in leaks
    ]


def check_warnings(draft: Draft) -> list[Problem]:
    """What a person should look at: an expected answer that no evidence states may be right all the same."""
    return [Problem(line, item.id, text) for line, item in draft.items for text in _unsupported(item)]


def _consistent(item: Item, judged: bool) -> Iterator[str]:
    """``judged``: the suite claims something of answers, and not of retrieval alone."""
    answer, expect = item.answer, item.expect
    expected = bool(answer.texts or answer.facts or answer.numbers or answer.verdict)
    if expect.refuse:
        if expect.reason is None:
            yield "is to be refused, and expect.reason does not say why"
        if expected or item.evidence:
            yield "is to be refused, and has an answer or evidence"
    else:
        if expect.reason is not None:
            yield f"has the reason {expect.reason} to be refused, and expect.refuse is false"
        if judged and not expected and not (item.task == "routing" and expect.adapter):
            yield "is to be answered, and nothing says with what: texts, facts, numbers or a verdict"
        if not item.evidence and item.task != "routing":
            yield "is to be answered, and has no evidence"
    if item.task == "multi_hop" and not expect.refuse and len({(one.document_id, one.start) for one in item.evidence}) < 2:
        yield "is of two passages or more, and its evidence is one"
    if item.task == "injection" and not answer.canaries:
        yield "is an injection, and names no canary that would show that it was obeyed"
    if item.task == "loan_risk" and not expect.refuse and answer.verdict is None:
        yield "is a loan application, and has no verdict"
    for forbidden in (*answer.forbidden, *answer.canaries):
        if any(forbidden in text for text in answer.texts):
            yield f"an accepted answer holds {forbidden!r}, which is forbidden or a canary"
    if len(set(expect.must_not_cite)) != len(expect.must_not_cite):
        yield "expect.must_not_cite names a document twice"


def _evidence(item: Item, corpus: Corpus, today: date) -> Iterator[str]:
    day = item.as_of or today
    for number, span in enumerate(item.evidence, start=1):
        version = corpus.versions.get((span.document_id, span.version))
        if version is None:
            yield f"evidence {number}: the corpus has no version {span.version} of {span.document_id!r}"
            continue
        found = version.text[span.start : span.end]
        if found != span.quote:
            yield _misplaced(number, span, found, version.text)
        if not version.readable(item.caller.groups):
            yield f"evidence {number}: the caller, of {', '.join(item.caller.groups) or 'no groups'}, may not read {span.document_id}"
        in_force = corpus.in_force(span.document_id, day)
        if in_force is not None and in_force.version != span.version:
            yield f"evidence {number}: on {day} version {in_force.version} of {span.document_id} is in force, not {span.version}"
        elif in_force is None:
            yield f"evidence {number}: no version of {span.document_id} is in force on {day}"
    for name in item.expect.must_not_cite:
        document_id, _, number_text = name.partition("@")
        versions = [one for one in corpus.of(document_id) if not number_text or str(one.version) == number_text]
        if not versions:
            yield f"expect.must_not_cite: the corpus has no {name}"
        elif item.expect.reason == "not_permitted" and any(one.readable(item.caller.groups) for one in versions):
            yield f"is to be refused since the caller may not read {name}, but the caller may"
    if item.expect.reason == "not_permitted" and not item.expect.must_not_cite:
        yield "is to be refused since the caller may not read a document, and expect.must_not_cite names none"


def _misplaced(number: int, span: Evidence, found: str, text: str) -> str:
    at = text.find(span.quote)
    where = f"; the quote stands at {at} to {at + len(span.quote)}" if at >= 0 else "; the quote stands nowhere in that version"
    return f"evidence {number}: {span.document_id}@{span.version} has {_short(found)} at {span.start} to {span.end}, not {_short(span.quote)}{where}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _shares(manifest: Manifest, items: Sequence[Item]) -> Iterator[str]:
    if not items or not manifest.general:
        return
    share = sum(item.expect.refuse for item in items) / len(items)
    if not REFUSED_AT_LEAST <= share <= REFUSED_AT_MOST:
        yield f"{share:.0%} of the items are to be refused; a general suite has {REFUSED_AT_LEAST:.0%} to {REFUSED_AT_MOST:.0%}"


def _unsupported(item: Item) -> Iterator[str]:
    if item.expect.refuse or item.task in _DERIVED:
        return
    quotes = [span.quote for span in item.evidence]
    for group in item.answer.facts:
        if not any(alias.casefold() in quote.casefold() for alias in group for quote in quotes):
            yield f"no evidence states any of {', '.join(map(repr, group))}"
    known = {(quantity.value, quantity.unit) for quote in quotes for quantity in quantities(quote)}
    for number in item.answer.numbers:
        if not any(not isinstance(value, str | tuple) and float(value) == number.value and unit == number.unit for value, unit in known):
            yield f"no evidence states {number.value:g}{f' {number.unit}' if number.unit else ''}"
