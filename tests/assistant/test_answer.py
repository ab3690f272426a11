"""The main path: route, retrieve, generate, ground, audit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from assistant.answer import Event, Request
from assistant.bootstrap import Application
from core.errors import BadInput, CallerLeft, NotFound, Overloaded
from core.prompts import Prompt
from core.types import AdapterRef, Answer, AnswerKind, AnswerStatus, Found, Passage, Principal, Query, Route, Sentence, Turn
from tests.assistant.conftest import CUSTOMER, STAFF, Write, publish
from tests.fakes import ScriptedGenerator

Running = tuple[Application, ScriptedGenerator]
TODAY = date(2026, 11, 22)


def query(text: str, who: Principal = CUSTOMER, as_of: date = TODAY, history: tuple[Turn, ...] = ()) -> Query:
    return Query(text, who, as_of, history)


def answering(text: str, words: str) -> Write:
    """A model that answers and cites the passage that holds the words."""

    def write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
        blocks = prompt.context.split("\n\n")
        number = next((n for n, block in enumerate(blocks, start=1) if words in block), 99)
        return f" {text} [{number}]"

    return write


ASK = "What is the annual fee of the Alpha card?"


def test_an_answer_names_what_it_rests_on(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    answer = application.assistant.answer(Request(query(ASK), adapter="customer-service"))
    assert (answer.kind, answer.text, answer.status) == (AnswerKind.ANSWERED, "USD 45.00", AnswerStatus.FINAL)
    (citation,) = answer.citations
    assert (citation.document_id, citation.version, citation.quote) == ("card-fees", 2, "The annual fee of the Alpha card is USD 45.00.")
    assert str(answer.route.adapter) == "customer-service@1"
    assert (answer.grounding.numbers_checked, answer.grounding.numbers_unsupported, answer.grounding.sentences_dropped) == (1, 0, 0)
    assert answer.usage["prompt_tokens"] > 0


def test_the_day_asked_for_decides_the_version(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 30.00", "USD 30.00")
    answer = application.assistant.answer(Request(query(ASK, as_of=date(2025, 6, 1))))
    assert [(citation.document_id, citation.version) for citation in answer.citations] == [("card-fees", 1)]
    assert "USD 45.00" not in generator.prompts[-1][0].context


def test_a_customer_never_sees_what_is_for_staff(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 9,000 or more", "USD 9,000")
    asked = "From what amount must the origin of cash be recorded and proven?"
    assert application.assistant.answer(Request(query(asked, STAFF))).text == "USD 9,000 or more"
    refused = application.assistant.answer(Request(query(asked, CUSTOMER)))
    assert refused.kind is AnswerKind.REFUSED
    assert all("9,000" not in prompt.context for prompt, _ in generator.prompts[1:])


def test_chinese_questions_are_answered_and_refused_in_chinese(running: Running) -> None:
    application, generator = running
    generator.write = answering("每年120元", "贝塔卡")
    answer = application.assistant.answer(Request(query("贝塔卡的年费是多少？")))
    assert (answer.text, answer.citations[0].document_id) == ("每年120元", "zh-fees")
    generator.write = lambda prompt, adapter: " Not in the documents."
    refused = application.assistant.answer(Request(query("贝塔卡的年费是多少？")))
    assert (refused.reason, refused.text) == ("not_in_passages", "最相关的文件没有回答这个问题。")


@pytest.mark.parametrize(
    ("written", "reason", "dropped"),
    [
        pytest.param(" Not in the documents.", "not_in_passages", 0, id="the model finds nothing"),
        pytest.param("", "not_in_passages", 0, id="the model writes nothing"),
        pytest.param(" USD 46.00 [1]", "unsupported", 1, id="a number that nothing states"),
        pytest.param(" USD 45.00", "unsupported", 1, id="no citation"),
        pytest.param(" USD 45.00 [42]", "unsupported", 1, id="a citation of nothing"),
    ],
)
def test_what_cannot_be_supported_is_refused(running: Running, written: str, reason: str, dropped: int) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: written
    answer = application.assistant.answer(Request(query(ASK)))
    assert (answer.kind, answer.reason, answer.grounding.sentences_dropped) == (AnswerKind.REFUSED, reason, dropped)
    assert answer.sentences == ()
    assert answer.citations == ()
    assert "46" not in answer.text


def test_a_bad_sentence_is_dropped_and_the_good_one_stays(running: Running) -> None:
    application, generator = running
    generator.write = answering("The fee is USD 45.00 [1] [2]. The fee was USD 99.00", "USD 45.00")
    answer = application.assistant.answer(Request(query(ASK)))
    assert answer.kind is AnswerKind.ANSWERED
    assert "99" not in answer.text
    assert answer.grounding.sentences_dropped == 1
    assert answer.grounding.numbers_unsupported == 1


def test_without_evidence_the_model_is_not_asked(running: Running) -> None:
    application, generator = running
    nobody = Principal("other bank", frozenset(), frozenset({"ask"}))
    answer = application.assistant.answer(Request(query("xylophone zeppelin", nobody, date(1990, 1, 1))))
    # in 1990 only undated documents were in force; none of these words occurs in them
    assert answer.kind is AnswerKind.REFUSED
    application.parts.catalogue.documents.withdraw("zh-fees")
    answer = application.assistant.answer(Request(query("xylophone zeppelin", nobody, date(1990, 1, 1))))
    assert (answer.reason, answer.usage["prompt_tokens"]) == ("no_evidence", 0)


def test_withdrawal_works_at_once(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    assert application.assistant.answer(Request(query(ASK))).kind is AnswerKind.ANSWERED
    application.parts.catalogue.documents.withdraw("card-fees")
    assert application.assistant.answer(Request(query(ASK))).kind is AnswerKind.REFUSED
    assert "Alpha" not in generator.prompts[-1][0].context.split("Question:")[0]


def test_the_gateway_looks_candidates_up_even_when_the_index_lags(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    application, _ = running
    application.parts.index.refresh()
    monkeypatch.setattr(application.parts.index, "refresh", lambda: 0)
    application.parts.catalogue.documents.withdraw("card-fees")
    found = application.assistant.retriever.search(query(ASK), 5)
    assert all(passage.document_id != "card-fees" for passage in found.passages)


def test_an_adapter_by_name_wins_over_the_router(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    route = application.assistant.answer(Request(query(ASK, STAFF), adapter="compliance@1")).route
    assert (str(route.adapter), route.confidence) == ("compliance@1", 1.0)
    assert application.assistant.answer(Request(query(ASK), adapter="base")).route.adapter is None


@pytest.mark.parametrize("wanted", ["loan-risk", "compliance", "compliance@1", "no-such", "customer-service@7", "../../etc/passwd"])
def test_an_adapter_that_the_caller_may_not_use_does_not_exist(running: Running, wanted: str) -> None:
    application, generator = running
    with pytest.raises(NotFound) as error:
        application.assistant.answer(Request(query(ASK), adapter=wanted))
    assert error.value.code == "adapter_not_found"
    assert error.value.message == f"no adapter {wanted!r}"
    assert generator.prompts == []


def test_without_retrieval_the_answer_is_unchecked(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: "Perhaps USD 7."
    answer = application.assistant.answer(Request(query(ASK, STAFF), use_rag=False))
    assert (answer.kind, answer.text, answer.status) == (AnswerKind.ANSWERED, "Perhaps USD 7.", AnswerStatus.UNCHECKED)
    assert answer.citations == ()
    assert "USD 45.00" not in generator.prompts[-1][0].context


def test_a_follow_up_question_is_searched_with_the_one_before(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 22.00", "USD 22.00")
    turns = (Turn("user", "What is the annual fee of the Alpha card?"), Turn("assistant", "USD 45.00"))
    answer = application.assistant.answer(Request(query("And a replacement?", history=turns)))
    assert answer.text == "USD 22.00"
    assert "Asked before: What is the annual fee of the Alpha card?" in generator.prompts[-1][0].context


def loan_request() -> Request:
    return Request(
        query("Rate this application: 5 missed payments.", Principal("risk", frozenset({"risk", "staff"}), frozenset({"ask"}))),
        adapter="loan-risk",
        passages=GUIDE,
    )


GUIDE_TEXT = "Measure: Missed payments | Low: at most 0 | Medium: above 0, at most 2 | High: above 2"


GUIDE = (Passage(1, "g", "guide", 1, "Guide", (), None, 0, len(GUIDE_TEXT), GUIDE_TEXT),)


def test_a_loan_rating_is_structured_and_waits_for_a_person(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " Missed payments 5: high, above 2 [1]\nRating: high"
    answer = application.assistant.answer(loan_request())
    assert (answer.kind, answer.status) == (AnswerKind.ANSWERED, AnswerStatus.PENDING_REVIEW)
    assert answer.structured is not None
    assert answer.structured["rating"] == "high"
    # the scripted generator gives the labels 1, 2 and 4 of 7
    assert answer.structured["probabilities"] == {"low": 0.1429, "medium": 0.2857, "high": 0.5714}
    assert answer.text == "Missed payments 5: high, above 2\nRating: high"


@pytest.mark.parametrize(
    "written",
    [
        " Late payments 5: medium, above 0, at most 2 [1]\nRating: medium",
        " Missed payments 5: high, above 2 [1]\nRating: low",
        " Missed payments 5: high, above 2 [1]",
        " Rating: high",
    ],
    ids=["no measure of the thresholds", "rating not the worst", "no rating", "no reasons"],
)
def test_one_wrong_line_refuses_the_whole_proposal(running: Running, written: str) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: written
    answer = application.assistant.answer(loan_request())
    assert (answer.kind, answer.reason, answer.structured) == (AnswerKind.REFUSED, "unsupported", None)


@pytest.mark.parametrize(
    ("written", "rating"),
    [(" Missed payments 5: high, above 2\nRating: high", "high"), (" 拖欠 5 次\n评级：高", "high"), (" That is a risk.", None), ("\n", None)],
    ids=["English", "Chinese", "no rating", "nothing"],
)
def test_an_assistant_that_observes_reads_a_rating_that_no_passage_bears_out(running: Running, written: str, rating: str | None) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: written
    request = replace(loan_request(), passages=None, use_rag=False)
    assert application.assistant.answer(request).kind is AnswerKind.REFUSED or rating is None  # as callers have it
    answer = replace(application.assistant, observes=True).answer(request)
    assert (answer.structured or {}).get("rating") == rating
    assert (answer.kind, answer.status) == ((AnswerKind.ANSWERED, AnswerStatus.UNCHECKED) if written.strip() else (AnswerKind.REFUSED, AnswerStatus.FINAL))
    assert (
        application.assistant.answer(loan_request()).reason == replace(application.assistant, observes=True).answer(loan_request()).reason
    )  # with passages: as ever


def test_a_corrected_rating_says_so_and_its_probabilities_are_asked_behind_what_was_corrected(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " Missed payments 5: medium, above 0, at most 2 [1]\nRating: medium"
    answer = application.assistant.answer(loan_request())
    assert answer.kind is AnswerKind.ANSWERED
    assert answer.structured is not None
    assert answer.structured["rating"] == "high"
    assert answer.text == "Missed payments 5: high, above 2\nRating: high"
    assert [check.name for sentence in answer.sentences for check in sentence.checks if check.name == "correction"] == ["correction", "correction"]
    assert generator.scored == (" Missed payments 5: high, above 2 [1]\nRating:", (" low", " medium", " high"))


def test_events_come_in_order_and_sentences_before_the_answer(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    events: Sequence[Event] = list(application.assistant.events(Request(query(ASK))))
    assert [type(event) for event in events] == [Route, Found, Sentence, Answer]


def test_a_sentence_that_fails_is_never_streamed(running: Running) -> None:
    application, generator = running
    generator.write = answering("The fee is USD 46.00 [1]. The fee is USD 45.00", "USD 45.00")
    events = list(application.assistant.events(Request(query(ASK))))
    assert [event.text for event in events if isinstance(event, Sentence)] == ["The fee is USD 45.00"]


def test_two_records_tell_what_was_asked_found_and_said(running: Running) -> None:
    application, generator = running
    generator.write = answering("USD 45.00", "USD 45.00")
    answer = application.assistant.answer(Request(query(f"{ASK} My mail is a.b@bank.example")))
    started, finished = application.parts.catalogue.audit.show(answer.audit_id)
    assert (started.kind, finished.kind, started.principal) == ("answer.started", "answer.finished", "customer")
    assert started.body["question"] == f"{ASK} My mail is [EMAIL]"
    assert started.body["as_of"] == "2026-11-22"
    assert started.body["base_digest"] == generator.base_digest
    assert {"document_id", "version", "chunk_id"} == set(started.body["passages"][0])
    assert len(started.body["prompt_digest"]) == len(started.body["settings_digest"]) == 64
    assert finished.body["text"] == "USD 45.00"
    assert finished.body["citations"][0]["document_id"] == "card-fees"


def test_no_record_no_answer(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    application, generator = running

    def broken(*_arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(application.parts.catalogue.audit, "record", broken)
    with pytest.raises(OSError, match="disk full"):
        application.assistant.answer(Request(query(ASK)))
    assert generator.prompts == []


def test_a_caller_who_leaves_stops_the_work(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: " word" * 50
    left = threading.Event()
    events = application.assistant.events(Request(query(ASK)), left)
    next(events)
    left.set()
    with pytest.raises(CallerLeft):
        list(events)
    assert generator.closed_early == 1


def test_closing_the_events_is_recorded(running: Running) -> None:
    application, generator = running
    generator.write = answering("The fee is USD 45.00 [1]. And more words follow here. And more", "USD 45.00")
    events = application.assistant.events(Request(query(ASK)))
    while not isinstance(next(events), Sentence):
        pass
    events.close()  # type: ignore[attr-defined]
    assert kinds(application) == ["answer.started", "answer.broken_off"]
    assert generator.closed_early == 1


def test_a_full_queue_is_told_before_anything_is_done(running: Running) -> None:
    application, generator = running
    generator.full = True
    with pytest.raises(Overloaded):
        next(application.assistant.events(Request(query(ASK))))
    with pytest.raises(Overloaded):
        application.assistant.generate(Request(query(ASK)))
    assert kinds(application) == []


def kinds(application: Application) -> list[str]:
    """Of all audit records, in order."""
    with application.parts.catalogue.database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT kind FROM audit ORDER BY sequence")]


def test_passages_are_packed_into_the_token_budget(running: Running) -> None:
    application, generator = running
    assistant = application.assistant
    found = assistant.retriever.search(query("fee card USD", STAFF), 5)
    assert len(found.passages) > 2
    assert assistant.packed(found.passages) == found.passages
    # 49 characters of text and "Card fees > Fees\n" are 17 tokens of the scripted generator, and 6 more around them
    tight = replace(assistant, generation=assistant.generation.model_copy(update={"passage_tokens": 50}))
    assert [len(passage.text) for passage in tight.packed(found.passages)] == [len(passage.text) for passage in found.passages[:2]]


def test_a_passage_that_is_larger_than_the_budget_is_passed_over(running: Running) -> None:
    """Else one document with a monstrous line would stand in the way of every question that it matches."""
    application, generator = running
    publish(application, "monster", "Annual fee of the Alpha card", [f"{ASK} " * 300], ("public",), None)
    assert application.assistant.retriever.search(query(ASK), 5).passages[0].document_id == "monster"
    generator.write = answering("USD 45.00", "USD 45.00")
    _, found, *_, answer = application.assistant.events(Request(query(ASK)))
    assert isinstance(found, Found)
    assert [passage.rank for passage in found.passages] == list(range(1, len(found.passages) + 1))
    assert "monster" not in {passage.document_id for passage in found.passages}
    assert isinstance(answer, Answer)
    assert (answer.text, answer.citations[0].document_id) == ("USD 45.00", "card-fees")
    for document in ("card-fees", "zh-fees"):
        application.parts.catalogue.documents.withdraw(document)
    assert application.assistant.answer(Request(query(ASK))).reason == "no_evidence"


def test_a_given_passage_that_is_larger_than_the_budget_is_named(running: Running) -> None:
    application, _ = running
    monster = replace(GUIDE[0], rank=2, text="费" * 8000)
    with pytest.raises(BadInput, match="passage 2 has 2008 tokens, more than the 700 that all passages may have") as error:
        application.assistant.answer(replace(loan_request(), passages=(*GUIDE, monster)))
    assert (error.value.code, error.value.param) == ("context_length_exceeded", "passages")


def test_given_passages_are_all_read_or_the_request_is_refused(running: Running) -> None:
    """A passage left out in silence may be the one that answers."""
    application, generator = running
    half = tuple(replace(GUIDE[0], rank=rank, text="费" * 1500) for rank in (1, 2))
    (asked,) = {application.assistant._tokens(passage) for passage in half}
    assert asked < 700 < 2 * asked
    with pytest.raises(BadInput, match=f"passages 1 to 2 have {2 * asked} tokens together, more than the 700 ") as error:
        application.assistant.answer(replace(loan_request(), passages=half))
    assert (error.value.code, error.value.param) == ("context_length_exceeded", "passages")
    assert generator.prompts == []


@pytest.mark.parametrize("change", ["withdrawn", "superseded"])
def test_what_is_withdrawn_while_the_model_writes_does_not_leave(running: Running, change: str) -> None:
    application, generator = running
    write = answering("The annual fee is USD 45.00", "USD 45.00")

    def withdraw(prompt: Prompt, adapter: AdapterRef | None) -> str:
        if change == "withdrawn":
            application.parts.catalogue.documents.withdraw("card-fees")
        else:
            publish(application, "card-fees", "Card fees", ["The annual fee of the Alpha card is USD 50.00."], ("public",), date(2026, 2, 1))
        return write(prompt, adapter)

    generator.write = withdraw
    events = list(application.assistant.events(Request(query(ASK))))
    assert [type(event) for event in events] == [Route, Found, Answer]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.kind, answer.reason, answer.citations, answer.sentences) == (AnswerKind.REFUSED, "withdrawn", (), ())
    assert answer.text == "A document that the answer rested on was withdrawn or changed meanwhile."
    assert application.parts.catalogue.audit.show(answer.audit_id)[-1].body["reason"] == "withdrawn"


def test_withdrawal_is_told_in_chinese_and_does_not_touch_what_was_not_cited(running: Running) -> None:
    application, generator = running
    write = answering("每年120元", "贝塔卡")
    withdrawn: list[str] = ["card-fees", "zh-fees"]

    def withdraw(prompt: Prompt, adapter: AdapterRef | None) -> str:
        application.parts.catalogue.documents.withdraw(withdrawn.pop(0))
        return write(prompt, adapter)

    generator.write = withdraw
    assert application.assistant.answer(Request(query("贝塔卡的年费是多少？"))).text == "每年120元"
    refused = application.assistant.answer(Request(query("贝塔卡的年费是多少？")))
    assert (refused.reason, refused.text) == ("withdrawn", "答案所依据的文件刚刚被撤回或更改。")


def test_a_plain_generation_is_recorded_before_and_after(running: Running) -> None:
    application, generator = running
    generator.write = lambda prompt, adapter: "Call 079 123 45 67."
    found = application.assistant.generate(Request(query("I am a.b@bank.example", STAFF), "compliance"))
    assert found.draft.text == "Call 079 123 45 67."
    started, finished = application.parts.catalogue.audit.show(found.audit_id)
    assert (started.kind, started.principal, started.body["question"], started.body["passages"]) == ("answer.started", "staff", "I am [EMAIL]", [])
    assert (started.body["route"]["adapter"]["name"], len(started.body["prompt_digest"])) == ("compliance", 64)
    assert (finished.kind, finished.body["status"], finished.body["text"]) == ("answer.finished", "unchecked", "Call [PHONE].")
    generator.write = lambda prompt, adapter: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        application.assistant.generate(Request(query(ASK, STAFF), "base"))
    assert kinds(application)[-2:] == ["answer.started", "answer.broken_off"]
