"""A run from beginning to end: its folder, its target, its records. `begin` makes one, `go_on` takes one up where it was left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

from assistant.bootstrap import load_models, time_zone
from core.errors import BadInput, Conflict, NotFound
from core.settings import Settings
from engines.catalogue import Catalogue
from engines.catalogue.adapters import AdapterRegistry
from engines.compute import number_format
from eval.run import corpus, offline
from eval.run.arms import forced_name
from eval.run.cache import Cache
from eval.run.document import Engines, Hardware, Program, RunDocument, Seeds, SuiteRef, Thresholds, differences
from eval.run.estimate import estimate, keep_rates
from eval.run.execute import Came, execute
from eval.run.folder import SUITE, finish, make_folder, open_run, read_document, write_document
from eval.run.plan import Estimate, Job, jobs, left_out, sample
from eval.run.record import FORCED
from eval.run.resources import together
from eval.run.samples import NAME as SAMPLES
from eval.run.samples import Samples
from eval.run.target import InProcess, Target, refuse_unknown_weights
from eval.statistics.thresholds import read_thresholds
from eval.suite.file import Suite, read_suite
from eval.suite.item import Item

IN_PROCESS = "in-process"
#: seconds that a question may wait for the model: a measurement asks as much as it likes
_PATIENCE = 86_400.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to be. ``today`` is the day of items that name none; None is the day on which it begins, in the bank's time zone. ``dtype`` is the number
    format where the settings leave it open; None takes what is faster here."""

    suite: Path
    arms: tuple[str, ...]
    target: str = IN_PROCESS
    key_file: Path | None = None
    limit: int | None = None
    seed: int = 0
    reps: int = 1
    at_once: int = 16
    cached: bool = True
    offline: bool = True
    thresholds: Path | None = None
    today: date | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is complete, or was stopped. ``came`` is what was done now."""

    document: RunDocument
    came: Came

    @property
    def complete(self) -> bool:
        return self.document.status == "complete"


@dataclass(frozen=True)
class Watch:
    """Whoever started a run: what they are told, how it moves on, and how they stop it."""

    notify: Callable[[str], None] = lambda _: None
    total: Callable[[int, int], None] = lambda _done, _total: None
    advance: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Opened:
    """``catalogue`` is that of the corpus; a service shows none."""

    target: Target
    engines: Engines
    cache: Cache | None
    guard: offline.Guard | None
    catalogue: Catalogue | None = None


def begin(wanted: Wanted, folder: Path, settings: Settings, watch: Watch) -> Ended:
    """Run a suite into a new folder.

    Raises:
        BadInput: the suite, an arm, the corpus, or the thresholds cannot be used.
        Conflict: the folder holds something.
        Unavailable: a model is not there, or not the one that it was.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} holds something already; name another folder, or go on with a run by `bankassist eval resume`", code="folder_taken")
    suite = read_suite(wanted.suite)
    thresholds = _thresholds(wanted.thresholds)
    items = sample(suite.items, wanted.limit, wanted.seed)
    today = wanted.today or datetime.now(time_zone(settings)).date()
    with opened(suite, items, wanted, settings, today, watch) as found:
        document = RunDocument(
            id=f"{suite.manifest.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}",
            status="running",
            suite=_ref(suite),
            arms=wanted.arms,
            items=tuple(item.id for item in items),
            left_out=left_out(items, wanted.arms),
            reps=wanted.reps,
            total=sum(1 for _ in jobs(items, wanted.arms, wanted.reps)),
            limit=wanted.limit,
            seeds=Seeds(sample=wanted.seed),
            today=today,
            target=found.target.name,
            at_once=wanted.at_once,
            offline=wanted.offline,
            cached=found.cache is not None,
            program=Program.here(),
            hardware=Hardware.here(),
            engines=found.engines,
            thresholds=thresholds,
            started_at=datetime.now(UTC),
        )
        make_folder(folder, document, suite)
        return _run(folder, document, items, found, watch)


