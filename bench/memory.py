"""RAM of the service and its ingest worker: with one adapter in use, with three, and with eight while the prefix cache is full."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.registry import register
from bench.frame import Row, Spread
from bench.prompts import SENTENCE
from bench.random_adapters import ALL_LINEAR, RandomAdapters
from bench.service import Home, Running, serving
from core.settings import Settings
from engines.catalogue import Catalogue

_QUESTION = "Which documents does a customer bring to open an account?"
_MIB = 1024 * 1024
_LIMIT_MIB = 2048.0
_RANKS = (8, 8, 16, 16, 24, 24, 32, 32)
#: an adapter of the service belongs to one of its tasks; versions that no released one has
_TASK, _FIRST_VERSION = "customer-service", 901
#: so that all eight stay: they take 400 MiB
_ADAPTER_MIB = 512
_PROMPTS = 200  # at most; each is about 600 tokens


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with serving(home) as service:
        _use(service, "customer-service")
        one = service.memory()
        for adapter in ("compliance", "loan-risk", "customer-service"):
            _use(service, adapter)
        three = service.memory()
    return [_row("memory, one adapter", one), _row("memory, three adapters", three), _full(home)]


def _full(home: Home) -> Row:
    settings = Settings(home=home.folder)
    limit = settings.generation.prefix_mib * _MIB
    with tempfile.TemporaryDirectory() as folder:
        adapters = _registered(settings, Path(folder))
        with serving(home, GENERATION__ADAPTER_MIB=str(_ADAPTER_MIB), GENERATION__PREFIX_MIB=str(settings.generation.prefix_mib)) as service:
            prompts = 0
            largest = before = 0.0
            while prompts < len(adapters) or before + largest < limit:
                if prompts == _PROMPTS:
                    raise RuntimeError(f"the prefix cache has {before / _MIB:.0f} MiB of {limit / _MIB:.0f} after {prompts} prompts, and no more come to it")
                _write(service, adapters[prompts % len(adapters)], prompts)
                prompts += 1
                now = service.metric("bankassist_prefix_bytes")
                largest, before = max(largest, now - before), now
            with ThreadPoolExecutor(len(adapters)) as callers:
                list(callers.map(lambda number: _write(service, adapters[number], prompts + number), range(len(adapters))))
            held, full = service.memory(), service.metric("bankassist_prefix_bytes")
    ranks = ", ".join(map(str, _RANKS))
    note = f"ranks {ranks} on all linear layers; {full / _MIB:.0f} of {limit / _MIB:.0f} MiB in the prefix cache after {prompts + len(adapters)} prompts, the last {len(adapters)} at once"
    return _row(f"memory, {len(adapters)} adapters and a full prefix cache", held, note)


def _registered(settings: Settings, folder: Path) -> list[str]:
    """Random adapters as versions of a task's; their names."""
    maker = RandomAdapters(settings.models, settings.home / "cache")
    catalogue = Catalogue.open(settings.home)
    try:
        names = []
        for version, rank in enumerate(_RANKS, _FIRST_VERSION):
            adapter = maker.make(folder / str(version), version, rank, ALL_LINEAR, _TASK)
            register(catalogue.adapters, adapter)
            names.append(str(adapter))
        return names
    finally:
        catalogue.close()


def _write(service: Running, adapter: str, number: int) -> None:
    """Over a passage that nobody asked about before."""
    passage = {"title": f"Case {number}", "text": f"Case {number}. {18 * SENTENCE}"}
    service.post("/v1/generate", input=_QUESTION, adapter_id=adapter, passages=[passage], max_tokens=16)


def _use(service: Running, adapter: str) -> None:
    answer = service.ask(question=_QUESTION, adapter=adapter)
    if not answer["usage"]["prompt_tokens"]:
        raise RuntimeError(f"the question was refused before {adapter} was loaded: {answer['reason']}")


def _row(name: str, memory: dict[str, float], note: str = "") -> Row:
    held = round(memory["VmRSS"], 1)
    most = f"at most {memory['VmHWM']:.0f} MiB"
    return Row(name, "MiB", Spread(held, held, held), goal=_LIMIT_MIB, note=f"{most}; {note}" if note else most)
