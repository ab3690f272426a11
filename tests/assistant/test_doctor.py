"""`bankassist doctor`: whatever is missing or broken is named with what to do, and never ends the examination."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from assistant.doctor import Finding, examine
from core import cli
from core.settings import Settings, load_settings
from core.text import tokens
from engines.catalogue import Catalogue

NAMES = [
    "Python", "extra serve", "extra ingest", "extra elastic", "extra remote", "extra samples", "home folder", "generation model", "embedding model", "compiled step", "catalogue",
]  # fmt: skip


def model_folder(folder: Path, value: float = 1.0) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": torch.full((2, 2), value)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Two sound model folders, named in the environment."""
    folders = {"generation": model_folder(tmp_path / "写作"), "embedding": model_folder(tmp_path / "[embedding]", 2.0)}
    for kind, folder in folders.items():
        monkeypatch.setenv(f"BANKASSIST_MODELS__{kind.upper()}", str(folder))
    return folders


@pytest.fixture
def settings(tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine that lacks nothing, even where not all extras are installed."""
    monkeypatch.setattr("assistant.doctor.find_spec", lambda name: "there")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: USAGE(0, 0, 5 * 1024**3))
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "home"))
    return load_settings()


USAGE = namedtuple("USAGE", "total used free")


def failed(settings: Settings) -> dict[str, Finding]:
    """What is wrong, by name; everything is always looked at."""
    findings = examine(settings)
    assert [finding.name for finding in findings] == NAMES
    assert all(finding.ok is not bool(finding.remedy) for finding in findings)
    return {finding.name: finding for finding in findings if not finding.ok}


def test_where_everything_is_there_nothing_is_to_do(settings: Settings, models: dict[str, Path]) -> None:
    findings = {finding.name: finding.detail for finding in examine(settings)}
    assert failed(settings) == {}
    assert findings["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert findings["extra ingest"] == "7 packages"
    assert findings["home folder"] == f"{settings.home}, 5 GiB free"
    assert re.fullmatch(re.escape(str(models["generation"])) + r" \([0-9a-f]{12}\)", findings["generation model"])
    assert findings["catalogue"] == "none yet; the first start makes it"
    assert not list(settings.home.glob(".doctor*"))


def test_every_module_that_it_looks_for_is_there_where_all_extras_are(models: dict[str, Path], tmp_path: Path) -> None:
    """As they are in the environment of the tests: a module that is not found here has a wrong name."""
    assert [finding for finding in examine(load_settings(home=tmp_path / "home")) if finding.name.startswith("extra") and not finding.ok] == []


def test_a_missing_module_is_named_with_the_command_that_brings_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.doctor.find_spec", lambda name: None if name in ("docx", "lxml", "elasticsearch") else "there")
    assert failed(settings) == {
        "extra ingest": Finding("extra ingest", False, "lacks docx, lxml", "pip install -c constraints.txt 'bankassist[ingest]'"),
    }
    # what a service does without is told, and is no fault
    detail = "lacks elasticsearch, needed only to search in Elasticsearch (pip install -c constraints.txt 'bankassist[elastic]')"
    assert Finding("extra elastic", True, detail) in examine(settings)


def test_without_torch_the_models_cannot_be_looked_at_and_the_rest_is(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.doctor.find_spec", lambda name: None if name == "torch" else "there")
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    found = failed(settings)
    assert set(found) == {"extra serve", "generation model", "embedding model"}
    assert found["extra serve"].detail == "lacks torch"
    assert "torch" in found["generation model"].detail
    assert "install what is lacking above" in found["generation model"].remedy


def test_a_machine_of_one_role_does_not_lack_what_the_other_needs(settings: Settings, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.doctor.find_spec", lambda name: None if name in ("docx", "fastapi") else "there")
    _gone(models["generation"])
    assert {name: set(NAMES) - {finding.name for finding in examine(settings, name)} for name in ("service", "worker")} == {
        "service": {"extra ingest"},
        "worker": {"extra serve", "generation model", "compiled step"},
    }
    assert [finding.name for finding in examine(settings, "worker") if not finding.ok] == ["extra ingest"]
    assert [finding.name for finding in examine(settings, "service") if not finding.ok] == ["extra serve", "generation model"]


def test_an_old_python_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    assert failed(settings)["Python"].remedy == "Python 3.11 or newer is needed"


def test_a_home_that_cannot_be_is_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "家"):
        monkeypatch.setenv("BANKASSIST_HOME", str(home))
        found = failed(load_settings())
        assert set(found) == {"home folder", "generation model", "embedding model", "catalogue"}
        assert str(home) in found["home folder"].detail
        assert found["home folder"].remedy == f"make {home} a folder with room that can be written, or set BANKASSIST_HOME to one"
        assert str(home) in found["catalogue"].detail


def test_a_home_that_may_not_be_written_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def may_not(path: Path, *arguments: Any, **more: Any) -> int:
        if path.parent == settings.home:  # the tests may run as a user who may write everywhere
            raise PermissionError(13, "Permission denied", str(path))
        return write(path, *arguments, **more)

    monkeypatch.setattr(Path, "write_text", may_not)
    found = failed(settings)
    assert set(found) == {"home folder"}
    assert "Permission denied" in found["home folder"].detail
    assert str(settings.home) in found["home folder"].remedy


def test_a_full_disk_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: USAGE(0, 0, 2.9 * 1024**3))
    found = failed(settings)
    assert set(found) == {"home folder"}
    assert found["home folder"].detail == f"only 2.9 GiB free in {settings.home}; converted models and index want 3"
    assert "with room" in found["home folder"].remedy


def _empty(folder: Path) -> None:
    (folder / "config.json").unlink()


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


def _damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 40)


def _program(folder: Path) -> None:
    (folder / "modeling.py").write_text("")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_empty, "has no config.json or no .safetensors file"),
        (_gone, "is neither a folder nor in the local Hugging Face cache"),
        (_damaged, "SafetensorError"),
        (_program, "holds modeling.py: only safetensors, JSON and text files are loaded"),
    ],
)
@pytest.mark.parametrize("kind", ["generation", "embedding"])
def test_a_wrong_model_folder_is_named(settings: Settings, models: dict[str, Path], kind: str, break_it: Callable[[Path], None], says: str) -> None:
    break_it(models[kind])
    found = failed(settings)
    assert set(found) == {f"{kind} model"}
    assert says in found[f"{kind} model"].detail
    assert f"set BANKASSIST_MODELS__{kind.upper()} to a bundled model or a sound folder" in found[f"{kind} model"].remedy


def test_a_bundled_model_that_does_not_exist_is_named_with_those_that_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_MODELS__EMBEDDING", "bundled:e5-小")
    found = failed(load_settings())
    assert found["embedding model"].detail == (
        "no bundled model 'e5-小'; there are all-minilm-l6-v2, multilingual-e5-small, smollm2-135m-instruct"
    )  # fmt: skip


def _no_database(home: Path) -> None:
    (home / "catalogue.db").write_bytes(b"no database, but long enough to be taken for one " * 40)


def _without_tables(home: Path) -> None:
    Catalogue.open(home).close()
    with sqlite3.connect(home / "catalogue.db") as connection:
        connection.execute("DROP TABLE chunks")
    connection.close()


def _newer(home: Path) -> None:
    Catalogue.open(home).close()
    with sqlite3.connect(home / "catalogue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_no_database, "catalogue.db cannot be opened: file is not a database"),
        (_without_tables, "no such table: chunks"),
        (_newer, "the catalogue has a schema that this version does not know"),
    ],
)
def test_a_broken_catalogue_is_named(settings: Settings, break_it: Callable[[Path], None], says: str) -> None:
    settings.home.mkdir()
    break_it(settings.home)
    found = failed(settings)
    assert set(found) == {"catalogue"}
    assert says in found["catalogue"].detail
    assert found["catalogue"].remedy == "check BANKASSIST_HOME and BANKASSIST_CATALOGUE__URL; a file that is damaged must come from a backup"


def test_a_wrong_database_url_is_named_without_its_password(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_CATALOGUE__URL", "nosuch://bank:geheim@db/bank")
    found = failed(load_settings())
    assert set(found) == {"catalogue"}
    assert "the URL of the catalogue cannot be used" in found["catalogue"].detail
    assert "geheim" not in found["catalogue"].detail


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def doctor(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr(tokens, "_cache_folder", None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bankassist", "doctor", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


def test_the_command_says_what_is_there(doctor: Callable[..., tuple[int, str, str]], models: dict[str, Path]) -> None:
    code, out, err = doctor()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[:8] for line in lines] == ["ok      "] * len(NAMES)
    assert f"embedding model: {models['embedding']} (" in lines[8]  # brackets in its name are shown
    code, out, err = doctor("--json")
    document = json.loads(out)
    assert (code, err, document["ok"]) == (0, "", True)
    assert [(check["name"], check["ok"], check["remedy"]) for check in document["checks"]] == [(name, True, "") for name in NAMES]


def test_the_command_fails_when_something_is_missing_and_shows_the_remedy_whole(
    doctor: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.doctor.find_spec", lambda name: None if name == "docx" else "there")
    code, out, err = doctor()
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[2:4] == ["missing extra ingest: lacks docx", "        pip install -c constraints.txt 'bankassist[ingest]'"]
    assert len(lines) == len(NAMES) + 1
    code, out, _ = doctor("--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert document["checks"][2] == {
        "name": "extra ingest", "ok": False, "detail": "lacks docx", "remedy": "pip install -c constraints.txt 'bankassist[ingest]'",
    }  # fmt: skip
