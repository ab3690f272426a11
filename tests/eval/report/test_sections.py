"""What the sections say, against figures counted by hand from a run of a few items."""

from __future__ import annotations

from typing import Any

import pytest

from eval.report import (
    arms,
    cases,
    cost,
    failures,
    fairness,
    grounding,
    limits,
    provenance,
    refusals,
    regressions,
    retrieval,
    risk,
    robustness,
    slices,
    verdict,
)
from eval.report.blocks import Banner, Case, Chart, Charts, Mark, Name, Note, Section, Table, Value, Verbatim
from eval.report.material import Material
from eval.run.record import Cited, Failure, Record, Retrieved, Routed
from eval.scoring.corpus import corpus_metrics
from eval.scoring.score import Score
from eval.suite.item import Evidence, Expect, Expected, Item, Label
from eval.summary import Aggregate, Effect, Summary

EMPTY = Summary(run="r", suite="s 1", primary=("correct",), aggregates=(), pairs=(), effects=(), omnibus=(), detectable=())


def item(name: str, **fields: Any) -> Item:
    return Item(**{"id": name, "group_id": f"g-{name}", "lang": "en", "task": "lookup", "question": f"What of {name}?"} | fields)


def answered(name: str, text: str = "USD 5.", arm: str = "rag+lora", **fields: Any) -> Record:
    return Record(item=name, arm=arm, kind="answered", text=text, **fields)


def refused(name: str, reason: str, arm: str = "rag+lora") -> Record:
    return Record(item=name, arm=arm, kind="refused", reason=reason, text="No.")


def run(items: list[Item], records: list[Record], correct: dict[str, float] | None = None, scores: tuple[Score, ...] = (), **fields: Any) -> Material:
    """``correct``: item -> value, under every arm."""
    judged = [Score(record.item, record.arm, record.rep, "correct", 1, (correct or {})[record.item]) for record in records if record.item in (correct or {})]
    values: dict[str, Any] = {"document": {}, "items": {one.id: one for one in items}, "records": records, "scores": (*judged, *scores), "summary": EMPTY}
    return Material(**(values | fields))


def tables(section: Section) -> dict[str, Table]:
    found: dict[str, Table] = {}

    def walk(blocks: Any) -> None:
        for block in blocks:
            if isinstance(block, Table):
                found[block.caption] = block
            elif isinstance(block, Chart):
                found[block.title] = block.table
            elif isinstance(block, Charts):
                walk(block.charts)

    walk(section.blocks)
    return found


def plain(table: Table) -> list[list[Any]]:
    """The cells without their looks."""
    return [[cell.value if isinstance(cell, Value) else cell.text if isinstance(cell, Mark | Name) else cell for cell in row] for row in table.rows]


def notes(section: Section) -> list[str]:
    return [block.text for block in section.blocks if isinstance(block, Note)]


def passage(rank: int, document_id: str = "fees", start: int = 0, end: int = 50) -> Retrieved:
    return Retrieved(rank=rank, chunk_id=f"c{rank}", document_id=document_id, version=1, start=start, end=end, score=1.0, text=f"passage {rank}")


PLACE = Evidence(document_id="fees", version=1, start=100, end=140, quote="The fee is USD 5.")
HOLDS: dict[str, Any] = {"start": 90, "end": 150}


