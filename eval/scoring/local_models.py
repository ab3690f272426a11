"""Metrics of tier 1: those that a local model judges. They inform and gate nothing; each score names the model that it came from.

Sources: citation recall and precision are ALCE's (Gao et al., Enabling LLMs to generate text with citations, 2023) with any model of natural language inference
in the place of its own; support is TruLens' groundedness; the matrix of claims and passages is RAGChecker's (Ru et al., 2024) with any such model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from core.ports import Embedder
from eval.run.record import Checked, Record
from eval.scoring.answers import answered
from eval.scoring.asked import answerable, retrieves
from eval.scoring.citations import REFUSED, applies
from eval.scoring.score import Metric, Scored
from eval.suite.item import Item

#: from here on a hypothesis counts as entailed
_ENTAILED = 0.5
_SHOWN = 12
#: questions to the model of which the answer is kept
_KEPT = 256


class Entailment(Protocol):
    """Probabilities that hypotheses follow from premises."""

    @property
    def digest(self) -> str: ...

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """One for each pair of premise and hypothesis."""


def similarity_metrics(embedder: Embedder) -> dict[str, Metric]:
    """How near an answer is in meaning to an accepted one: the highest cosine of the bank's own embedder. Its scale is the embedder's: compare arms, not
    numbers."""

    def score(item: Item, record: Record) -> Scored:
        if not answered(record):
            return Scored(0.0, "refused")
        first, *others = embedder.embed_passages([record.text, *item.answer.texts])
        return Scored(max(0.0, min(1.0, max(float(first @ other) for other in others))), detail={"model": embedder.digest[:_SHOWN]})

    name = "semantic_similarity"
    return {
        name: Metric(
            name,
            1,
            1,
            True,
            False,
            0.0,
            lambda item, arm: bool(item.answer.texts) and answerable(item, arm),
            score,
            "nearness in meaning to an accepted answer",
        )
    }


def entailment_metrics(model: Entailment) -> dict[str, Metric]:
    """Citation recall and precision by entailment, how far sentences are supported by what they cite, and whether what retrieval found entails the right
    answer."""
    judge = _Judge(model, lru_cache(_KEPT)(lambda pairs: tuple(model.probabilities(pairs))))
    found = [
        Metric("alce_recall", 1, 1, True, False, 0.0, applies, judge.recall, "share of the sentences that follow from what they cite"),
        Metric("alce_precision", 1, 1, True, False, 0.0, applies, judge.precision, "share of the citations that their sentences need"),
        Metric("claim_support", 1, 1, True, False, 0.0, applies, judge.support, "how surely sentences follow from one cited passage, on average"),
        Metric("claim_recall", 1, 1, True, False, 0.0, _looks_for_claims, judge.claim_recall, "share of the right answer's claims that some passage entails"),
        Metric("context_precision", 1, 1, True, False, 0.0, _looks_for_claims, judge.context_precision, "share of the passages that entail some such claim"),
    ]
    return {metric.name: metric for metric in found}


@dataclass(frozen=True)
class _Judge:
    """``asked`` is the model, with what it was asked last: metrics of one record ask the same."""

    model: Entailment
    asked: Callable[[tuple[tuple[str, str], ...]], tuple[float, ...]]

    def recall(self, _item: Item, record: Record) -> Scored:
        if (out := _left_out(record)) is not None:
            return out
        return self._scored(sum(self._follows(sentence, record) for sentence in record.sentences) / len(record.sentences))

    def precision(self, _item: Item, record: Record) -> Scored:
        if (out := _left_out(record)) is not None:
            return out
        needed = count = 0
        for sentence in record.sentences:
            count += len(sentence.citations)
            if self._follows(sentence, record):
                needed += sum(self._is_needed(sentence, position, record) for position in range(len(sentence.citations)))
        return self._scored(needed / count) if count else Scored(0.0, "no citation")

    def support(self, _item: Item, record: Record) -> Scored:
        if (out := _left_out(record)) is not None:
            return out
        highest = [max(self._of(_passages(sentence.citations, record), sentence.text), default=0.0) for sentence in record.sentences]
        return self._scored(sum(highest) / len(highest))

    def claim_recall(self, item: Item, record: Record) -> Scored:
        rows = self._entailed(item, record)
        return self._scored(sum(any(row) for row in rows) / len(rows))

    def context_precision(self, item: Item, record: Record) -> Scored:
        if not record.retrieved:
            return self._scored(0.0)
        columns = list(zip(*self._entailed(item, record), strict=True))
        return self._scored(sum(any(column) for column in columns) / len(columns))

    def _entailed(self, item: Item, record: Record) -> list[list[bool]]:
        """Of each claim, whether each passage entails it."""
        passages = [passage.text for passage in record.retrieved]
        return [[probability >= _ENTAILED for probability in self._of(passages, claim)] for claim in claims(item)]

    def _follows(self, sentence: Checked, record: Record) -> bool:
        """Whether a sentence has citations, all of passages that there are, that entail it together."""
        texts = _passages(sentence.citations, record)
        return bool(texts) and len(texts) == len(sentence.citations) and self._entails(texts, sentence.text)

    def _is_needed(self, sentence: Checked, position: int, record: Record) -> bool:
        """Of a sentence that follows: whether the citation is the only one, entails it alone, or is missed when it is taken away."""
        texts = _passages(sentence.citations, record)
        rest = texts[:position] + texts[position + 1 :]
        return not rest or self._entails(texts[position : position + 1], sentence.text) or not self._entails(rest, sentence.text)

    def _entails(self, texts: Sequence[str], sentence: str) -> bool:
        return self._of(["\n".join(texts)], sentence)[0] >= _ENTAILED

    def _of(self, premises: Sequence[str], sentence: str) -> list[float]:
        return list(self.asked(tuple((premise, sentence) for premise in premises))) if premises else []

    def _scored(self, value: float) -> Scored:
        return Scored(value, detail={"model": self.model.digest[:_SHOWN]})


def claims(item: Item) -> list[str]:
    """What a right answer claims: each fact behind the question, for alone it says nothing; where there are no facts the first accepted answer."""
    said = [fact[0] for fact in item.answer.facts] or list(item.answer.texts[:1])
    return [f"{item.question} {one}" for one in said]


def _looks_for_claims(item: Item, arm: str) -> bool:
    return retrieves(arm) and answerable(item, arm) and bool(claims(item))


def _left_out(record: Record) -> Scored | None:
    if not answered(record):
        return REFUSED
    return None if record.sentences else Scored(0.0, "no sentence")


def _passages(numbers: Sequence[int], record: Record) -> list[str]:
    texts = {passage.rank: passage.text for passage in record.retrieved}
    return [texts[number] for number in numbers if number in texts]
