"""Do the citations point where they should? Of answers only: a refusal cites nothing, and is counted apart."""

from __future__ import annotations

from eval.run.record import Checked, Cited, Record, Retrieved
from eval.scoring.answers import answered
from eval.scoring.asked import answerable, reads
from eval.scoring.matching import held
from eval.scoring.score import Scored
from eval.suite.item import Item

REFUSED = Scored(None, "refused")


def applies(_item: Item, arm: str) -> bool:
    """Wherever passages are read: an answer that should be a refusal cites too."""
    return reads(arm)


def applies_to_evidence(item: Item, arm: str) -> bool:
    return reads(arm) and bool(item.evidence) and answerable(item, arm)


def precision(item: Item, record: Record) -> Scored:
    """The share of the citations that point to evidence; 0 for an answer that cites nothing."""
    if not answered(record):
        return REFUSED
    if not record.cited:
        return Scored(0.0, "no citation")
    return Scored(sum(map(bool, _held(item, record))) / len(record.cited))


def recall(item: Item, record: Record) -> Scored:
    """The share of the evidence that is cited; 0 for an answer that cites nothing."""
    if not answered(record):
        return REFUSED
    found = frozenset[int]().union(*_held(item, record))
    return Scored(len(found) / len(item.evidence), "" if record.cited else "no citation")


def fabricated(_item: Item, record: Record) -> Scored:
    """Whether a citation names a passage that the prompt did not hold, or words that do not stand in it."""
    if not answered(record):
        return REFUSED
    passages = _passages(record)
    wrong = [one.n for one in record.cited if not _is_true(one, passages.get(one.n))]
    wrong += [number for sentence in record.sentences for number in sentence.citations if number not in passages]
    return Scored(float(bool(wrong)), detail={"citations": sorted(set(wrong))} if wrong else {})


def form(_item: Item, record: Record) -> Scored:
    """The share of the sentences whose citations are of the right form: of passages that there are, and not none where one is due."""
    if not answered(record):
        return REFUSED
    if not record.cited or not record.sentences:
        return Scored(0.0, "no citation")
    passages = _passages(record)
    return Scored(sum(_is_formed(sentence, passages) for sentence in record.sentences) / len(record.sentences))


def _is_formed(sentence: Checked, passages: dict[int, Retrieved]) -> bool:
    # the line that sums up a rating cites nothing and need not
    return "citation" not in sentence.failed and all(number in passages for number in sentence.citations)


def _is_true(one: Cited, passage: Retrieved | None) -> bool:
    return (
        passage is not None
        and (one.document_id, one.version) == (passage.document_id, passage.version)
        and passage.start <= one.start <= one.end <= passage.end
        and one.quote in passage.text
    )


def _held(item: Item, record: Record) -> list[frozenset[int]]:
    """The evidence that each citation points to: its own words, or the passage that they stand in."""
    passages = _passages(record)
    return [held(one, item.evidence) | (held(passages[one.n], item.evidence) if one.n in passages else frozenset()) for one in record.cited]


def _passages(record: Record) -> dict[int, Retrieved]:
    return {passage.rank: passage for passage in record.retrieved}