def test_the_retrieval_curve_counts_evidence_by_place() -> None:
    two = item("two", evidence=(PLACE, PLACE.model_copy(update={"start": 300, "end": 320})), answer=Expected(facts=(("5",),)))
    one = item("one", evidence=(PLACE,), answer=Expected(facts=(("5",),)))
    nothing = item("nothing", evidence=(PLACE,), answer=Expected(facts=(("5",),)))
    records = [
        answered("two", retrieved=(passage(1), passage(2, **HOLDS), passage(3), passage(4, start=295, end=330))),  # half by rank 2, all by rank 4
        answered("one", retrieved=(passage(1, "other", **HOLDS), passage(2, start=125, end=500), passage(3, start=120, end=500))),  # half of it, by rank 3
        answered("nothing"),
    ]
    (table,) = [found for caption, found in tables(retrieval.section(run([two, one, nothing], records))).items() if caption.startswith("Evidence found")]
    by_k = [row[1] for row in plain(table)]
    assert by_k == pytest.approx([0, 0.5 / 3, 1.5 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_what_is_lost_adds_up_to_all_items() -> None:
    effects = (
        Effect(metric="correct", name="retrieval_loss", count=10, value=0.1, low=0.0, high=0.2),
        Effect(metric="correct", name="generation_loss", count=10, value=0.25, low=0.2, high=0.3),
    )
    made = run([item("a")], [answered("a")], summary=EMPTY.model_copy(update={"effects": effects}))
    table = tables(retrieval.section(made))["Right, and where the lost ones are lost (10 items with evidence)"]
    assert [row[1] for row in plain(table)] == pytest.approx([0.65, 0.1, 0.25])


def test_the_refusal_matrix_has_reasons_against_outcomes() -> None:
    items = [
        item("a", answer=Expected(facts=(("5",),))),
        item("b", answer=Expected(facts=(("5",),))),
        item("c", expect=Expect(refuse=True, reason="out_of_scope")),
        item("d", expect=Expect(refuse=True, reason="no_evidence")),
        item("e", expect=Expect(refuse=True, reason="no_evidence")),
    ]
    failed = Record(item="e", arm="rag+lora", kind=None, error=Failure(type="TooLate", message="30 s"))
    records = [answered("a"), refused("b", "no_evidence"), answered("c"), refused("d", "no_evidence"), failed]
    (table,) = [found for caption, found in tables(refusals.section(run(items, records))).items() if caption.startswith("What was expected")]
    assert table.columns == ("Expected", "answered", "refused: not in the documents", "call failed")
    assert plain(table) == [
        ["answer", "1", "1", "0"],
        ["refuse: no question for a bank", "1", "0", "0"],
        ["refuse: not in the documents", "0", "1", "1"],
    ]
    tones = {(row[0], column): cell.tone for row in table.rows for column, cell in zip(table.columns, row, strict=True) if isinstance(cell, Mark)}
    assert tones == {
        ("answer", "answered"): "good",
        ("answer", "refused: not in the documents"): "bad",
        ("refuse: no question for a bank", "answered"): "bad",
        ("refuse: not in the documents", "refused: not in the documents"): "good",
        ("refuse: not in the documents", "call failed"): "bad",
    }


def test_risk_is_drawn_against_coverage_for_ratings_and_routes_apart() -> None:
    sure = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5]
    items = [item(f"i{number}", task="routing", expect=Expect(adapter="loan-risk")) for number in range(10)]
    routes = [
        Routed(task="t", adapter="loan-risk" if number < 8 else "compliance", version=1, confidence=one, reason="router") for number, one in enumerate(sure)
    ]
    made = run(items, [answered(one.id, route=route) for one, route in zip(items, routes, strict=True)])
    (table,) = [found for caption, found in tables(refusals.section(made)).items() if caption.startswith("Wrong ones if only")]
    assert table.columns == ("Surest kept", "routes, by the router's confidence")
    assert plain(table) == [["20%", 0.0], ["40%", 0.0], ["60%", 0.0], ["80%", 0.0], ["100%", 0.2]]


def test_the_worst_answers_come_by_what_they_could_do() -> None:
    names = ["fine", "slow", "refuses", "half", "wrong", "leaks", "obeys"]
    items = [item(name, answer=Expected(facts=(("5",),))) for name in names]
    records = [answered(name) for name in names if name not in ("slow", "refuses")] + [refused("refuses", "unsupported")]
    records.append(Record(item="slow", arm="rag+lora", kind=None, error=Failure(type="TooLate", message="30 s")))
    extra = (
        Score("leaks", "rag+lora", 0, "acl_leak", 1, 1.0),
        Score("obeys", "rag+lora", 0, "injected", 1, 1.0),
        Score("slow", "rag+lora", 0, "injected", 1, 1.0, "error"),
        Score("half", "rag+lora", 0, "fact_recall", 1, 0.5),
        Score("wrong", "rag+lora", 0, "fact_recall", 1, 0.0),
    )
    found = cases.section(run(items, records, {name: float(name in ("fine", "leaks")) for name in names}, extra))
    shown = [block for block in found.blocks if isinstance(block, Case)]
    assert [one.item for one in shown] == ["leaks", "obeys", "wrong", "half", "slow", "refuses", "fine"]
    assert [one.folded for one in shown] == [False, False, True, True, True, True, True]
    assert "Document shown that the caller may not read" in shown[0].findings
    assert shown[4].outcome == "call failed: 30 s"


def test_at_most_twenty_of_each_are_shown_and_the_draw_is_the_same_each_time() -> None:
    items = [item(f"i{number:02}", answer=Expected(facts=(("5",),))) for number in range(70)]
    made = run(items, [answered(one.id) for one in items], {one.id: float(number >= 25) for number, one in enumerate(items)})
    shown = [block.item for block in cases.section(made).blocks if isinstance(block, Case)]
    assert len(shown) == len(set(shown)) == 40
    assert shown[:20] == [f"i{number:02}" for number in range(20)]
    assert shown == [block.item for block in cases.section(made).blocks if isinstance(block, Case)]
    assert shown[20:] != sorted(shown[20:])


def test_personal_data_is_masked_wherever_a_text_is_shown() -> None:
    card, mail, resident = "4111 1111 1111 1111", "li.wei@example.com", "11010519491231002X"
    one = item(
        "a",
        question=f"My card {card}?",
        evidence=(Evidence(document_id="fees", version=1, start=0, end=50, quote=f"write to {mail}"),),
        answer=Expected(texts=(f"身份证 {resident}",)),
    )
    record = answered(
        "a",
        f"您的身份证号是{resident}",
        retrieved=(passage(1).model_copy(update={"text": f"mail {mail}"}),),
        cited=(Cited(n=1, document_id="fees", version=1, start=0, end=50, quote=""),),
    )
    older = run([one], [record], {"a": 1.0})
    made = run([one], [record], {"a": 0.0}, baseline=older)
    text = repr(cases.section(made)) + repr(regressions.section(made))
    assert not any(secret in text for secret in (card, mail, resident))
    assert all(label in text for label in ("[CARD]", "[EMAIL]", "[RESIDENT_ID]"))


def test_what_fails_newly_is_told_with_both_answers() -> None:
    items = [item("kept"), item("lost", question="补办费用是多少？"), item("gained")]
    before = run(items, [answered("kept"), answered("lost", "5美元"), answered("gained")], {"kept": 1, "lost": 1, "gained": 0})
    now = run(items, [answered("kept"), refused("lost", "unsupported"), answered("gained")], {"kept": 1, "lost": 0, "gained": 1}, baseline=before)
    found = tables(regressions.section(now))
    assert plain(found["Items that changed"]) == [["rag+lora", 3, 1, 1]]
    assert plain(found["Right before, wrong now"]) == [
        ["lost (rag+lora)", "补办费用是多少？", "answered: 5美元", "refused: answer not supported by the passages: No."]
    ]


def test_noise_is_the_share_of_passages_without_evidence() -> None:
    items = [item(name, evidence=(PLACE,), answer=Expected(facts=(("5",),))) for name in "abcd"]
    good = passage(1, **HOLDS)
    records = [
        answered("a", retrieved=(good,)),
        answered("b", retrieved=(good, passage(2))),
        answered("c", retrieved=(good, passage(2))),
        answered("d", retrieved=(passage(2),)),
    ]
    made = run(items, records, {"a": 1, "b": 1, "c": 0, "d": 0})
    (table,) = [found for caption, found in tables(robustness.section(made)).items() if "noise" in caption]
    assert plain(table) == [["rag+lora: up to 20%", 1, 1.0], ["rag+lora: up to 60%", 2, 0.5], ["rag+lora: up to 100%", 1, 0.0]]


def test_obeyed_orders_are_counted() -> None:
    items = [item(name, task="injection", answer=Expected(facts=(("5",),), canaries=("PWNED",))) for name in "abcd"]
    scores = tuple(Score(name, "rag+lora", 0, "injected", 1, float(name == "a")) for name in "abcd")
    made = run(items, [answered(name) for name in "abcd"], {"a": 0, "b": 1, "c": 1, "d": 0}, scores)
    assert plain(tables(robustness.section(made))["Orders hidden in documents"]) == [["Documents and adapters (rag+lora)", "1 of 4", 0.25, 0.5]]


def loan(name: str, high: float | None, y: int, rating: str = "low", **label: Any) -> tuple[Item, Record]:
    one = item(name, task="loan_risk", label=Label(y=y, **label), answer=Expected(verdict="low"))
    probabilities = None if high is None else {"low": 1 - high, "medium": 0.0, "high": high}
    return one, answered(name, structured={"rating": rating}, probabilities=probabilities)


def columns(*pairs: tuple[Item, Record]) -> tuple[list[Item], list[Record]]:
    return [one for one, _ in pairs], [record for _, record in pairs]


def test_roc_and_the_widest_gap_by_hand() -> None:
    made = run(*columns(loan("a", 0.9, 1), loan("b", 0.7, 0), loan("c", 0.6, 1), loan("d", 0.2, 0)))
    found = tables(risk.section(made))
    assert plain(found["Bad applications caught against good ones stopped (ROC)"]) == [["rag+lora", pytest.approx(0.75), 4]]
    # at 0.9 one of two bad ones is caught and no good one stopped; at 0.6 all bad ones, and one of two good ones
    ((_, gap, cutoff, caught, stopped),) = plain(found["What each cut-off stops (KS), rag+lora"])
    assert (gap, caught - stopped) == (0.5, 0.5)
    assert (cutoff, caught, stopped) in ((0.9, 0.5, 0.0), (0.6, 1.0, 0.5))
    assert notes(risk.section(made)) == ["Not reliable: 4 applications in the arm rag+lora, fewer than 300. Read the calibration figures as a hint only."]


def test_groups_and_pairs_are_shown_as_the_scoring_counted_them() -> None:
    items, records = columns(
        loan("a1", 0.5, 0, "low", protected={"sex": "women"}, pair_id="a"),
        loan("a2", 0.6, 0, "high", protected={"sex": "men"}, pair_id="a"),
        loan("b1", 0.3, 0, "low", protected={"sex": "women"}, pair_id="b"),
        loan("b2", 0.3, 0, "low", protected={"sex": "men"}, pair_id="b"),
    )
    counted = corpus_metrics(items, records)
    found = tables(fairness.section(run(items, records, summary=EMPTY.model_copy(update={"corpus_metrics": counted}))))
    groups = plain(found["Favourable ratings by sex, with 95% intervals"])
    assert [(row[0], row[1], row[2], row[-1]) for row in groups] == [("men", 2, 0.5, "fewer than 50"), ("women", 2, 1.0, "fewer than 50")]
    assert plain(found["Between the groups by sex, with 95% intervals"])[0] == ["Lowest share over highest", None, 0.5, ""]
    flips, change = plain(found["The same application with another protected attribute"])
    assert flips == ["Pairs whose rating changes", "1 of 2", 0.5, "not kept"]
    assert change[2:] == [pytest.approx(0.095), "not kept"]  # between no change and 0.1


def test_slices_come_worst_first_and_small_ones_last() -> None:
    def part(name: str, mean: float, total: int) -> Aggregate:
        return Aggregate(
            arm="rag+lora", metric="correct", slice=name, total=total, scored=total, errors=0, mean=mean, low=mean - 0.05, high=mean + 0.05, method="wilson"
        )

    parts = (
        part("all", 0.8, 100),
        part("lang:en", 0.9, 60),
        part("lang:zh", 0.6, 40),
        part("task:calc", 0.1, 3),
        part("task:table", 0.6, 40),
        part("lang:zh&task:table", 0.6, 40),
    )
    made = run([item("a")], [answered("a")], summary=EMPTY.model_copy(update={"aggregates": parts}))
    table = tables(slices.section(made))["The worst parts of the suite"]
    assert plain(table) == [
        ["Chinese", 0.6, 40, "below all items"],
        ["fact in a table", 0.6, 40, "below all items"],
        ["English", 0.9, 60, ""],
        ["arithmetic", 0.1, 3, "few items"],
    ]


def test_none_of_many_is_given_its_bound() -> None:
    none = Aggregate(arm="rag+lora", metric="fabricated", total=300, scored=300, errors=0, mean=0.0, low=0.0, high=0.01, method="wilson")
    some = none.model_copy(update={"metric": "forbidden", "mean": 0.02})
    failed = none.model_copy(update={"metric": "acl_leak", "mean": 0.01, "errors": 3})  # which count as leaks in the mean
    made = run([item("a")], [answered("a")], summary=EMPTY.model_copy(update={"aggregates": (none, some, failed)}))
    assert [row[1] for row in plain(tables(grounding.section(made))["What must not happen"])] == [
        "0 of 300 (at most 1.0%)",
        "0 of 297 (at most 1.0%), 3 calls failed",
        "6 of 300",
    ]


def test_times_of_cached_answers_are_left_out() -> None:
    scores = tuple(Score(name, "rag+lora", 0, "seconds", 1, value) for name, value in (("a", 1.0), ("b", 3.0), ("c", None)))
    records = [answered("a"), answered("b"), answered("c", cached=True)]
    found = cost.section(run([item(name) for name in "abc"], records, scores=scores))
    assert plain(tables(found)["Time per answer"]) == [["Time to the whole answer: rag+lora", 2.0, pytest.approx(2.9), pytest.approx(2.98), 2]]
    assert "1 of 3 answers came out of the cache" in notes(found)[0]


def test_failed_calls_and_missing_values_are_counted_by_reason() -> None:
    failed = Record(item="b", arm="rag+lora", kind=None, error=Failure(type="TooLate", message="30 s"))
    scores = tuple(Score(name, "rag+lora", 0, "fact_recall", 1, None, "refused") for name in "ac")
    found = tables(failures.section(run([item(name) for name in "abc"], [answered("a"), failed, answered("c")], scores=scores)))
    assert plain(found["Calls that failed"]) == [["TooLate", "rag+lora", 1, pytest.approx(1 / 3)]]
    assert plain(found["Values that cannot be had, by reason"]) == [["Facts stated", "refused", 2]]


def banner(section: Section) -> Banner:
    (found,) = [block for block in section.blocks if isinstance(block, Banner)]
    return found


def test_without_a_gate_there_is_no_verdict() -> None:
    failed = Record(item="b", arm="rag+lora", kind=None, error=Failure(type="TooLate", message="30 s"))
    found = banner(verdict.section(run([item("a"), item("b")], [answered("a"), failed])))
    assert found.title == "No verdict: no gate was run"
    assert "1 of 2 calls failed" in found.text


def test_what_the_run_took_of_the_machine() -> None:
    taken = {"peak_mib": 2048.4, "adapter_loads": 3, "adapter_load_seconds": 1.5, "adapter_uses": 250, "adapter_use_seconds": 0.005, "reason": ""}
    found = cost.section(run([item("a")], [answered("a")], document={"resources": taken}))
    assert plain(tables(found)["What the run took"]) == [
        ["Memory at most", "2,048 MiB"],
        ["Changes to an adapter that had to be read", "3 times, 500 ms each"],
        ["Changes to an adapter in memory", "250 times, 0.02 ms each"],
    ]
    elsewhere = dict.fromkeys(taken) | {"reason": "a service answered"}
    assert "Memory and adapters: a service answered." in notes(cost.section(run([item("a")], [answered("a")], document={"resources": elsewhere})))


def test_noise_and_attacks_have_their_figures() -> None:
    figures = {"rag+lora": {"noise_slope": -0.25, "noise_area": 0.5, "attack_success:injection/table": 0.1, "attack_success@in a cell": 0.2}}
    records = [answered("a", retrieved=(passage(1),))]
    made = run(
        [item("a", evidence=(PLACE,), answer=Expected(facts=(("5",),)))], records, {"a": 1.0}, summary=EMPTY.model_copy(update={"corpus_metrics": figures})
    )
    found = tables(robustness.section(made))
    assert plain(found["How far noise pulls the right outcome down"]) == [["Documents and adapters (rag+lora)", -0.025, 0.5]]
    assert plain(found["Orders that were obeyed, by kind and place (rag+lora)"]) == [["kind: injection/table", 0.1], ["place: in a cell", 0.2]]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (retrieval, "This run has no arm that retrieves"),
        (grounding, "No score of sources or citations"),
        (robustness, "No arm of this run has passages"),
        (risk, "No loan applications"),
        (fairness, "No loan applications with protected attributes"),
        (slices, "no parts of the suite"),
        (cost, "No times or token counts"),
        (regressions, "No baseline was given"),
    ],
    ids=lambda one: one.__name__.rpartition(".")[2] if hasattr(one, "__name__") else "",
)
def test_a_section_without_data_says_so(section: Any, said: str) -> None:
    found = section.section(run([item("a")], [answered("a", arm="base")]))
    assert any(said in note for note in notes(found)), notes(found)


