"""RAM of the service and its ingest worker, with one adapter in use and with three."""

from __future__ import annotations

from bench.frame import Row, Spread
from bench.service import Home, Running, serving

_QUESTION = "Which documents does a customer bring to open an account?"


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with serving(home) as service:
        _use(service, "customer-service")
        one = service.memory()
        for adapter in ("compliance", "loan-risk", "customer-service"):
            _use(service, adapter)
        three = service.memory()
    return [
        Row("memory, one adapter", "MiB", _only(one["VmRSS"]), goal=2048.0, note=f"at most {one['VmHWM']:.0f} MiB"),
        Row("memory, three adapters", "MiB", _only(three["VmRSS"]), goal=2048.0, note=f"at most {three['VmHWM']:.0f} MiB"),
    ]


def _use(service: Running, adapter: str) -> None:
    answer = service.ask(question=_QUESTION, adapter=adapter)
    if not answer["usage"]["prompt_tokens"]:
        raise RuntimeError(f"the question was refused before {adapter} was loaded: {answer['reason']}")


def _only(value: float) -> Spread:
    return Spread(round(value, 1), round(value, 1), round(value, 1))