def go_on(folder: Path, settings: Settings, watch: Watch, key_file: Path | None = None) -> Ended:
    """Answer what an interrupted run left.

    Raises:
        Conflict: something is not any more as it was when the run began; the message says what.
        BadInput: the folder holds no run, or a broken one.
    """
    document = read_document(folder)
    if document.status == "complete":
        finish(folder, document)  # in case it was stopped between the two
        return Ended(document, Came())
    suite = suite_of(folder, document)
    ids = frozenset(document.items)
    items = [item for item in suite.items if item.id in ids]
    with opened(suite, items, again(document, key_file=key_file), settings, document.today, watch) as found:
        refuse_changes(document, found.engines, suite)
        return _run(folder, document, items, found, watch)


def predicted(wanted: Wanted, settings: Settings, watch: Watch) -> Estimate:
    """What a run would cost. Raises like :func:`begin`."""
    suite = read_suite(wanted.suite)
    _thresholds(wanted.thresholds)
    items = sample(suite.items, wanted.limit, wanted.seed)
    today = wanted.today or datetime.now(time_zone(settings)).date()
    with opened(suite, items, wanted, settings, today, watch) as found:
        planned = list(jobs(items, wanted.arms, wanted.reps))
        return estimate(planned, found.target, found.engines, found.cache, wanted.at_once, probe=True)


def suite_of(folder: Path, document: RunDocument) -> Suite:
    """The suite of a run where it lay, with its own documents; the copy in the run's folder where it is gone and has none.

    Raises:
        Conflict: it was changed.
    """
    copy = read_suite(folder / SUITE)
    place = Path(document.suite.path)
    suite = read_suite(place) if (place / "manifest.json").exists() else copy
    if not copy.manifest.sha256 == suite.manifest.sha256 == document.suite.sha256:
        raise Conflict(f"the suite {place} was changed since the run began; take it back, or begin a new run", code="run_changed")
    return suite


def refuse_changes(document: RunDocument, engines: Engines, suite: Suite) -> None:
    """
    Raises:
        Conflict: what answers now is not what answered when the run began.
    """
    if changed := differences(document, engines, Program.here(), suite.manifest.sha256):
        raise Conflict(
            f"this is not what the run began with: {'; '.join(changed)}. Take it back, or begin a new run; what was answered stays in the cache",
            code="run_changed",
        )


@contextmanager
def opened(suite: Suite, items: Sequence[Item], wanted: Wanted, settings: Settings, today: date, watch: Watch) -> Iterator[Opened]:
    """The target of a run, guarded."""
    with ExitStack() as stack:
        guard = None
        if wanted.offline:
            offline.refuse_ways_out(settings)
            offline.set_switches()
            target = "" if wanted.target == IN_PROCESS else wanted.target
            guard = stack.enter_context(offline.no_network(offline.configured_hosts(settings, target)))
        if wanted.target != IN_PROCESS:
            from eval.run.service import open_service

            service = stack.enter_context(open_service(wanted.target, wanted.key_file, items, wanted.arms, today, settings.retrieval.top_k, wanted.at_once))
            cache = stack.enter_context(_open_cache(settings)) if wanted.cached else None
            yield Opened(service, service.engines(), cache, guard)
            return
        settings = fixed(patient(settings, wanted.at_once), wanted.dtype)
        models = stack.enter_context(load_models(settings, watch.notify))
        application = stack.enter_context(corpus.opened(settings, models, suite, watch.notify))
        forced = [arm.removeprefix(FORCED) for arm in wanted.arms if arm.startswith(FORCED)]
        _refuse_missing_adapters(application.assistant.router.registry, forced)
        refuse_unknown_weights(application, forced)
        here = InProcess(application, today, wanted.at_once)
        cache = stack.enter_context(_open_cache(settings)) if wanted.cached else None
        yield Opened(here, here.engines(), cache, guard, application.parts.catalogue)


def patient(settings: Settings, at_once: int) -> Settings:
    """So many answers at once, and no limit to how long one waits for its turn."""
    generation = settings.generation
    changed = {"queue_seconds": _PATIENCE, "batch": at_once, "queue": max(generation.queue, 2 * at_once)}
    return settings.model_copy(update={"generation": generation.model_copy(update=changed)})


