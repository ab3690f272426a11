"""Did retrieval find the evidence? Computed by ir-measures over the passages of the prompt, best first.

The unit of recall is the piece of evidence. All else counts passages: one is relevant, with the grade of the evidence, when it holds evidence that no
better ranked one holds; a second passage of the same evidence adds nothing. Nothing found is 0 in each of them, precision too, so that an empty
retrieval does not vanish from a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import ir_measures
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG

from eval.run.record import Record
from eval.scoring.asked import answerable, retrieves
from eval.scoring.matching import held
from eval.scoring.score import Scored
from eval.suite.item import Item

_MEASURES = {"precision@5": P @ 5, "hit@5": Success @ 5, "rr@10": RR @ 10, "ndcg@10": nDCG @ 10, "ap@5": AP @ 5}
NAMES = ("recall@5", *_MEASURES, "ranked_precision@5", "id_recall", "id_precision", "evidence_recall")
#: longer than any prompt's list
_ALL = 1000
_DEPTH = 5
_SUFFICES = 2
_QUERY = "q"


def applies(item: Item, arm: str) -> bool:
    """Where there is evidence to be found, and the arm looks for it."""
    return bool(item.evidence) and retrieves(arm) and answerable(item, arm)


def measure(name: str) -> Callable[[Item, Record], Scored]:
    """The metric of one of :data:`NAMES`."""
    if (own := _OWN.get(name)) is not None:
        return lambda item, record: Scored(own(item, record))
    return lambda item, record: Scored(_ranked(name, item, record))


def recall(item: Item, record: Record, depth: int) -> float:
    """The share of the evidence that stands in the first passages."""
    found = frozenset[int]().union(*(_held(item, record)[:depth]))
    return _recall(len(item.evidence), found)


def evidence_recall(item: Item, record: Record) -> float:
    """Whether the prompt held what an answer needs: 1 with a piece of evidence that suffices alone, else the share of the pieces that are needed together."""
    found = frozenset[int]().union(*_held(item, record))
    if any(item.evidence[position].grade == _SUFFICES for position in found):
        return 1.0
    needed = [position for position, one in enumerate(item.evidence) if one.grade < _SUFFICES]
    return len(found) / len(needed) if needed else 0.0


def ranked_precision(item: Item, record: Record, depth: int) -> float:
    """The mean precision at the places of the first passages that hold evidence: 1 when they stand before all others. It is average precision over what was
    found; ragas and DeepEval call it context precision."""
    holds = tuple(int(bool(one)) for one in _held(item, record)[:depth])
    return _of_grades(holds, ())["ap@5"]


def id_precision(item: Item, record: Record) -> float:
    """The share of the passages that hold evidence, each counted once whatever its rank (ragas' context precision by ids)."""
    passages = {passage.chunk_id: bool(held(passage, item.evidence)) for passage in record.retrieved}
    return sum(passages.values()) / len(passages) if passages else 0.0


def relevant(item: Item, record: Record) -> int:
    """How many of the passages hold evidence."""
    return sum(map(bool, _held(item, record)))


_OWN: dict[str, Callable[[Item, Record], float]] = {
    "recall@5": lambda item, record: recall(item, record, _DEPTH),
    "ranked_precision@5": lambda item, record: ranked_precision(item, record, _DEPTH),
    "id_recall": lambda item, record: recall(item, record, _ALL),
    "id_precision": id_precision,
    "evidence_recall": evidence_recall,
}


def _held(item: Item, record: Record) -> list[frozenset[int]]:
    """The evidence that each passage holds, best first."""
    return [held(passage, item.evidence) for passage in sorted(record.retrieved, key=lambda passage: passage.rank)]


@lru_cache(maxsize=1024)
def _recall(count: int, found: frozenset[int]) -> float:
    qrels = [Qrel(_QUERY, str(position), 1) for position in range(count)]
    run = [ScoredDoc(_QUERY, str(position), 1.0) for position in found]
    return _calculated([R @ _ALL], qrels, run)[R @ _ALL]


def _ranked(name: str, item: Item, record: Record) -> float:
    grades: list[int] = []  # of each passage, best first
    left = set(range(len(item.evidence)))
    for holds in _held(item, record):
        grades.append(max((item.evidence[position].grade for position in holds & left), default=0))
        left -= holds
    return _of_grades(tuple(grades), tuple(sorted(item.evidence[position].grade for position in left)))[name]


@lru_cache(maxsize=4096)
def _of_grades(grades: tuple[int, ...], missing: tuple[int, ...]) -> dict[str, float]:
    """Of a ranking with these grades, where evidence of other grades was not found. Most rankings look alike."""
    qrels = [Qrel(_QUERY, f"found {position}", grade) for position, grade in enumerate(grades)]
    qrels += [Qrel(_QUERY, f"missing {position}", grade) for position, grade in enumerate(missing)]
    run = [ScoredDoc(_QUERY, f"found {position}", float(-position)) for position in range(len(grades))]
    values = _calculated(list(_MEASURES.values()), qrels, run)
    return {name: values[one] for name, one in _MEASURES.items()}


def _calculated(measures: Sequence[ir_measures.Measure], qrels: Sequence[Qrel], run: Sequence[ScoredDoc]) -> dict[ir_measures.Measure, float]:
    values = dict.fromkeys(measures, 0.0)  # nothing found
    values.update({found.measure: found.value for found in ir_measures.iter_calc(measures, qrels, run)})
    return values
