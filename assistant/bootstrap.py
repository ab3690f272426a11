"""Where the parts meet: settings in, a working Assistant out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.registry import register_released
from adapters.tasks import load_tasks, outside_examples
from assistant.answer import Assistant
from assistant.audit import AuditTrail, settings_digest
from assistant.evidence import EvidenceJudge
from assistant.policy import Policy
from assistant.retrieve import Retriever
from assistant.route import OUTSIDE, RouteModel, Router, fit
from core.errors import SettingsError
from core.settings import Settings, make_home
from engines.catalogue import Catalogue
from engines.compute import give_back
from engines.embedder import SentenceEmbedder
from engines.local_generator import LocalGenerator
from engines.parts import Parts, open_parts

if TYPE_CHECKING:
    from engines.remote_generator import RemoteGenerator


@dataclass(frozen=True)
class Application:
    """An assistant and the engines below it."""

    settings: Settings
    parts: Parts
    generator: LocalGenerator | RemoteGenerator
    assistant: Assistant
    time_zone: ZoneInfo

    def today(self) -> date:
        """The day in the bank's time zone: which rules are in force."""
        return datetime.now(self.time_zone).date()


@dataclass(frozen=True)
class LoadedModels:
    """Models that several applications of one process share."""

    embedder: SentenceEmbedder
    generator: LocalGenerator | RemoteGenerator
    routes: RouteModel


@contextmanager
def load_models(settings: Settings, notify: Callable[[str], None] = lambda _: None) -> Iterator[LoadedModels]:
    """Load the models of the settings for several applications."""
    make_home(settings)
    cache = settings.home / "cache"
    generator = _generator(settings, cache, notify)
    try:
        embedder = SentenceEmbedder.load(settings.models, cache, notify)
        examples = {name: task.examples for name, task in load_tasks().items()} | {OUTSIDE: outside_examples()}
        routes = fit(examples, embedder, cache)
        give_back()  # loading takes more than it leaves
        yield LoadedModels(embedder, generator, routes)
    finally:
        generator.close()


def _generator(settings: Settings, cache: Path, notify: Callable[[str], None]) -> LocalGenerator | RemoteGenerator:
    """The engine that the settings choose.

    Raises:
        SettingsError: the server cannot do what a task demands.
    """
    if settings.generation.engine == "local":
        return LocalGenerator.load(settings.models, settings.generation, cache, notify)
    from engines.remote_generator import RemoteGenerator

    generator = RemoteGenerator.load(settings, cache, notify)
    if not generator.takes_sources and (bound := [name for name, task in load_tasks().items() if task.grounding.sources_only]):
        generator.close()
        raise SettingsError(
            f"task {bound[0]} binds answers to the numbers of the passages (sources_only), and the generation server cannot: start vLLM with "
            "--structured-outputs-config.backend guidance and set remote.source_grammar, generate locally, or take sources_only out of the task",
            param="remote.source_grammar",
        )
    return generator


@contextmanager
def open_application(settings: Settings, notify: Callable[[str], None] = lambda _: None, models: LoadedModels | None = None) -> Iterator[Application]:
    """Load everything that answers need; it is closed at the end of the block.

    Args:
        models: models that are loaded already.

    Raises:
        SettingsError: an unknown time zone, an alias that leads to no adapter.
        Unavailable: a model or the catalogue is not there.
    """
    zone = time_zone(settings)
    if models is None:  # which take long to load: that there is no catalogue is known before
        make_home(settings)
        Catalogue.examine(settings.home, settings.catalogue)
    with nullcontext(models) if models else load_models(settings, notify) as loaded, open_parts(settings, notify, loaded.embedder) as parts:
        register_released(parts.catalogue.adapters, loaded.generator.base_digest)
        yield Application(settings, parts, loaded.generator, _assistant(settings, parts, loaded), zone)


def time_zone(settings: Settings) -> ZoneInfo:
    """The bank's time zone.

    Raises:
        SettingsError: there is none of that name.
    """
    try:
        return ZoneInfo(settings.bank.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingsError(
            f"bank.time_zone is {settings.bank.time_zone!r}; expected a name such as Europe/Zurich or Asia/Shanghai", param="bank.time_zone"
        ) from None


def _router(settings: Settings, parts: Parts, models: LoadedModels) -> Router:
    router = Router(
        models.routes,
        load_tasks(),
        parts.catalogue.adapters,
        models.embedder,
        settings.routing.threshold,
        models.generator.base_digest,
        settings.adapters.aliases,
        models.generator.unserved,
    )
    router.check_aliases()
    return router


def _assistant(settings: Settings, parts: Parts, models: LoadedModels) -> Assistant:
    tasks = load_tasks()
    embedder = models.embedder
    fixed = {
        "base_digest": models.generator.base_digest,
        "embedder_digest": embedder.digest,
        "settings_digest": settings_digest(settings.model_dump(mode="json")),
    }
    return Assistant(
        router=_router(settings, parts, models),
        retriever=Retriever(parts.index, parts.catalogue.documents, embedder, EvidenceJudge.for_embedder(embedder.digest), settings.retrieval),
        generator=models.generator,
        audit=AuditTrail(parts.catalogue.audit, fixed),
        tasks=tasks,
        routing=settings.routing,
        generation=settings.generation,
        sequence=lambda: parts.index.sequence,
        policy=Policy(settings.policy.blocked),
    )
