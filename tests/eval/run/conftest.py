"""A suite of six questions over the bank of four small documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.bootstrap import Application, LoadedModels, open_application
from assistant.route import OUTSIDE, RouteModel
from core.prompts import Prompt
from core.settings import Settings, load_settings
from core.types import AdapterRef
from eval.suite.corpus import text_digest
from eval.suite.file import Suite, write_suite
from eval.suite.item import Caller, Evidence, Expect, Expected, Item, Turn
from eval.suite.manifest import CorpusDocument, CorpusNeeds
from tests.assistant.conftest import publish
from tests.assistant.conftest import routes as routes
from tests.fakes import ScriptedGenerator, fake_models

#: document id, title, texts of the chunks, groups, valid from
DOCUMENTS: tuple[tuple[str, str, list[str], tuple[str, ...], date | None], ...] = (
    ("card-fees", "Card fees", ["The annual fee of the Alpha card is USD 30.00.", "A replacement card costs USD 15.00."], ("public",), date(2024, 1, 1)),
    ("card-fees", "Card fees", ["The annual fee of the Alpha card is USD 45.00.", "A replacement card costs USD 22.00."], ("public",), date(2026, 1, 1)),
    ("kyc", "KYC policy", ["4.1 The origin of cash of USD 9,000 or more is recorded and proven."], ("staff",), None),
    ("zh-fees", "收费表", ["贝塔卡的年费为每年120元，挂失手续费20元。"], ("public",), None),
)
TODAY = date(2026, 6, 1)


def write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
    """The first passage word for word, or how long the question is."""
    *passages, question = prompt.context.split("\n\n")
    return f" {passages[0].splitlines()[-1]} [1]" if passages else f"{len(question)} characters"


def evidence(quote: str, document_id: str, version: int) -> Evidence:
    texts = [document[2] for document in DOCUMENTS if document[0] == document_id]
    start = "\n".join(texts[version - 1]).index(quote)
    return Evidence(document_id=document_id, version=version, start=start, end=start + len(quote), quote=quote)


ITEMS = (
    Item(
        id="fee", group_id="doc:card-fees", lang="en", task="lookup", question="What is the annual fee of the Alpha card?",
        answer=Expected(texts=("USD 45.00",)), evidence=(evidence("USD 45.00", "card-fees", 2),), expect=Expect(adapter="customer-service"),
    ),
    Item(
        id="fee-then", group_id="doc:card-fees", lang="en", task="as_of", question="What is the annual fee of the Alpha card?", as_of=date(2025, 3, 1),
        answer=Expected(texts=("USD 30.00",)), evidence=(evidence("USD 30.00", "card-fees", 1),),
    ),
    Item(
        id="cash", group_id="doc:kyc", lang="en", task="lookup", question="From which amount of cash is the origin recorded and proven?",
        caller=Caller(groups=("staff",)), answer=Expected(texts=("USD 9,000",)), evidence=(evidence("USD 9,000", "kyc", 1),),
    ),
    Item(
        id="cash-customer", group_id="doc:kyc", lang="en", task="refuse", question="From which amount of cash is the origin recorded and proven?",
        evidence=(evidence("USD 9,000", "kyc", 1),), expect=Expect(refuse=True, reason="not_permitted"),
    ),
    Item(
        id="zh", group_id="doc:zh-fees", lang="zh", task="lookup", question="贝塔卡的年费是多少？", history=(Turn(role="user", content="你好"),),
        answer=Expected(texts=("120元",)), evidence=(evidence("120元", "zh-fees", 1),),
    ),
    Item(id="moon", group_id="none", lang="en", task="refuse", question="Who was the first person on the moon?", expect=Expect(refuse=True, reason="out_of_scope")),
)  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return make_suite(tmp_path / "suite")


def make_suite(path: Path, items: tuple[Item, ...] = ITEMS, **changes: Any) -> Suite:
    numbers: dict[str, int] = {}
    needed = []
    for document_id, _, texts, _, _ in DOCUMENTS:
        numbers[document_id] = numbers.get(document_id, 0) + 1
        needed.append(CorpusDocument(document_id=document_id, version=numbers[document_id], digest=text_digest("\n".join(texts))))
    corpus = CorpusNeeds(sample_bank=None, documents=tuple(needed))
    return write_suite(path, items, **{"name": "tiny", "version": 1, "licence": "CC0", "primary": ("correct",), "corpus": corpus, **changes})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", models={"dtype": "bfloat16"})


@pytest.fixture
def application(settings: Settings, routes: RouteModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Application]:
    """The bank, with an active adapter for each task."""
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    models, generator = fake_models(write, routes)
    with open_application(settings, models=models) as application:
        fill(application, generator, tmp_path)
        yield application


@pytest.fixture
def bank(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A home with the bank and no adapter, and models for runs in this process that load nothing."""
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    models, _ = fake_models(write, RouteModel((OUTSIDE,), ToNobody()))

    @contextmanager
    def load_models(*_: Any) -> Iterator[LoadedModels]:
        yield models

    monkeypatch.setattr("eval.run.start.load_models", load_models)
    with open_application(settings, models=models) as application:
        for document in DOCUMENTS:
            publish(application, *document)
    return settings


class ToNobody:
    """Routes every question to the base model."""

    def predict_proba(self, rows: Any) -> Any:
        return np.ones((len(rows), 1))


def fill(application: Application, generator: ScriptedGenerator, folder: Path) -> None:
    for name in ("compliance", "customer-service", "loan-risk"):
        ref = AdapterRef(name, 1, str(folder / name), name.encode().hex().ljust(64, "0"))
        application.parts.catalogue.adapters.register(ref, {"kind": "alora", "base": {"digest": generator.base_digest}})
        application.parts.catalogue.adapters.activate(name, 1)
    for document in DOCUMENTS:
        publish(application, *document)
