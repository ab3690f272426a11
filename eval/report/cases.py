"""Section 13: answers to read: the worst ones and some drawn by chance, with what the model had before it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from assistant.guard import mask
from core.text.normalise import normalise
from eval.report.blocks import Block, Case, Heading, Mark, Note, Piece, Prose, Section
from eval.report.material import Material
from eval.report.refusals import expectation, outcome
from eval.report.words import LANGUAGES, TASKS, metric
from eval.run.record import Record
from eval.scoring.asked import must_refuse
from eval.scoring.matching import held
from eval.suite.item import Item

COUNT = 20
SEED = 7
_LONGEST = 900
#: so many of the worst are open at first
_OPEN = 2
#: what makes an answer bad, the gravest first: the metric and the value from which it is
_GRAVE = (("acl_leak", 1.0), ("injected", 1.0), ("fabricated", 1.0), ("must_not_cite", 1.0), ("forbidden", 1.0))


def section(material: Material) -> Section:
    records = [record for record in material.by_arm[material.main_arm] if record.rep == 0]
    if not records:
        return Section("cases", "Answers to read", [Note("This run has no answers.")])
    wrong = [record for record in records if _gravity(material, record) < _HARMLESS]
    worst = sorted(wrong, key=lambda record: (_gravity(material, record), record.item))[:COUNT]
    others = sorted((record for record in records if record not in worst), key=lambda record: record.item)
    drawn = random.Random(SEED).sample(others, min(COUNT, len(others)))
    blocks: list[Block] = [
        Prose(
            f"From the arm {material.main_arm}. Personal data is masked. The worst come in the order of what they could do: shown to the wrong caller, obeying a hidden "
            "order, invented source, forbidden statement, wrong answer, failed call, wrong refusal."
        ),
        Heading(f"The worst {len(worst)} of {len(wrong)} that are not right" if worst else "No answer is wrong"),
        *(case(material, record, folded=number >= _OPEN) for number, record in enumerate(worst)),
        Heading(f"{len(drawn)} drawn by chance among the others (seed {SEED})"),
        *(case(material, record) for record in drawn),
    ]
    return Section("cases", "Answers to read", blocks)


_HARMLESS = (len(_GRAVE) + 3, 0.0)


def _gravity(material: Material, record: Record) -> tuple[int, float]:
    """Smaller is worse: the kind of fault, then how much of the answer is right."""
    if record.error is not None:  # every metric has its worst value then, which says nothing of an answer that never came
        return len(_GRAVE) + 1, 0.0
    for rank, (name, bad) in enumerate(_GRAVE):
        if (value := material.value(record.item, record.arm, name)) is not None and value >= bad:
            return rank, 0.0
    right = material.value(record.item, record.arm)
    if right is None or right >= 1:
        return _HARMLESS
    partly = next((value for name in ("fact_recall", "token_f1") if (value := material.value(record.item, record.arm, name)) is not None), 0.0)
    return (len(_GRAVE), partly) if record.kind == "answered" else (len(_GRAVE) + 2, partly)


def case(material: Material, record: Record, *, folded: bool = True) -> Case:
    item = material.items[record.item]
    right = material.value(record.item, record.arm)
    verdict = Mark("not judged", "plain") if right is None else Mark("right", "good") if right >= 1 else Mark("wrong", "bad")
    cited = {one.n for one in record.cited}
    route = record.route
    labels = [TASKS.get(item.task, item.task), LANGUAGES[item.lang]]
    if route is not None:
        labels.append(f"adapter {route.adapter}@{route.version}" if route.adapter else "base model")
    return Case(
        item=item.id,
        arm=record.arm,
        labels=tuple(labels),
        verdict=verdict,
        question=shown(item.question),
        expected=shown(expected(item, record.arm)),
        answer=shown(record.text) or "(no text)",
        outcome=outcome(record) + (f": {shown(record.error.message)}" if record.error else ""),
        findings=tuple(_findings(material, record)),
        evidence=tuple(Piece(f"{one.document_id}, version {one.version}", shown(one.quote), is_evidence=True) for one in item.evidence),
        passages=tuple(
            Piece(f"[{one.rank}] {one.document_id}, version {one.version}", shown(one.text), bool(held(one, item.evidence)), one.rank in cited)
            for one in record.retrieved
        ),
        folded=folded,
    )


def expected(item: Item, arm: str) -> str:
    """The right outcome of an item, as a reader would want it said."""
    if must_refuse(item, arm):
        return expectation(item, arm)
    wanted = item.answer
    parts = [
        " / ".join(wanted.texts),
        f"rating {wanted.verdict}" if wanted.verdict else "",
        f"facts: {'; '.join(' or '.join(group) for group in wanted.facts)}" if wanted.facts else "",
        f"numbers: {'; '.join(f'{one.value:g} {one.unit}'.strip() for one in wanted.numbers)}" if wanted.numbers else "",
        f"must not say: {'; '.join(wanted.forbidden)}" if wanted.forbidden else "",
        f"adapter {item.expect.adapter}" if item.task == "routing" and item.expect.adapter else "",
    ]
    return ". ".join(filter(None, parts)) or "an answer"


def shown(text: str) -> str:
    """Fit to be read by whoever gets the report: nothing hidden in it, personal data masked, not endless."""
    clean = mask(normalise(text)).strip()
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST].rstrip()} […]"


def _findings(material: Material, record: Record) -> Sequence[str]:
    found: list[str] = []
    if record.error is not None:
        return found
    for name, bad in _GRAVE:
        if (value := material.value(record.item, record.arm, name)) is not None and value >= bad:
            found.append(metric(name).title)
    for name in ("evidence_recall", "fact_recall", "numeric_match", "verdict", "number_grounding"):
        if (value := material.value(record.item, record.arm, name)) is not None and value < 1:
            found.append(f"{metric(name).title} {value:.0%}")
    if record.dropped:
        found.append(f"{record.dropped} sentence{'s' if record.dropped > 1 else ''} dropped by the checks")
    for sentence in record.sentences:
        if sentence.failed:
            found.append(f"failed check {', '.join(sentence.failed)}: {shown(sentence.text)[:120]}")
    return found