def test_the_limits_name_what_was_not_measured() -> None:
    text = " ".join(notes(limits.section(run([item("a"), item("b", group_id="g-a")], [answered("a")]))))
    assert "2 items in 1 groups" in text
    assert "Only" not in text
    part = run([item("a")], [answered("a")], document={"suite": {"name": "s", "version": 1, "n": 50}, "seeds": {"sample": 3}})
    assert "Only 1 of the suite's 50 items were asked, drawn by chance (seed 3)." in notes(limits.section(part))
    assert "No model judged the answers" in text


def test_everything_that_the_run_recorded_is_shown() -> None:
    document = {"id": "r", "engines": {"base": {"digest": "ff" * 32}, "adapters": [{"name": "n", "digest": "ee" * 32}]}, "cached": True, "limit": None}
    rows = dict(
        map(
            tuple,
            plain(tables(provenance.section(run([item("a")], [answered("a")], document=document)))["All that run.json records: settings, versions, digests"]),
        )
    )
    assert rows == {
        "id": "r",
        "engines.base.digest": "ff" * 32,
        "engines.adapters.1.name": "n",
        "engines.adapters.1.digest": "ee" * 32,
        "cached": "yes",
        "limit": "none",
    }


def check(**fields: Any) -> dict[str, Any]:
    made = {
        "name": "fabricated[1]: at most 0",
        "kind": "mean",
        "metric": "fabricated",
        "arm": "rag+lora",
        "slice": "all",
        "wanted": "at most 0",
        "threshold": 0.0,
    }
    return made | {"value": 0.0, "low": 0.0, "high": 0.1, "count": 30, "passed": True, "decided": True, "why": "0 of 30"} | fields


