"""`bankassist` with a model that loads nothing, as a process of its own: ``python -m tests.eval.run.process ARGUMENTS``.

``BANKASSIST_TEST_SIGNAL`` is NUMBER@COUNT: the process sends itself that signal when it is asked for the COUNTth answer, in the middle of others.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.assistant import fake_service  # before anything else of ours: it keeps torch out

import adapters.registry  # isort: skip
import assistant.bootstrap  # isort: skip
from assistant.bootstrap import LoadedModels
from assistant.route import OUTSIDE, RouteModel
from core import cli
from core.prompts import Prompt
from core.types import AdapterRef
from tests.embedder import HashedEmbedder
from tests.fakes import ScriptedGenerator

_asked = itertools.count(1)


def _write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
    number, _, count = os.environ.get("BANKASSIST_TEST_SIGNAL", "0@0").partition("@")
    if next(_asked) == int(count):
        os.kill(os.getpid(), int(number))
    time.sleep(0.002)  # so that others are at work too
    *passages, question = prompt.context.split("\n\n")
    return f" {passages[0].splitlines()[-1]} [1]" if passages else f"{len(question)} characters"


@contextmanager
def _load_models(*_: Any) -> Iterator[LoadedModels]:
    yield LoadedModels(HashedEmbedder(), ScriptedGenerator(_write), RouteModel((OUTSIDE,), fake_service._ToNobody()))  # type: ignore[arg-type]


if __name__ == "__main__":
    vars(assistant.bootstrap)["load_models"] = _load_models
    vars(adapters.registry)["released_folder"] = lambda: Path("no-adapters")
    cli.main()
