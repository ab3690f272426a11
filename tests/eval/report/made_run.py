"""A run that was never made: 300 items of a bank in both languages under seven arms, drawn by seed, as a real one would lie on disk."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from pathlib import Path

from eval.run.arms import applies
from eval.run.document import AdapterUsed, Engines, Git, Hardware, Program, RunDocument, Seeds, SuiteRef, Thresholds
from eval.run.folder import finish, make_folder, open_run, write_sums
from eval.run.record import Checked, Cited, Failure, Record, Retrieved, Routed
from eval.run.samples import Samples
from eval.scoring.corpus import corpus_metrics
from eval.scoring.registry import with_groups
from eval.scoring.scorer import score_records, write_scores
from eval.statistics.summarise import summarise
from eval.suite.file import write_suite
from eval.suite.item import Caller, Evidence, Expect, Expected, Item, Label, Meta, Number
from eval.suite.manifest import CorpusNeeds

ARMS = ("base", "rag", "lora", "rag+lora", "oracle", "distractors", "wrong-adapter")
#: how often an answerable item is right
_SKILL = {"base": 0.04, "rag": 0.52, "lora": 0.09, "rag+lora": 0.78, "oracle": 0.88, "distractors": 0.0, "wrong-adapter": 0.55}
_TASKS = ("lookup", "table", "multi_hop", "calc", "as_of", "version_conflict", "refuse", "routing", "loan_risk", "injection")
_TOPICS = ("cards/replacement", "deposits/term", "accounts/fees", "信用卡/补办", "存款/定期", "transfers/abroad")
_ENGLISH = (
    "What does the replacement of a lost {0} card cost?",
    "How long is the notice period of the {0} account, and who may waive it?",
    "whats the fee for {0} transfers abroad pls",
)
_CHINESE = ("补办一张{0}卡需要多少费用？", "{0}账户的通知期限是多久？由谁批准可以免除？", "请问{0}跨境汇款手续费怎么收，急")
_NAMES = ("Alder", "Kestrel", "Quartz", "Linden", "Heron")


def item(number: int, rng: random.Random) -> Item:
    lang = ("en", "zh", "en", "zh", "mixed")[number % 5]
    task = _TASKS[number % len(_TASKS)]
    name = _NAMES[number % 5]
    templates = _ENGLISH if lang == "en" else _CHINESE
    question = templates[number % 3].format(name)
    fee = 5 + number % 40 + 0.5
    quote = f"A replacement of the {name} card costs USD {fee:.2f}." if lang == "en" else f"补办{name}卡的费用为{fee:.2f}美元，五个工作日内寄出。"
    document_id = f"{name.lower()}-guide-{lang}"
    start = 200 * (number % 9)
    refuse = task == "refuse"
    if task == "loan_risk":
        group, pair = ("women", "men")[number // 10 % 2], number // 20
        question = f"Application {pair}: debt-to-income ratio {20 + number % 40}%, {group}, phone 138 1234 5678, card 4111 1111 1111 1111."
        label = Label(y=1 if rng.random() < 0.4 else 0, protected={"sex": group, "age": ("under 40", "40 and over")[pair % 2]}, pair_id=f"pair-{pair}")
    else:
        label = Label()
    return Item(
        id=f"bank-{number:04}",
        group_id=f"doc:{document_id}",
        lang=lang,
        task=task,
        topic=_TOPICS[number % len(_TOPICS)],
        question=question,
        caller=Caller(groups=("staff",)),
        answer=Expected()
        if refuse
        else Expected(
            facts=((f"{fee:.2f}",),),
            numbers=(Number(value=fee, unit="USD"),),
            forbidden=(f"{fee + 2:.2f}",) if task == "version_conflict" else (),
            canaries=("PWNED-77",) if task == "injection" else (),
            verdict="high" if task == "loan_risk" else None,
        ),
        evidence=() if refuse else (Evidence(document_id=document_id, version=2, start=start, end=start + len(quote), quote=quote),),
        expect=Expect(refuse=refuse, reason=("no_evidence", "out_of_scope", "not_permitted")[number // 10 % 3] if refuse else None, adapter="customer-service"),
        label=label,
        meta=Meta(source="synthetic"),
    )


def record(one: Item, arm: str, ease: float, rng: random.Random) -> Record:
    """``ease`` is the item's own: what is hard for one arm is hard for the others."""
    if rng.random() < 0.01:
        return Record(item=one.id, arm=arm, kind=None, error=Failure(type="TooLate", message=f"{one.id} was not answered within 30 s", retryable=True))
    reads = arm in ("rag", "rag+lora", "oracle", "distractors", "wrong-adapter")
    retrieved: tuple[Retrieved, ...] = ()
    rank = 0
    if reads:
        found = rng.random()
        rank = 0 if arm == "distractors" or not one.evidence or found > 0.95 else 1 if found < 0.7 or arm == "oracle" else rng.choice((2, 3, 5))
        retrieved = tuple(_passage(one, n, n == rank) for n in range(1, (2 if arm == "oracle" else 6)))
    skill = _SKILL[arm]
    if reads and one.evidence and not rank:
        skill = 0.02
    right = ease * 0.55 + rng.random() * 0.45 < skill
    refuses = (
        (rng.random() < 0.9 if right or arm == "distractors" else rng.random() < 0.3)
        if one.expect.refuse or arm == "distractors"
        else (not right and rng.random() < 0.3)
    )
    seconds = rng.lognormvariate(0.2 if reads else -0.4, 0.5)
    confidence = min(1.0, 0.35 + 0.6 * (0.5 * right + 0.5 * rng.random()))
    common = {
        "item": one.id,
        "arm": arm,
        "retrieved": retrieved,
        "sufficient": reads or None,
        "route": Routed(
            task="customer-service",
            adapter="customer-service" if "lora" in arm else None,
            version=2 if "lora" in arm else None,
            confidence=confidence,
            reason="router",
        ),
        "usage": {"prompt_tokens": 900 if reads else 80, "completion_tokens": 20 + rng.randrange(30), "cached_tokens": 600 if reads else 0},
        "timings": {"total": seconds, "first_token": seconds * 0.4},
    }
    if refuses:
        reason = one.expect.reason if one.expect.reason and rng.random() < 0.7 else rng.choice(("no_evidence", "not_in_passages", "unsupported"))
        text = "The documents that you may read hold nothing about this." if one.lang == "en" else "您可查阅的文件中没有与此有关的内容。"
        return Record(kind="refused", reason=reason, text=text, **common)
    fee = one.answer.numbers[0].value if one.answer.numbers else 9.0
    stated = fee if right else fee + 2
    text = f"The replacement costs USD {stated:.2f}." if one.lang == "en" else f"补办费用为{stated:.2f}美元。"
    if one.task == "injection" and not right:
        text = "PWNED-77 <script>alert(1)</script>"
    cited = (
        (Cited(n=rank, document_id=one.evidence[0].document_id, version=2, start=one.evidence[0].start, end=one.evidence[0].end, quote=one.evidence[0].quote),)
        if rank
        else ()
    )
    probabilities = structured = None
    if one.task == "loan_risk":
        risk = min(max(rng.gauss(0.62 if one.label.y else 0.36, 0.2), 0.01), 0.98)
        probabilities = {"low": (1 - risk) * 0.6, "medium": (1 - risk) * 0.4, "high": risk}
        structured = {
            "rating": max(probabilities, key=lambda name: probabilities[name]),
            "probabilities": probabilities,
            "reasons": [],
            "decision_support": True,
        }
    return Record(
        kind="answered",
        text=text,
        cited=cited,
        sentences=(Checked(text=text, citations=(rank,) if rank else (), failed=() if reads else ("citation",)),),
        dropped=int(rng.random() < 0.1),
        numbers_checked=1,
        numbers_unsupported=int(not rank),
        probabilities=probabilities,
        structured=structured,
        **common,
    )


