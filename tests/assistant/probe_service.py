"""`bankassist` with the real models for OpenAiProbe.java, as a process of its own: ``python -m tests.assistant.probe_service serve ...``.

What it serves is ours to the last line, but for some files of the sample bank that it takes in first, and a model ``broken`` whose generation fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from threading import Event

import assistant.bootstrap
from assistant.bootstrap import Application, LoadedModels
from core import cli
from core.errors import Unavailable
from core.place import Place
from core.ports import GenerationOptions, Token
from core.prompts import Prompt
from core.settings import Settings
from core.types import AdapterRef, Draft, FileState
from engines.local_generator import LocalGenerator
from ingest.parsing import ParserProcess
from ingest.pipeline import Pipeline
from ingest.sources import source_files

BROKEN = "broken"
TAKEN = ("en/deposits/everyday-account.md", "en/cards/debit-card-guide.html", "en/loans/car-loan.md", "en/risk/loan-rating-guide.docx", "service/zh-faq.md")

_open, _generate = assistant.bootstrap.open_application, LocalGenerator.generate


def _failing(
    generator: LocalGenerator,
    prompt: Prompt,
    adapter: AdapterRef | None,
    options: GenerationOptions,
    cancelled: Event | None = None,
    place: Place | None = None,
) -> Iterator[Token | Draft]:
    if adapter is None or adapter.name != BROKEN:
        return _generate(generator, prompt, adapter, options, cancelled, place)
    return _until_it_breaks(_generate(generator, prompt, None, options, cancelled, place))


def _until_it_breaks(events: Iterator[Token | Draft]) -> Iterator[Token | Draft]:
    for _ in range(3):
        yield next(events)
    raise Unavailable("the model broke, as this test wants it to", code="generation_failed")


@contextmanager
def _opened(settings: Settings, notify: Callable[[str], None] = lambda _: None, models: LoadedModels | None = None) -> Iterator[Application]:
    with _open(settings, notify, models) as application:
        _take_in(application)
        catalogue, made = application.parts.catalogue, application.assistant
        catalogue.adapters.register(AdapterRef(BROKEN, 1, "/nowhere", "b" * 64), {"kind": "alora", "base": {"digest": application.generator.base_digest}})
        catalogue.adapters.activate(BROKEN, 1)
        tasks = {**made.tasks, BROKEN: made.tasks["customer-service"].model_copy(update={"name": BROKEN})}
        yield replace(application, assistant=replace(made, tasks=tasks, router=replace(made.router, tasks=tasks)))


def _take_in(application: Application) -> None:
    parts, bank = application.parts, Path(str(files("examples"))) / "bank"
    with ParserProcess(application.settings.ingest) as parser:
        pipeline = Pipeline(parts.catalogue, parts.files, lambda: parts.embedder, parser, application.settings.ingest, lambda: parts.embedder_digest)
        for source in source_files([bank / name for name in TAKEN], {"groups": ["public"]}):
            result = pipeline.ingest(source)
            assert result.state is FileState.INDEXED, result


if __name__ == "__main__":
    vars(assistant.bootstrap)["open_application"] = _opened
    LocalGenerator.generate = _failing  # type: ignore[assignment, method-assign]
    cli.main()
