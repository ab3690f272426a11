"""`bankassist` with a model that loads nothing, as a process of its own: ``python -m tests.assistant.fake_service ARGUMENTS``.

For a question with the word "hold" the model says ``asked`` on stdout and writes no word until there is something on stdin. It says ``draining`` when it
is to take no more.
``BANKASSIST_TEST_SAYS``, a JSON object, says what the model writes to a question with certain words: {words: text}; it cites the passage that has them too.
``BANKASSIST_TEST_ABSENT`` names modules, separated by commas, that are as if not installed.
``BANKASSIST_TEST_STOP_SECONDS`` is how long the service waits for requests when it is told to stop.
"""

from __future__ import annotations

import functools
import json
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

for _name in filter(None, os.environ.get("BANKASSIST_TEST_ABSENT", "").split(",")):
    sys.modules[_name] = None  # type: ignore[assignment]  # so that importing it fails


class _NoGenerator:
    """Stands for the real one, whose libraries take seconds to import."""


_module = ModuleType("engines.local_generator")
vars(_module)["LocalGenerator"] = _NoGenerator
sys.modules["engines.local_generator"] = _module

import adapters.registry  # noqa: E402
import assistant.bootstrap  # noqa: E402
import assistant.serve  # noqa: E402
from assistant.bootstrap import LoadedModels  # noqa: E402
from assistant.route import OUTSIDE, RouteModel  # noqa: E402
from core import cli  # noqa: E402
from core.ports import Token  # noqa: E402
from core.prompts import Prompt  # noqa: E402
from core.types import AdapterRef, Draft  # noqa: E402
from tests.embedder import HashedEmbedder  # noqa: E402
from tests.fakes import ScriptedGenerator  # noqa: E402


class _ToNobody:
    """Routes every question to the base model."""

    def predict_proba(self, rows: Any) -> Any:
        return np.ones((len(rows), 1))


class _Generator(ScriptedGenerator):
    def drain(self) -> None:
        super().drain()
        sys.stdout.write("draining\n")
        sys.stdout.flush()

    def _pieces(self, prompt: Prompt, text: str, logprobs: int | None) -> Iterator[Token | Draft]:
        if "hold" in prompt.context:
            sys.stdout.write("asked\n")
            sys.stdout.flush()
            while not select.select([sys.stdin], [], [], 0.02)[0]:
                yield Token("")
        yield from super()._pieces(prompt, text, logprobs)


def _write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
    *passages, question = prompt.context.split("\n\n")
    for words, text in json.loads(os.environ.get("BANKASSIST_TEST_SAYS", "{}")).items():
        cited = next((number for number, passage in enumerate(passages, start=1) if words in passage), None)
        if words in question and cited:
            return f" {text} [{cited}]"
    return "USD 45.00"


if __name__ == "__main__":
    generator = _Generator(_write)
    models = LoadedModels(HashedEmbedder(), generator, RouteModel((OUTSIDE,), _ToNobody()))  # type: ignore[arg-type]
    vars(assistant.bootstrap)["open_application"] = functools.partial(assistant.bootstrap.open_application, models=models)
    vars(adapters.registry)["released_folder"] = lambda: Path("no-adapters")
    if seconds := os.environ.get("BANKASSIST_TEST_STOP_SECONDS"):
        vars(assistant.serve)["STOP_SECONDS"] = int(seconds)
    cli.main()