@pytest.mark.parametrize(
    ("checks", "title", "text"),
    [
        ([check(), check()], "Passed", "All 2 checks passed."),
        ([check(), check(passed=False)], "Not passed", "1 of 2 checks failed: Invented citations · rag+lora."),
        ([check(), check(passed=False, decided=False)], "Not decided", "too small to decide 1 of 2 checks"),
        ([check(passed=False, decided=False, slice="lang:zh"), check(passed=False)], "Not passed", "decide 1 more: Invented citations · rag+lora · Chinese."),
    ],
    ids=["passed", "failed", "too small", "both"],
)
def test_the_verdict_is_the_gates(checks: list[dict[str, Any]], title: str, text: str) -> None:
    gate = {"checks": checks, "thresholds_set_before_run": False}
    found = verdict.section(run([item("a")], [answered("a")], gate=gate, document={"thresholds": {"text": 'metric = "fabricated"'}}))
    assert banner(found).title == title
    assert text in banner(found).text
    rows = plain(tables(found)["The checks of the gate"])
    assert len(rows) == len(checks)
    assert rows[0][-1] == {"Passed": "passed", "Not passed": "not passed", "Not decided": "suite too small"}[title]  # what failed comes first
    assert "not set before the run" in notes(found)[0]
    assert [block.text for block in found.blocks if isinstance(block, Verbatim)] == ['metric = "fabricated"']


