"""`bankassist` with a model that loads nothing and is slow to answer, as a process of its own: ``python -m tests.eval.run.process ARGUMENTS``.

``BANKASSIST_TEST_SECONDS`` is how long an answer takes.
"""

from __future__ import annotations

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


def write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
    """The first passage word for word, or how long the question is."""
    time.sleep(float(os.environ.get("BANKASSIST_TEST_SECONDS", "0")))
    *passages, question = prompt.context.split("\n\n")
    return f" {passages[0].splitlines()[-1]} [1]" if passages else f"{len(question)} characters"


@contextmanager
def fake_models(*_: Any) -> Iterator[LoadedModels]:
    yield LoadedModels(HashedEmbedder(), ScriptedGenerator(write), RouteModel((OUTSIDE,), fake_service._ToNobody()))  # type: ignore[arg-type]


if __name__ == "__main__":
    vars(assistant.bootstrap)["load_models"] = fake_models
    vars(adapters.registry)["released_folder"] = lambda: Path("no-adapters")
    cli.main()
