"""Importing does nothing, and the command line loads nothing heavy before a command needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_effects import PACKAGES

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "faiss", "sqlalchemy", "peft", "sentence_transformers", "tantivy", "sklearn", "alembic", "fastapi", "uvicorn", "jieba"}

_RUN_AND_LIST = """
import sys
from core import cli
sys.argv = ["bankassist", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as end:
    sys.stderr.write(f"{end.code} {' '.join(sorted(sys.modules))}")
"""


def python(*arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter whose every folder to write in is an empty one of the test."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-B", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=500, check=False)


def test_importing_a_module_writes_nothing_starts_nothing_and_changes_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = python("-m", "tests.import_effects", cwd=work, home=tmp_path)
    assert done.returncode == 0, done.stderr
    effects: dict[str, list[str]] = json.loads(done.stdout)  # nothing else is printed
    assert {name.partition(".")[0] for name in effects} == set(PACKAGES)
    assert {"core.cli", "ingest.readers.pdf", "engines.local_generator", "assistant.api.app", "adapters.train"} <= set(effects)
    assert {name: what for name, what in effects.items() if what} == {}
    assert list(work.iterdir()) == []


def test_what_an_import_does_would_be_seen(tmp_path: Path) -> None:
    """The watch itself, on a package that does all of it."""
    package = tmp_path / "examples"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, code in {
        "writes": "open('left.txt', 'w').close()",
        "makes": "import os; os.makedirs('left'); os.rmdir('left')",
        "sets": "import os; os.environ['LEFT'] = '是'",
        "starts": "import threading; threading.Thread(target=threading.Event().wait, daemon=True, name='left').start()",
        "reads": "open(__file__).close()",
    }.items():
        (package / f"{name}.py").write_text(code, encoding="utf8")
    code = "import sys; sys.path.insert(0, '.'); from tests import import_effects as look; look.PACKAGES = ('examples',); look.main()"
    done = python("-c", code, cwd=tmp_path, home=tmp_path)
    assert done.returncode == 0, done.stderr
    effects = json.loads(done.stdout)
    assert effects["examples.writes"] == ["writes 'left.txt'"]
    assert effects["examples.makes"] == ["os.mkdir 'left'"]
    assert effects["examples.sets"][0] == "os.putenv b'LEFT'"
    assert effects["examples.starts"] == ["threads"]
    assert effects["examples.reads"] == effects["examples"] == []


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["ingest", "--help"], ["adapters", "--help"], ["config", "show", "--json"]], ids=" ".join)
def test_the_command_line_alone_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    done = python("-c", _RUN_AND_LIST, *arguments, cwd=tmp_path, home=tmp_path)
    code, *modules = done.stderr.split()
    assert (code, "core.cli" in modules, "assistant.commands" in modules) == ("0", True, True), done.stderr
    assert done.stdout != ""
    assert HEAVY & set(modules) == set()
    assert list(tmp_path.iterdir()) == []


def test_core_alone_brings_none_of_the_other_packages(tmp_path: Path) -> None:
    done = python("-c", "import sys, core.cli; sys.stdout.write(' '.join(sys.modules))", cwd=tmp_path, home=tmp_path)
    modules = set(done.stdout.split())
    assert "core.cli" in modules
    assert not {name for name in modules if name.partition(".")[0] in {*PACKAGES, *HEAVY} - {"core"}}