def test_a_difference_that_a_gate_asks_for_is_in_points() -> None:
    looked_at = (("correct", "mean"), ("correct", "difference"), ("auroc", "figure"), ("ndcg@10", "difference"), ("seconds", "mean"))
    gate = {"checks": [check(metric=name, kind=kind) for name, kind in looked_at], "thresholds_set_before_run": True}
    table = tables(verdict.section(run([item("a")], [answered("a")], gate=gate)))["The checks of the gate"]
    assert [row[1].form for row in table.rows if isinstance(row[1], Value)] == ["share", "points", "number", "number", "seconds"]


def test_fewer_wrong_refusals_are_better() -> None:
    def effect(metric: str, low: float, high: float) -> Effect:
        return Effect(metric=metric, name="rag", count=10, value=(low + high) / 2, low=low, high=high)

    effects = (effect("correct", 0.1, 0.2), effect("over_refusal", 0.1, 0.2), effect("refused_right", -0.1, 0.2))
    summary = EMPTY.model_copy(update={"primary": ("correct", "over_refusal", "refused_right"), "effects": effects})
    table = tables(arms.section(run([item("a")], [answered("a")], summary=summary)))["Effects over all items, with 95% intervals"]
    assert [(row[0], row[2]) for row in plain(table)] == [
        ("What documents add", "better"),
        ("What documents add: Wrongly refused", "worse"),
        ("What documents add: Rightly refused", "not shown"),
    ]
