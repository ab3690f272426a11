"""What each arm asks of the assistant, and of which items."""

from __future__ import annotations

import threading
from datetime import date

import pytest

from assistant.bootstrap import Application
from core.errors import BadInput
from eval.run.answering import answered
from eval.run.arms import Arms, applies, in_order, parse_arms
from eval.run.record import Record
from eval.suite.item import Caller, Expect, Item
from tests.eval.run.conftest import ITEMS, TODAY

BY_ID = {item.id: item for item in ITEMS}


def ask(application: Application, item: Item, arm: str) -> Record:
    arms = Arms(application.assistant, application.parts.catalogue.documents, TODAY, top_k=5)
    return answered(arms.asked(item, arm), item.id, arm, 0, threading.Event())


def test_the_four_arms_differ_in_passages_and_adapter_alone(application: Application) -> None:
    found = {arm: ask(application, BY_ID["cash"], arm) for arm in ("base", "rag", "lora", "rag+lora")}
    assert {arm: bool(record.retrieved) for arm, record in found.items()} == {"base": False, "rag": True, "lora": False, "rag+lora": True}
    # without passages nothing is checked, and nothing withheld
    assert {arm: record.status for arm, record in found.items()} == {"base": "unchecked", "rag": "final", "lora": "unchecked", "rag+lora": "final"}
    routes = {arm: record.route for arm, record in found.items()}
    assert all(route is not None for route in routes.values())
    assert routes["base"].adapter is None  # type: ignore[union-attr]
    assert routes["rag"].adapter is None  # type: ignore[union-attr]
    assert routes["rag+lora"].adapter is not None  # type: ignore[union-attr]
    assert routes["rag"].task == routes["rag+lora"].task == routes["rag+lora"].adapter  # type: ignore[union-attr]
    # the prompt is the same whichever model reads it
    assert found["rag"].prompt_digest == found["rag+lora"].prompt_digest != found["base"].prompt_digest == found["lora"].prompt_digest
    assert found["rag"].draft == " 4.1 The origin of cash of USD 9,000 or more is recorded and proven. [1]"
    assert found["rag"].text == "4.1 The origin of cash of USD 9,000 or more is recorded and proven."


def test_the_oracle_gives_the_evidence_of_the_day_and_the_distractors_all_but_it(application: Application) -> None:
    oracle, distractors = (ask(application, BY_ID["fee-then"], arm) for arm in ("oracle", "distractors"))
    assert [(one.document_id, one.version, one.text) for one in oracle.retrieved] == [("card-fees", 1, "The annual fee of the Alpha card is USD 30.00.")]
    assert oracle.sufficient is None
    assert {one.document_id for one in distractors.retrieved} == {"zh-fees"}
    assert distractors.sufficient is not None
    assert [one.text for one in ask(application, BY_ID["zh"], "oracle").retrieved] == ["贝塔卡的年费为每年120元，挂失手续费20元。"]


def test_evidence_that_the_caller_may_not_read_is_not_given_to_them(application: Application) -> None:
    stranger = BY_ID["cash"].model_copy(update={"caller": Caller()})
    with pytest.raises(BadInput, match="no evidence of item cash can be read by its caller"):
        ask(application, stranger, "oracle")
    assert "kyc" not in {one.document_id for one in ask(application, BY_ID["cash-customer"], "rag+lora").retrieved}


def test_the_wrong_adapter_is_another_one_and_a_forced_one_is_named(application: Application) -> None:
    staff = BY_ID["cash"].model_copy(update={"expect": Expect(adapter="compliance")})
    for arm, adapter in (("wrong-adapter", "customer-service"), ("forced:compliance", "compliance"), ("forced:compliance@1", "compliance")):
        route = ask(application, staff, arm).route
        assert route is not None
        assert route.adapter == adapter


def test_items_of_which_an_arm_says_nothing() -> None:
    customer, staff, unanswerable, forbidden = (BY_ID[name] for name in ("fee", "cash", "moon", "cash-customer"))
    assert [applies("oracle", item) for item in (customer, staff, unanswerable, forbidden)] == [True, True, False, False]
    assert [applies("forced:compliance", item) for item in (customer, staff)] == [False, True]
    assert not applies("wrong-adapter", customer)  # a customer may use one adapter alone
    assert applies("wrong-adapter", staff)
    assert all(applies(arm, unanswerable) for arm in ("base", "rag", "lora", "rag+lora"))


def test_the_day_and_the_history_are_the_items_own(application: Application) -> None:
    arms = Arms(application.assistant, application.parts.catalogue.documents, TODAY, top_k=5)
    assert arms.query(BY_ID["fee-then"]).as_of == date(2025, 3, 1)
    assert arms.query(BY_ID["fee"]).as_of == TODAY
    assert [turn.content for turn in arms.query(BY_ID["zh"]).history] == ["你好"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("rag,ragg", "no arm 'ragg'"), ("forced:nobody", "no arm 'forced:nobody'"), ("rag,rag", "an arm twice"), (" , ", "no arm")],
)
def test_arms_that_cannot_be_run(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        parse_arms(text)


def test_arms_that_read_the_same_stand_side_by_side() -> None:
    assert in_order(parse_arms("base, rag+lora,lora,rag,oracle")) == ["rag", "rag+lora", "oracle", "base", "lora"]
