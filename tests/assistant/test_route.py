"""Routing: calibrated, abstaining, and blind to what the caller may not use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assistant.bootstrap import Application
from assistant.route import RouteModel, fit_vectors
from core.errors import Conflict, NotFound, SettingsError
from core.types import AdapterRef, Passage, Principal
from tests.fakes import ScriptedGenerator

Running = tuple[Application, ScriptedGenerator]
RISK = Principal("risk", frozenset({"staff", "risk"}), frozenset())
CUSTOMER = Principal("customer", frozenset(), frozenset())


class Fixed:
    """A classifier that always says the same."""

    def __init__(self, *probabilities: float) -> None:
        self.row = np.array([probabilities])

    def predict_proba(self, vectors: object) -> object:
        return self.row


def with_probabilities(application: Application, compliance: float, customer: float, loan: float, other: float) -> Application:
    model = RouteModel(("compliance", "customer-service", "loan-risk", "other"), Fixed(compliance, customer, loan, other))
    return replace(application, assistant=replace(application.assistant, router=replace(application.assistant.router, model=model)))


def test_the_most_probable_task_answers(running: Running) -> None:
    router = with_probabilities(running[0], 0.2, 0.7, 0.05, 0.05).assistant.router
    route = router.route("x", RISK)
    assert (route.task, str(route.adapter)) == ("customer-service", "customer-service@1")
    assert route.confidence == pytest.approx(0.7)
    assert route.alternatives == (("compliance", 0.2), ("loan-risk", 0.05), ("other", 0.05))


def test_below_the_threshold_the_base_answers(running: Running) -> None:
    route = with_probabilities(running[0], 0.35, 0.4, 0.15, 0.1).assistant.router.route("x", RISK)
    assert (route.task, route.adapter) == (None, None)
    assert route.confidence == pytest.approx(0.4)
    assert route.reason == "no task is sure enough"
    assert route.alternatives[0] == ("customer-service", 0.4)


def test_where_no_task_is_sure_the_nearest_that_the_caller_may_use_answers(running: Running) -> None:
    router = with_probabilities(running[0], 0.45, 0.2, 0.15, 0.2).assistant.router
    route = router.nearest(router.route("x", RISK), RISK)
    assert (route.task, str(route.adapter), route.confidence) == ("compliance", "compliance@1", 0.45)
    assert route.reason == "no task is sure enough; compliance is nearest, and the checks decide"
    assert route.alternatives == (("customer-service", 0.2), ("other", 0.2), ("loan-risk", 0.15))
    assert router.nearest(router.route("x", CUSTOMER), CUSTOMER).task == "customer-service"
    outside = with_probabilities(running[0], 0.05, 0.1, 0.05, 0.8).assistant.router
    assert outside.nearest(outside.route("x", RISK), RISK).task == "customer-service"


def test_nearest_is_for_questions_with_passages_that_name_no_adapter(running: Running) -> None:
    from assistant.answer import Request
    from core.types import Query

    application, generator = running
    assistant = with_probabilities(application, 0.3, 0.4, 0.1, 0.2).assistant
    query = Query("What is the monthly fee of the Current Account?", RISK, application.today())
    given = Passage(1, "", "", 1, "Fees", (), None, 0, 9, "USD 8.25.")
    for request in (Request(query), Request(query, passages=(given,), use_rag=False)):
        assert assistant.answer(request).route.task == "customer-service"
    for request in (Request(query, use_rag=False), Request(query, "base")):
        assert assistant.answer(request).route.adapter is None
    assert assistant.generate(Request(query)).route.adapter is None
    base = replace(assistant, routing=assistant.routing.model_copy(update={"abstain": "base"}))
    assert base.answer(Request(query)).route.adapter is None


def test_a_question_for_no_task_goes_to_the_base(running: Running) -> None:
    route = with_probabilities(running[0], 0.05, 0.1, 0.05, 0.8).assistant.router.route("x", RISK)
    assert (route.task, route.adapter) == (None, None)
    assert "no task is for this question" in route.reason


def test_what_the_caller_may_not_use_takes_no_part(running: Running) -> None:
    route = with_probabilities(running[0], 0.5, 0.3, 0.15, 0.05).assistant.router.route("x", CUSTOMER)
    # of 0.3 and 0.05 that are left
    assert route.task == "customer-service"
    assert route.confidence == pytest.approx(0.3 / 0.35)
    assert {task for task, _ in route.alternatives} == {"other"}


def test_a_task_without_an_active_adapter_takes_no_part(running: Running) -> None:
    application, _ = running
    registry = application.parts.catalogue.adapters
    with application.parts.catalogue.database.write() as connection:
        connection.exec_driver_sql("UPDATE adapters SET state = 'retired' WHERE name = 'compliance'")
    assert registry.get("customer-service").state == "active"
    route = with_probabilities(application, 0.8, 0.15, 0.03, 0.02).assistant.router.route("x", RISK)
    assert route.task == "customer-service"


def test_an_adapter_of_another_base_model_takes_no_part(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    application, generator = running
    other = {"kind": "alora", "base": {"name": "some-model", "digest": "0f" * 32}}
    registry = application.parts.catalogue.adapters
    registry.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), other)
    registry.activate("compliance", 2)
    router = with_probabilities(application, 0.8, 0.15, 0.03, 0.02).assistant.router
    for _ in range(2):
        assert router.route("x", RISK).task == "customer-service"
    said = f"adapter compliance@2 was trained on the base model some-model (0f0f0f0f0f0f), and another is in use ({generator.base_digest[:12]})"
    assert [record.getMessage() for record in caplog.records] == [
        f"{said}, so that it takes no part in routing; activate a version of this model, or train one"
    ]
    for wanted in ("compliance", "compliance@2"):
        with pytest.raises(Conflict) as error:
            router.route("x", RISK, wanted)
        assert (error.value.code, error.value.message) == ("adapter_wrong_base", f"{said}; name one that was trained on this model, or `base`")
    assert router.route("x", RISK, "compliance@1").adapter == AdapterRef(
        "compliance", 1, registry.get("compliance", 1).ref.path, registry.get("compliance", 1).ref.digest
    )
    with pytest.raises(NotFound):
        router.route("x", CUSTOMER, "compliance@2")


def test_an_alias_is_another_name_of_an_adapter(running: Running) -> None:
    application, _ = running
    registry = application.parts.catalogue.adapters
    registry.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), registry.get("compliance", 1).manifest)
    aliases = {"kyc_v1": "compliance@1", "kyc": "compliance", "plain": "base"}
    router = replace(application.assistant.router, aliases=aliases)
    router.check_aliases()
    registry.activate("compliance", 2)
    for wanted, adapter, reason in (
        ("kyc_v1", "compliance@1", "the request named the adapter, as kyc_v1"),
        ("kyc", "compliance@2", "the request named the adapter, as kyc"),
        ("compliance", "compliance@2", "the request named the adapter"),
    ):
        route = router.route("x", RISK, wanted)
        assert (route.task, str(route.adapter), route.reason) == ("compliance", adapter, reason)
    route = router.route("x", RISK, "plain")
    assert (route.task, route.adapter, route.reason) == (None, None, "the request named the base model, as plain")
    # to who may not use the adapter an alias says no more than a name that nobody has
    for wanted in ("kyc_v1", "nobody"):
        with pytest.raises(NotFound) as error:
            router.route("x", CUSTOMER, wanted)
        assert error.value.message == f"no adapter {wanted!r}"


@pytest.mark.parametrize(
    ("alias", "target", "says"),
    [
        ("loan-risk", "compliance", "loan-risk is a name already"),
        ("auto", "compliance", "auto is a name already"),
        ("old", "no-such", "old is for no-such, and there is no such adapter; expected base, or one of compliance, customer-service, loan-risk"),
        ("old", "auto", "old is for auto, and there is no such adapter"),
        ("old", "base@1", "old is for base@1, and there is no such adapter"),
        ("old", "compliance@7", "old is for compliance@7, and there is no such version"),
        ("old", "compliance@2", "old cannot be used: adapter compliance@2 was trained on the base model some-model"),
    ],
)
def test_an_alias_that_leads_nowhere_is_told_at_start(running: Running, alias: str, target: str, says: str) -> None:
    application, _ = running
    other = {"kind": "alora", "base": {"name": "some-model", "digest": "0f" * 32}}
    application.parts.catalogue.adapters.register(AdapterRef("compliance", 2, "/nowhere", "d" * 64), other)
    with pytest.raises(SettingsError) as error:
        replace(application.assistant.router, aliases={alias: target}).check_aliases()
    assert error.value.message.startswith(f"adapters.aliases: {says}")


def test_the_classifier_learns_what_is_near() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(8, dtype=np.float32)[:3]
    labels = [name for name in ("a", "b", "c") for _ in range(40)]
    vectors = np.concatenate([centre + rng.normal(0, 0.2, (40, 8)).astype(np.float32) for centre in centres])
    model = RouteModel(("a", "b", "c"), fit_vectors(vectors.astype(np.float32), labels))
    near = model.probabilities(centres[1])
    assert max(near, key=lambda label: near[label]) == "b"
    between = model.probabilities(np.float32(0.5) * (centres[0] + centres[1]))
    assert near["b"] > 0.9 > max(between.values())
    assert sum(near.values()) == pytest.approx(1.0)


def test_handing_off_is_a_setting(running: Running) -> None:
    from assistant.answer import Request
    from core.types import AnswerKind, Query

    application, generator = running
    unsure = with_probabilities(application, 0.3, 0.3, 0.2, 0.2)
    handing = replace(unsure.assistant, routing=unsure.assistant.routing.model_copy(update={"abstain": "hand_off"}))
    answer = handing.answer(Request(Query("什么?", RISK, application.today())))
    assert (answer.kind, answer.reason, answer.text) == (AnswerKind.HANDED_OFF, "low_confidence", "这个问题将由工作人员为您解答。")
    assert generator.prompts == []
