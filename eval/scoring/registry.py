"""All metrics of single records, by name. A new one is written as a pure function, and listed here with what it applies to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from eval.scoring import answers, citations, cost, grounding, refusal, retrieval, safety
from eval.scoring.asked import answerable, must_refuse, reads
from eval.scoring.score import Metric, ScoreFunction
from eval.suite.item import Item

_Applies = Callable[[Item, str], bool]


def _everything(_item: Item, _arm: str) -> bool:
    return True


def _answerable_with(has: Callable[[Item], object]) -> _Applies:
    return lambda item, arm: bool(has(item)) and answerable(item, arm)


def _reads_and_answers(item: Item, arm: str) -> bool:
    return reads(arm) and answerable(item, arm)


def _metric(
    name: str, score: ScoreFunction, applies: _Applies, title: str, *, higher: bool = True, binary: bool = False, worst: float | None = None, version: int = 1
) -> Metric:
    if worst is None:
        worst = 0.0 if higher else 1.0
    return Metric(name, version, 0, higher, binary, worst, applies, score, title)


def _costs(name: str, score: ScoreFunction, title: str) -> Metric:
    return Metric(name, 1, 0, False, False, None, _everything, score, title)


_RETRIEVAL = {
    "recall@5": "share of the evidence among the first five passages",
    "precision@5": "share of the first five places that hold evidence",
    "hit@5": "some evidence among the first five passages",
    "rr@10": "one over the rank of the first passage with evidence",
    "ndcg@10": "evidence early in the first ten passages, better evidence earlier",
    "ap@5": "precision at each passage with evidence among the first five",
    "ranked_precision@5": "passages with evidence stand before the others of the first five",
    "id_recall": "share of the evidence among all passages",
    "id_precision": "share of all passages that hold evidence",
    "evidence_recall": "the prompt held what the answer needs",
}

_ALL = (
    _metric("correct", answers.correct, answers.is_judged, "the right outcome", binary=True),
    _metric("wrong_answer", answers.wrong_answer, answers.may_mislead, "answered, and not rightly", higher=False, binary=True),
    _metric("exact_match", answers.exact_match, _answerable_with(lambda item: item.answer.texts), "an accepted answer, to the letter", binary=True),
    _metric("token_f1", answers.f1, _answerable_with(lambda item: item.answer.texts), "words shared with an accepted answer"),
    _metric("rouge_l", answers.rouge_l, _answerable_with(lambda item: item.answer.texts), "longest common subsequence with an accepted answer"),
    _metric("chrf", answers.chrf, _answerable_with(lambda item: item.answer.texts), "runs of characters shared with an accepted answer"),
    _metric("bleu", answers.bleu, _answerable_with(lambda item: item.answer.texts), "runs of words shared with accepted answers"),
    _metric("numeric_match", answers.numeric_match, _answerable_with(lambda item: item.answer.numbers), "every number stated, in its unit", binary=True),
    _metric("date_match", answers.date_match, _answerable_with(answers.has_dates), "every date stated", binary=True),
    _metric("fact_recall", answers.fact_recall, _answerable_with(lambda item: item.answer.facts), "share of the facts stated"),
    _metric("forbidden", answers.forbidden, lambda item, _: bool(item.answer.forbidden), "something stated that must not be", higher=False, binary=True),
    _metric("verdict", answers.verdict, _answerable_with(lambda item: item.answer.verdict), "the right rating", binary=True),
    *(_metric(name, retrieval.measure(name), retrieval.applies, title, binary=name == "hit@5") for name, title in _RETRIEVAL.items()),
    _metric("number_grounding", grounding.number_grounding, citations.applies, "share of the numbers that what is cited states"),
    _metric("quote_grounding", grounding.quote_grounding, citations.applies, "share of the sentences that quote what they cite"),
    _metric("entity_grounding", grounding.entity_grounding, citations.applies, "share of the names that what is cited or the question has"),
    _metric("kept", grounding.kept, _reads_and_answers, "share of the written sentences that left"),
    _metric("citation_precision", citations.precision, citations.applies_to_evidence, "share of the citations that point to evidence"),
    _metric("citation_recall", citations.recall, citations.applies_to_evidence, "share of the evidence that is cited"),
    _metric("citation_format", citations.form, citations.applies, "share of the sentences with citations of the right form"),
    _metric("fabricated", citations.fabricated, citations.applies, "a citation of what the prompt did not hold", higher=False, binary=True),
    _metric("refused_right", refusal.refused_right, must_refuse, "refused what must be refused", binary=True),
    _metric("over_refusal", refusal.over_refusal, answerable, "refused what can be answered", higher=False, binary=True),
    _metric("refusal_reason", refusal.refusal_reason, refusal.has_reason, "refused for the right reason", binary=True),
    _metric("routing", answers.routing, answers.is_routed, "the right adapter", binary=True),
    _metric("injected", safety.injected, lambda item, _: bool(item.answer.canaries), "obeyed an order hidden in a document", higher=False, binary=True),
    _metric("must_not_cite", safety.must_not_cite, safety.has_banned, "cited what must not be cited", higher=False, binary=True),
    _costs("seconds", cost.timing("total"), "seconds until the whole answer"),
    _costs("first_token_seconds", cost.timing("first_token"), "seconds until the first token"),
    _costs("prompt_tokens", cost.tokens("prompt_tokens"), "tokens read"),
    _costs("completion_tokens", cost.tokens("completion_tokens"), "tokens written"),
)

#: those that need nothing but the item and the record
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}


def with_groups(groups: Mapping[str, Collection[str]]) -> dict[str, Metric]:
    """:data:`METRICS`, and whether documents leaked to somebody who may not read them; ``groups`` as in :func:`eval.scoring.safety.acl_leak`."""
    leak = _metric(
        "acl_leak", safety.acl_leak(groups), lambda _, arm: reads(arm), "a document shown to somebody who may not read it", higher=False, binary=True
    )
    return {**METRICS, leak.name: leak}
