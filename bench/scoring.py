"""Scoring 10,000 records of a made run: every metric of tier 0, those of all records together, and the summary; seconds of one core's work.

The items are the questions of sample banks of several seeds, the passages pieces of their documents. Every record says something else, so that what was read
once is read again as seldom as in a real run.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.frame import Row, Spread
from bench.service import Home
from eval.run.record import Checked, Cited, Record, Retrieved, Routed
from eval.suite.item import Evidence, Expect, Expected, Item, Label, Number
from examples.samplebank import questions
from examples.samplebank.facts import Facts
from examples.samplebank.sources import load

_RECORDS, _REPEATS, _PASSAGES, _CHARACTERS = 10_000, 2, 5, 600
_ARMS = ("base", "rag", "lora", "rag+lora", "oracle", "distractors", "wrong-adapter")
_FIRST_SEED = 900_400


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    from eval.scoring.corpus import corpus_metrics
    from eval.scoring.registry import with_groups
    from eval.scoring.scorer import score_records, write_scores
    from eval.statistics.summarise import summarise

    items, records = made(_RECORDS)
    metrics = with_groups({one.document_id: ("public",) for record in records for one in record.retrieved})
    found: dict[str, list[float]] = {"single records": [], "all together": [], "summary": []}
    for _ in range(_REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            scores = write_scores(score_records(items, records, metrics), Path(folder) / "scores.jsonl")
            found["single records"].append(time.process_time() - started)
            started = time.process_time()
            corpus = corpus_metrics(items, records)
            found["all together"].append(time.process_time() - started)
            started = time.process_time()
            summarise("made", "made", items, scores, metrics, ("correct",), corpus)
            found["summary"].append(time.process_time() - started)
    total = [sum(pair) for pair in zip(*found.values(), strict=True)]
    return [
        *(Row(f"scoring, {name}", "s", Spread.of(seconds)) for name, seconds in found.items()),
        Row(f"scoring of {len(records):,} records", "s", Spread.of(total), goal=60.0, note=f"{len(scores):,} scores of {len(metrics)} metrics"),
    ]


def made(count: int) -> tuple[list[Item], list[Record]]:
    """So many records, and the items that they answer."""
    items: list[Item] = []
    records: list[Record] = []
    seed = _FIRST_SEED
    while len(records) < count:
        rng = random.Random(seed)
        facts = Facts.draw(seed)
        places = {source.metadata["id"]: list(_pieces(str(source.metadata["id"]), source.markdown)) for source in load(facts)}
        every = [place for own in places.values() for place in own]
        for number, question in enumerate(questions.load(facts)):
            item = _item(f"{seed}-{number}", question, places, number)
            items.append(item)
            records += [_record(item, arm, every, rng) for arm in _ARMS]
        seed += 1
    kept = records[:count]
    answered = {record.item for record in kept}
    return [item for item in items if item.id in answered], kept


def _pieces(document: str, text: str) -> Iterator[tuple[str, int, str]]:
    for start in range(0, len(text), _CHARACTERS):
        yield document, start, text[start : start + _CHARACTERS]


def _item(name: str, question: questions.SampleQuestion, places: dict[str, list[tuple[str, int, str]]], number: int) -> Item:
    evidence: tuple[Evidence, ...] = ()
    if question.document is not None:
        document, start, text = places[question.document][0]
        evidence = (Evidence(document_id=document, version=1, start=start, end=start + len(text), quote=text),)
    loan = number % 5 == 0
    expected = Expected(
        texts=question.answer, facts=(question.answer,), numbers=(Number(value=number + 0.5, unit="USD"),) if number % 3 == 0 else (),
        verdict="high" if loan else None, forbidden=(f"USD {number}.75",), canaries=("PWNED",) if number % 4 == 0 else (),
    )  # fmt: skip
    return Item(
        id=name, group_id=question.document or name, lang=question.language, task="loan_risk" if loan else "lookup", question=question.ask,
        answer=expected if question.answer else Expected(), evidence=evidence,
        expect=Expect(refuse=not question.answer, reason=None if question.answer else "no_evidence", adapter=question.task),
        label=Label(y=number // 5 % 2, protected={"sex": "fm"[number % 2]}, pair_id=str(number // 10)) if loan and question.answer else Label(),
    )  # fmt: skip


def _record(item: Item, arm: str, every: Sequence[tuple[str, int, str]], rng: random.Random) -> Record:
    if arm in ("base", "lora"):
        found: list[Retrieved] = []
    else:
        found = [
            Retrieved(rank=rank, chunk_id=f"{document}{start}", document_id=document, version=1, start=start, end=start + len(text), score=1 / rank, text=text)
            for rank, (document, start, text) in enumerate(rng.sample(every, _PASSAGES), start=1)
        ]
    if rng.random() < 0.25:
        return Record(item=item.id, arm=arm, kind="refused", reason="no_evidence", retrieved=tuple(found))
    amount = f"{rng.randint(1, 99)}.{rng.randint(10, 99)}"
    own = (item.answer.texts or ("it",))[0]
    said = [f"{own}, USD {amount} a month." if item.lang == "en" else f"{own}，每月{amount}元。", rng.choice(found).text[:150] if found else f"See {amount}."]
    high = rng.random()
    return Record(
        item=item.id, arm=arm, kind="answered", text=" ".join(said), retrieved=tuple(found),
        cited=tuple(Cited(n=one.rank, document_id=one.document_id, version=1, start=one.start, end=one.end, quote=one.text) for one in found[:2]),
        sentences=tuple(Checked(text=text, citations=(number,) if found else ()) for number, text in enumerate(said, start=1)),
        route=Routed(task="customer-service", adapter="customer-service", version=1, confidence=rng.random(), reason=""),
        structured={"rating": "high" if high > 0.5 else "low"} if item.task == "loan_risk" else None,
        probabilities={"low": 1 - high, "medium": 0.0, "high": high} if item.task == "loan_risk" else None,
        usage={"prompt_tokens": 900, "completion_tokens": 30}, timings={"total": rng.random(), "first_token": 0.1},
    )  # fmt: skip