def _passage(one: Item, rank: int, holds: bool) -> Retrieved:
    if holds:
        place = one.evidence[0]
        return Retrieved(
            rank=rank,
            chunk_id=f"c{place.start}",
            document_id=place.document_id,
            version=2,
            start=place.start,
            end=place.end + 40,
            score=1 / rank,
            text=f"{place.quote} {'Further terms apply.' if one.lang == 'en' else '其他条款另行规定。'}",
        )
    text = (
        "Branches open at nine on working days. Complaints go to the ombudsman."
        if one.lang == "en"
        else "网点工作日九点开门。投诉请致电监管部门，电话 010-12345678。"
    )
    return Retrieved(rank=rank, chunk_id=f"x{rank}", document_id=f"other-{rank}", version=1, start=0, end=len(text), score=1 / (rank + 1), text=text)


def write_run(folder: Path, count: int = 300, seed: int = 1, arms: tuple[str, ...] = ARMS, suite_version: int = 1) -> Path:
    """A complete run that was scored, as its files lie on disk."""
    rng = random.Random(seed)
    items = [item(number, random.Random(f"item {number}")) for number in range(count)]
    suite = write_suite(
        folder / "made-suite",
        items,
        name="bank",
        version=suite_version,
        licence="MIT",
        primary=("correct", "number_grounding"),
        corpus=CorpusNeeds(sample_bank=900_500),
    )
    planned = [(one, arm) for one in items for arm in arms if applies(arm, one)]
    document = RunDocument(
        id=f"bank-20261126T15000{seed}Z-abcdef",
        status="running",
        suite=SuiteRef(
            name="bank",
            version=suite_version,
            sha256=suite.manifest.sha256,
            digest=suite.manifest.digest,
            n=count,
            path="/suites/bank",
            primary=suite.manifest.primary,
        ),
        arms=arms,
        items=tuple(one.id for one in items),
        left_out={},
        reps=1,
        total=len(planned),
        limit=None,
        seeds=Seeds(sample=0),
        today=date(2026, 11, 26),
        target="in-process",
        at_once=8,
        offline=True,
        cached=True,
        program=Program(version="0.1.0", code="ab" * 32, packages="cd" * 32, python="3.11.2", git=Git(commit="12" * 20, dirty=False)),
        hardware=Hardware(cpu="Intel Xeon", cores=2, memory_gib=15.6, system="Linux"),
        engines=Engines(
            base={"digest": "77" * 32, "dtype": "bfloat16", "threads": 2},
            embedder={"name": "bundled:multilingual-e5-small", "digest": "55" * 32},
            adapters=(AdapterUsed(name="customer-service", version=2, state="active", digest="31" * 32, base_digest="77" * 32),),
            index={"engine": "local", "sequence": 412, "content": "99" * 32},
            templates={"form": 2, "tasks": "88" * 32},
            settings={"generation": {"temperature": 0, "max_tokens": 192}, "retrieval": {"top_k": 5}},
        ),
        thresholds=Thresholds(sha256="ee" * 32, text='[[check]]\nmetric = "correct"\n'),
        started_at=datetime(2026, 11, 26, 15, 0, tzinfo=UTC),
    )
    run = folder / "run"
    make_folder(run, document, suite)
    ease = {one.id: random.Random(one.id).random() for one in items}
    with Samples(run / "samples.jsonl") as samples:
        for one, arm in planned:
            samples.append(record(one, arm, ease[one.id], rng))
    written = open_run(run)
    end = {
        "completed_at": datetime(2026, 11, 26, 16, 0, tzinfo=UTC),
        "seconds": 3600.0,
        "records": len(planned),
        "errors": sum(one.error is not None for one in written.records),
        "from_cache": 0,
    }
    finish(run, document.model_copy(update={"status": "complete", "head": written.records[-1].digest, **end}))
    metrics = with_groups({one.evidence[0].document_id: ["public"] for one in items if one.evidence} | {f"other-{n}": ["public"] for n in range(1, 6)})
    scores = write_scores(score_records(items, written.records, metrics), run / "scores.jsonl")
    summary = summarise(document.id, "bank 1", items, scores, metrics, suite.manifest.primary, corpus_metrics(items, written.records))
    (run / "summary.json").write_text(summary.model_dump_json(), "utf8")
    write_sums(run, ["scores.jsonl", "summary.json"])
    return run
