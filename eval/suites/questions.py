"""The committed questions of the shipped suites, `sources/*.yaml`: templates over the facts of a bank, and where its documents answer them.

An entry of `questions`:

    doc     the document that answers, with `@VERSION` where it is not the newest one
    ask     the question; {fact} and {fact:plain} are replaced as in the sample bank's documents
    at      words of the document; the sentence or table row that holds them is the evidence. Default: the answer's own words
    num     the quantities that the answer must state, as the document writes them; `calc` an expression over facts, `unit` its unit (money, %, ...)
    fact    the words that the answer must state; aliases are separated by |
    also    further evidence: [{doc, at}]
    forbid  what must not be stated, such as the old rate
    refuse  no_evidence, out_of_scope or not_permitted; `hide` names the documents that must not be cited
    task, caller (customer, staff, risk), as_of (a fact's day, or one and days: `en.td.new - 1`), adapter, lang, topic, group, level, history, canary

`lang` of a file is that of its questions; an entry may say `mixed`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any

import yaml

from core.text.numbers import quantities
from core.text.places import place_of
from eval.bank import caller
from eval.suite.corpus import Corpus
from eval.suite.item import Evidence, Expect, Expected, Item, Label, Meta, Number
from eval.suite.spans import sentence_around
from examples.samplebank import sources as sample_sources
from examples.samplebank.facts import CURRENCIES, Facts, Language

CREATED = date(2026, 11, 26)
_KEYS = {
    "doc", "ask", "at", "num", "calc", "unit", "fact", "also", "forbid", "refuse", "hide", "task", "caller", "as_of", "adapter", "lang", "topic", "group",
    "level", "history", "canary", "verdict", "label", "note", "text",
}  # fmt: skip
_ENGLISH_FACT = re.compile(r"\{(en\.[a-z0-9_.]*)(?::plain)?\}")
#: internal rules; what else there is are products, prices and service
_RULES = ("lending-policy", "kyc-aml", "aml-kyc", "sanctions", "staff-loans", "risk-appetite", "rating-guide", "credit-approval")
#: rules that customers read too: of theirs no adapter is the only right one
_OPEN_RULES = ("complaints", "data-protection")
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Decimal]] = {"min": min, "max": max}


@dataclass(frozen=True)
class Bank:
    """The facts of a seed and the corpus that its documents, and a suite's own, become."""

    facts: Facts
    corpus: Corpus

    @property
    def topics(self) -> Mapping[str, str]:
        return {str(source.metadata["id"]): str(source.metadata.get("product", "")) for source in sample_sources.load(self.facts)}


def read_source(name: str) -> Sequence[Mapping[str, Any]]:
    """The entries of a file of `sources/`, each with its language and an id."""
    content = yaml.safe_load((files("eval.suites") / "sources" / f"{name}.yaml").read_text("utf8"))
    lang = content["lang"]
    numbers: Counter[str] = Counter()
    entries = []
    for entry in content["questions"]:
        if unknown := set(entry) - _KEYS:
            raise ValueError(f"{name}: {entry.get('ask')!r} has the unknown keys {sorted(unknown)}")
        stem = f"{name}-{str(entry.get('doc', entry.get('task', 'refuse'))).partition('@')[0].removeprefix(f'{lang}-')}"
        numbers[stem] += 1
        entries.append({"lang": lang, **entry, "id": f"{stem}-{numbers[stem]:02}", "own": lang})
    return entries


def items(name: str, bank: Bank) -> Iterator[Item]:
    """The items of a source file.

    Raises:
        ValueError: names the entry, and what of it does not hold in this bank.
    """
    topics = bank.topics
    for entry in read_source(name):
        try:
            yield _item(entry, bank, topics)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{entry['id']} ({entry.get('ask')}): {error!r}") from error


def _item(entry: Mapping[str, Any], bank: Bank, topics: Mapping[str, str]) -> Item:
    language: Language = entry["own"]
    as_of = _day(entry.get("as_of"), bank.facts)
    document, _, version = str(entry.get("doc", "")).partition("@")
    role = entry.get("caller", "customer")
    refuse = entry.get("refuse")
    task = entry.get("task", "refuse" if refuse else "lookup")
    texts, numbers, note = _numbers(entry, bank.facts, language)
    facts = tuple(_aliases(fact, bank.facts, language) for fact in _list(entry.get("fact")))
    own = [_fill(bank.facts, text, language) for text in _list(entry.get("text"))]
    whole = own or ([" / ".join([*texts, *(group[0] for group in facts)])] if len([*texts, *facts]) == 1 else [])
    return Item(
        id=entry["id"],
        group_id=entry.get("group") or (f"doc:{document}" if document else entry["id"]),
        lang=entry["lang"],
        task=task,
        topic=entry.get("topic") or topics.get(document, "") or "general",
        question=_fill(bank.facts, entry["ask"], language),
        history=tuple({"role": turn["role"], "content": _fill(bank.facts, turn["content"], language)} for turn in entry.get("history", ())),
        as_of=as_of,
        caller={"groups": sorted(caller(role).groups)},
        answer=Expected(
            texts=tuple(whole),
            facts=facts,
            numbers=tuple(numbers),
            forbidden=tuple(_fill(bank.facts, text, language) for text in _list(entry.get("forbid"))),
            canaries=tuple(_list(entry.get("canary"))),
            verdict=entry.get("verdict"),
        ),
        evidence=tuple(_evidence(entry, document, version, [*texts, *(alias for group in facts for alias in group)], bank)),
        expect=Expect(
            refuse=bool(refuse), reason=refuse, adapter=entry.get("adapter") or _adapter(document, role, task), must_not_cite=tuple(_list(entry.get("hide")))
        ),
        label=Label.model_validate(entry.get("label", {})),
        meta=Meta(source="human", author="bankassist", difficulty=entry.get("level", 1), created=CREATED, note=note or entry.get("note", "")),
    )


