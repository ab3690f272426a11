"""Answers that are used again: only where everything that decides them is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from assistant.bootstrap import Application
from core.ports import Vectors
from core.types import AdapterRef
from eval.run.cache import Cache
from eval.run.plan import Job
from eval.run.record import Failure, Record
from eval.run.target import InProcess, Remembering
from eval.suite.item import Caller, Item, Turn
from tests.assistant.conftest import publish
from tests.embedder import HashedEmbedder
from tests.eval.run.conftest import ITEMS, TODAY

FEE, CASH = ITEMS[0], ITEMS[2]


def key(application: Application, item: Item = FEE, arm: str = "rag+lora", rep: int = 0, today: date = TODAY, at_once: int = 8) -> dict[str, Any]:
    return dict(InProcess(application, today, at_once).key(Job(item, arm, rep)))


def changed(application: Application, section: str, **values: Any) -> Application:
    settings = application.settings
    part = getattr(settings, section).model_copy(update=values)
    return replace(application, settings=settings.model_copy(update={section: part}))


def test_the_same_again_is_the_same_key(application: Application) -> None:
    assert key(application) == key(application)
    assert key(application, at_once=8) == key(application, at_once=4)  # beside others is beside others
    named_otherwise = FEE.model_copy(update={"id": "other", "group_id": "other"})
    assert key(application, named_otherwise) == key(application)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"item": FEE.model_copy(update={"question": "What is the annual fee of the Alpha card"})}, id="question"),
        pytest.param({"item": FEE.model_copy(update={"history": (Turn(role="user", content="Hello"),)})}, id="history"),
        pytest.param({"item": FEE.model_copy(update={"caller": Caller(groups=("staff",))})}, id="permissions"),
        pytest.param({"item": FEE.model_copy(update={"as_of": date(2025, 1, 1)})}, id="as-of"),
        pytest.param({"today": date(2026, 6, 2)}, id="today"),
        pytest.param({"arm": "rag"}, id="arm"),
        pytest.param({"arm": "oracle"}, id="given-passages"),
        pytest.param({"arm": "forced:customer-service"}, id="forced"),
        pytest.param({"rep": 1}, id="repetition"),
        pytest.param({"at_once": 1}, id="alone"),
    ],
)
def test_another_question_is_another_key(application: Application, other: dict[str, Any]) -> None:
    assert key(application, **other) != key(application)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda found: changed(found, "models", dtype="float32"), id="number-format"),
        pytest.param(lambda found: changed(found, "models", threads=1), id="threads"),
        pytest.param(lambda found: changed(found, "retrieval", depth=7), id="retrieval"),
        pytest.param(lambda found: changed(found, "retrieval", top_k=3), id="passages"),
        pytest.param(lambda found: changed(found, "generation", max_tokens=7), id="length"),
        pytest.param(lambda found: changed(found, "routing", threshold=0.1), id="routing"),
        pytest.param(lambda found: changed(found, "policy", blocked=("cash",)), id="policy"),
        pytest.param(lambda found: changed(found, "index", engine="elasticsearch"), id="index-engine"),
    ],
)
def test_other_settings_are_another_key(application: Application, change: Callable[[Application], Application]) -> None:
    assert key(change(application)) != key(application)


def test_another_model_program_template_or_embedder_is_another_key(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(application)
    for name, value in {
        "eval.run.target.code_digest": lambda: "other",
        "eval.run.target.packages_digest": lambda: "other",
        "eval.run.target.FORM": 99,
        "tests.fakes.ScriptedGenerator.base_digest": "other",
        "tests.fakes.ScriptedGenerator.origin": lambda *_: {"tokenizer": "other"},
        "tests.embedder.HashedEmbedder.digest": "other",
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(name, value)
            assert key(application) != before, name
    assert key(application) == before


def test_only_the_adapter_that_would_answer_counts(application: Application) -> None:
    registry = application.assistant.router.registry
    of_customer, of_staff, of_base = key(application), key(application, CASH), key(application, arm="rag")
    assert of_customer["route"][0] == "customer-service"
    assert of_staff["route"][0] != "customer-service"
    manifest = registry.get("customer-service").manifest
    registry.register(AdapterRef("customer-service", 2, "/there", "c" * 64), manifest)
    assert key(application) == of_customer  # a candidate answers nobody
    registry.activate("customer-service", 2)
    assert key(application) != of_customer
    assert key(application, CASH) == of_staff
    assert key(application, arm="rag") == of_base


def test_another_content_of_the_index_is_another_key(application: Application) -> None:
    before = key(application)
    publish(application, "news", "News", ["The Alpha card is now blue."], ("public",), None)
    added = key(application)
    application.parts.catalogue.documents.withdraw("news")
    assert len({str(one["engines"]["index"]) for one in (before, added, key(application))}) == 3


def test_no_question_is_embedded_twice() -> None:
    class Counting(HashedEmbedder):
        asked: ClassVar[list[str]] = []

        def embed_queries(self, texts: Sequence[str]) -> Vectors:
            self.asked.extend(texts)
            return super().embed_queries(texts)

    own, remembering = HashedEmbedder(), Remembering(Counting())
    for texts in (["年费"], ["fee", "年费"], ["fee"], []):
        assert np.array_equal(remembering.embed_queries(texts), own.embed_queries(texts))
    assert Counting.asked == ["年费", "fee"]
    assert (remembering.digest, remembering.dimension, remembering.languages) == (own.digest, own.dimension, own.languages)


def test_a_kept_answer_is_marked_and_errors_are_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    record = Record(item="i", arm="rag", kind="answered", text="答案", previous="p", digest="d", timings={"total": 1.5})
    cache.put({"question": "一"}, record)
    cache.put({"question": "二"}, record.model_copy(update={"kind": None, "error": Failure(type="Overloaded", message="full")}))
    cache.close()
    cache = Cache(tmp_path)  # it outlives the process
    assert cache.get({"question": "一"}) == record.model_copy(update={"previous": "", "digest": "", "cached": True})
    assert cache.get({"question": "二"}) is None
    assert cache.get({"question": "三"}) is None
    assert (tmp_path / "answers.db").stat().st_mode & 0o077 == 0
    cache.close()