def fixed(settings: Settings, dtype: str | None) -> Settings:
    """With the number format said where it was left open: which one is faster is measured, and may be another one the next time."""
    if settings.models.dtype != "auto":
        return settings
    return settings.model_copy(update={"models": settings.models.model_copy(update={"dtype": dtype or number_format("auto")})})


def _run(folder: Path, document: RunDocument, items: Sequence[Item], found: Opened, watch: Watch) -> Ended:
    started = time.monotonic()
    with Samples(folder / SAMPLES) as samples:
        there = {record.key for record in samples.there}
        todo = [job for job in jobs(items, document.arms, document.reps) if job.key not in there]
        _say_cost(todo, document, found, watch)
        watch.total(len(there), document.total)
        measured = found.target.measure()
        came = execute(todo, found.target, samples, found.cache, stop=watch.stop, advance=watch.advance)
        head = samples.head
        resources = together(document.resources, measured())
    if found.cache is not None:
        keep_rates(found.cache, found.target, found.engines, document.at_once, came)
    seconds = round((document.seconds or 0.0) + time.monotonic() - started, 2)
    refused = tuple(sorted({*document.refused_connections, *(found.guard.refused if found.guard else ())}))
    document = document.model_copy(update={"seconds": seconds, "refused_connections": refused, "resources": resources})
    if len(there) + came.done < document.total:
        write_document(folder, document)
        return Ended(document, came)
    records = open_run(folder).records
    document = document.model_copy(
        update={
            "status": "complete",
            "completed_at": datetime.now(UTC),
            "records": len(records),
            "errors": sum(record.error is not None for record in records),
            "from_cache": sum(record.cached for record in records),
            "head": head,
            "readers": corpus.readers(found.catalogue, records) if found.catalogue is not None else None,
        }
    )
    finish(folder, document)
    return Ended(document, came)


def _say_cost(todo: Sequence[Job], document: RunDocument, found: Opened, watch: Watch) -> None:
    known = estimate(todo, found.target, found.engines, found.cache, document.at_once) if todo else None
    if known is not None:
        tokens = "" if known.prompt_tokens is None else f", about {known.prompt_tokens:,} prompt tokens"
        seconds = "" if known.seconds is None else f", about {in_words(known.seconds)} by {known.source}"
        watch.notify(f"{len(todo)} of {document.total} answers to be made{tokens}{seconds}")


def in_words(seconds: float) -> str:
    """A span of time, roughly."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def _open_cache(settings: Settings) -> Iterator[Cache]:
    cache = Cache(corpus.cache_folder(settings))
    try:
        yield cache
    finally:
        cache.close()


def _refuse_missing_adapters(registry: AdapterRegistry, wanted: Sequence[str]) -> None:
    for name in wanted:
        version = name.partition("@")[2]
        try:
            registry.get(forced_name(name), int(version) if version else None)
        except (NotFound, ValueError):
            raise BadInput(f"there is no adapter {name}; `bankassist adapters list` shows those there are", param="--arms") from None


def _thresholds(path: Path | None) -> Thresholds | None:
    if path is None:
        return None
    read = read_thresholds(path)  # a slip must not show only after hours of answers
    return Thresholds(sha256=read.digest, text=read.text)


def _ref(suite: Suite) -> SuiteRef:
    manifest = suite.manifest
    return SuiteRef(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.sha256,
        digest=manifest.digest,
        n=manifest.n,
        path=str(suite.path.absolute()),
        primary=manifest.primary,
    )


def again(document: RunDocument, *, key_file: Path | None = None, at_once: int | None = None) -> Wanted:
    """What a run was to be. ``at_once`` is for answers that are made anew, and not taken from the cache."""
    return Wanted(
        suite=Path(document.suite.path),
        arms=document.arms,
        target=document.target,
        key_file=key_file,
        limit=document.limit,
        seed=document.seeds.sample,
        reps=document.reps,
        at_once=at_once or document.at_once,
        cached=document.cached and at_once is None,
        offline=document.offline,
        today=document.today,
        dtype=document.engines.base.get("dtype"),
    )