def _adapter(document: str, role: str, task: str) -> str | None:
    if not document or task == "refuse":
        return None
    if any(rule in document for rule in _RULES):
        return "loan-risk" if task == "loan_risk" else "compliance"
    if any(rule in document for rule in _OPEN_RULES):
        return None if role == "customer" else "compliance"
    return "customer-service"


def _fill(facts: Facts, text: str, language: Language) -> str:
    """The text with its facts; those of the English documents as these write them also in a Chinese question, but for days."""
    return facts.fill(_ENGLISH_FACT.sub(lambda match: match[0] if facts.values[match[1]].kind == "day" else facts.fill(match[0], "en"), text), language)


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _aliases(fact: str, facts: Facts, language: Language) -> tuple[str, ...]:
    return tuple(_fill(facts, alias.strip(), language) for alias in fact.split("|"))


def _day(text: str | None, facts: Facts) -> date | None:
    if text is None:
        return None
    key, _, days = str(text).partition(" - ")
    return facts.values[key].day - timedelta(days=int(days or 0)) if key in facts.values else date.fromisoformat(key)


def _numbers(entry: Mapping[str, Any], facts: Facts, language: Language) -> tuple[list[str], list[Number], str]:
    """The quantities as texts and as numbers, and the arithmetic of a computed one."""
    texts = [_fill(facts, text, language) for text in _list(entry.get("num"))]
    note = ""
    tolerance = 1e-4
    if "calc" in entry:
        expression = re.sub(r"(?<=\d),(?=\d{3})", "", _fill(facts, entry["calc"], language))
        result = _computed(ast.parse(expression, mode="eval").body)
        unit = entry["unit"]
        digits = result.quantize(Decimal("0.01"))
        note = f"{expression} = {digits.normalize():f}"
        if digits != result:
            tolerance = 1e-3
        texts.append(_written(digits, unit, facts, language))
    found = []
    for text in texts:
        read = quantities(text)
        if len(read) != 1 or not isinstance(read[0].value, Decimal):
            raise ValueError(f"{text!r} is not one quantity: {read}")
        found.append(Number(value=float(read[0].value), unit=read[0].unit, rel_tol=tolerance))
    return texts, found, note


def _computed(node: ast.AST) -> Decimal:
    """Arithmetic on numbers: + - * /, brackets, min, max."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Decimal(str(node.value))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return Decimal(_OPERATORS[type(node.op)](_computed(node.left), _computed(node.right)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _FUNCTIONS[node.func.id](*(_computed(argument) for argument in node.args))
    raise ValueError(f"not arithmetic: {ast.dump(node)}")


def _written(value: Decimal, unit: str, facts: Facts, language: Language) -> str:
    digits = f"{value:,.2f}" if value != value.to_integral() else f"{value:,.0f}"
    if unit == "money":
        return f"{facts.currency} {digits}" if language == "en" else f"{digits}{CURRENCIES[facts.currency]}"
    return f"{digits}%" if unit == "%" else f"{digits} {unit}" if language == "en" else f"{digits}{unit}"


def _evidence(entry: Mapping[str, Any], document: str, version: str, answers: Sequence[str], bank: Bank) -> Iterator[Evidence]:
    if not document or entry.get("refuse"):
        return
    wanted = [(document, version, at) for at in _list(entry.get("at"))] or [(document, version, answer) for answer in answers[:1]]
    for other in entry.get("also", ()):
        name, _, number = str(other["doc"]).partition("@")
        wanted += [(name, number, at) for at in _list(other["at"])]
    for name, number, words in wanted:
        found = bank.corpus.of(name)
        if not found:
            raise ValueError(f"no document {name!r}")
        chosen = bank.corpus.versions[name, int(number)] if number else found[-1]
        language: Language = "zh" if name.startswith("zh-") else "en"
        yield span(chosen.text, _fill(bank.facts, words, language), name, chosen.version)


def span(text: str, words: str, document: str, version: int) -> Evidence:
    spans = set()
    at = 0
    while (place := place_of(words, text[at:])) >= 0:
        spans.add(sentence_around(text, at + place, at + place + len(words)))
        at += place + len(words)
    if len(spans) != 1:
        raise ValueError(f"{words!r} stands in {len(spans)} sentences of {document}@{version}; `at` must name one")
    ((start, end),) = spans
    return Evidence(document_id=document, version=version, start=start, end=end, quote=text[start:end])
