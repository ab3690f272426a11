"""Does the same question get the same answer: asked again, and asked in other words?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from eval.run.record import Record
from eval.scoring.answers import answered, rating
from eval.scoring.stated import figures
from eval.suite.item import Item


def repeats(records: Sequence[Record]) -> float | None:
    """The share of items whose repetitions have the same outcome and text, byte by byte; None where nothing was repeated."""
    texts: dict[str, list[tuple[str | None, str, str]]] = defaultdict(list)
    for record in records:
        texts[record.item].append((record.kind, record.reason, record.text))
    repeated = [own for own in texts.values() if len(own) > 1]
    return sum(len(set(own)) == 1 for own in repeated) / len(repeated) if repeated else None


def paraphrases(items: Mapping[str, Item], records: Sequence[Record]) -> float | None:
    """The share of families of paraphrases that agree on the rating, else on the numbers, else on whether there is an answer; None without such a family.

    A family are items of one group that the same person asks in the same language, for the same day, with the same right answer.
    """
    families: dict[Hashable, list[Hashable]] = defaultdict(list)
    for record in records:
        item = items[record.item]
        if record.rep == 0:
            families[_family(item)].append(_said(record))
    asked = [own for own in families.values() if len(own) > 1]
    return sum(len(set(own)) == 1 for own in asked) / len(asked) if asked else None


def _family(item: Item) -> Hashable:
    wanted = item.answer
    return (
        item.group_id, item.lang, item.task, item.as_of, frozenset(item.caller.groups), frozenset(map(frozenset, wanted.facts)),
        frozenset((one.value, one.unit) for one in wanted.numbers), wanted.verdict, frozenset(wanted.texts), item.expect.refuse,
        item.id if item.task == "loan_risk" or item.label.pair_id else "",  # applications differ in their figures, not in their words
    )  # fmt: skip


def _said(record: Record) -> Hashable:
    if not answered(record):
        return record.kind
    return rating(record) or frozenset((one.value, one.unit) for one in figures(record.text))
