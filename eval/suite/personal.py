"""Personal data in a suite: what the service would mask in its records has no place in questions that are kept and passed on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from assistant.guard import mask
from eval.suite.item import Item
from eval.suite.manifest import PersonalData

_LABEL = re.compile(r"\[(EMAIL|IBAN|RESIDENT_ID|CARD|PHONE|ACCOUNT)\]")


def personal_data(items: Iterable[Item]) -> PersonalData:
    found = [kinds for item in items if (kinds := kinds_in(item))]
    return PersonalData(items=len(found), kinds=dict(sorted(Counter(kind for kinds in found for kind in kinds).items())))


def kinds_in(item: Item) -> tuple[str, ...]:
    """The kinds of personal data in what the item asks and expects. The bank's own telephone numbers are none: they stand in its evidence."""
    kinds = {kind for text in _texts(item) for kind in _LABEL.findall(mask(text)) if text.count(f"[{kind}]") < mask(text).count(f"[{kind}]")}
    return tuple(sorted(kinds))


def _texts(item: Item) -> Iterator[str]:
    yield item.question
    yield from (turn.content for turn in item.history)
    expected = (*item.answer.texts, *(alias for group in item.answer.facts for alias in group), *item.answer.forbidden)
    yield from (text for text in expected if not any(text in span.quote for span in item.evidence))
