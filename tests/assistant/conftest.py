"""A whole application over real storage with the small models, and a bank of three documents."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from assistant.bootstrap import Application, open_application
from assistant.route import RouteModel
from core.prompts import Prompt
from core.settings import Settings, load_settings
from core.types import AdapterRef, Chunk, Principal
from engines.catalogue.documents import NewVersion
from tests.fakes import HashedEmbedder, ScriptedGenerator, fake_models, hashed_routes

Write = Callable[[Prompt, AdapterRef | None], str]

CUSTOMER = Principal("customer", frozenset(), frozenset({"ask", "documents"}))
STAFF = Principal("staff", frozenset({"staff"}), frozenset({"ask", "documents", "generate", "adapters"}))


@pytest.fixture(scope="session")
def routes(tmp_path_factory: pytest.TempPathFactory) -> RouteModel:
    return hashed_routes(tmp_path_factory.mktemp("routing"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def generator_says() -> Write:
    """What the model writes; a test overrides it by assigning `generator.write`."""
    return lambda prompt, adapter: " Not in the documents."


@pytest.fixture
def running(
    settings: Settings, routes: RouteModel, generator_says: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Application, ScriptedGenerator]]:
    """The application with three documents and an active adapter for each task."""
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    models, generator = fake_models(generator_says, routes)
    with contextlib.ExitStack() as stack:
        application = stack.enter_context(open_application(settings, models=models))
        for name in ("compliance", "customer-service", "loan-risk"):
            ref = AdapterRef(name, 1, str(tmp_path / name), name.encode().hex().ljust(64, "0"))
            application.parts.catalogue.adapters.register(ref, {"kind": "alora", "base": {"digest": generator.base_digest}})
            application.parts.catalogue.adapters.activate(name, 1)
        publish(
            application,
            "card-fees",
            "Card fees",
            ["The annual fee of the Alpha card is USD 30.00.", "A replacement card costs USD 15.00."],
            ("public",),
            date(2024, 1, 1),
        )
        publish(
            application,
            "card-fees",
            "Card fees",
            ["The annual fee of the Alpha card is USD 45.00.", "A replacement card costs USD 22.00."],
            ("public",),
            date(2026, 1, 1),
        )
        publish(application, "kyc", "KYC policy", ["4.1 The origin of cash of USD 9,000 or more is recorded and proven."], ("staff",), None)
        publish(application, "zh-fees", "收费表", ["贝塔卡的年费为每年120元，挂失手续费20元。"], ("public",), None)
        yield application, generator


def publish(application: Application, document_id: str, title: str, texts: list[str], groups: tuple[str, ...], valid_from: date | None) -> None:
    embedder = application.parts.embedder
    assert isinstance(embedder, HashedEmbedder)
    documents = application.parts.catalogue.documents
    documents.add_embedder(embedder.digest, embedder.name, embedder.dimension)
    whole = "\n".join(texts)
    starts = [whole.index(text) for text in texts]
    chunks = [Chunk(number, ("Fees",), 1, start, start + len(text), text) for number, (start, text) in enumerate(zip(starts, texts, strict=True))]
    version = NewVersion(document_id, title, "en", None, "public", groups, valid_from, None, f"{document_id}.txt", "text/plain", str(hash(whole)), "m", whole)
    documents.publish(
        version, [(chunk, str(hash(chunk.text))) for chunk in chunks], embedder.digest, embedder.embed_passages([f"{title} > Fees\n{text}" for text in texts])
    )
