"""The root command: output, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core import cli
from core.errors import BadInput, BankassistError, Conflict, DocumentRefused, NotFound, Unavailable
from core.settings import Settings, load_settings
from core.text import tokens

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `bankassist` in this process, with its state below the test's folder; gives the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tokens, "_cache_folder", None)  # a command sets it; here it is put back

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["bankassist", *arguments])
        with pytest.raises(SystemExit) as done:
            cli.main()
        assert isinstance(done.value.code, int)
        return done.value.code

    return run


def test_config_show_prints_the_settings_in_force(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_RETRIEVAL__TOP_K", "7")
    monkeypatch.setenv("BANKASSIST_CATALOGUE__URL", "postgresql://bank:geheim@db/bank")
    assert run("config", "show", "--json") == 0
    out, err = capsys.readouterr()
    shown = json.loads(out)
    assert (shown["home"], shown["retrieval"]["top_k"], shown["bank"]) == ("var", 7, {"time_zone": "UTC"})
    assert "geheim" not in out
    assert shown.keys() == Settings.model_fields.keys()
    assert err == ""


def test_config_show_for_people_breaks_no_line(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    home = "存储/" + "very-long-folder/" * 10 + "[x]"
    monkeypatch.setenv("BANKASSIST_HOME", home)
    assert run("config", "show") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [f'home = "{home}"', "", "[bank]", 'time_zone = "UTC"']
    assert "url = null" in lines


def test_config_schema_lists_every_key_with_its_meaning(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["home"]["description"].startswith("folder of all state")
    assert schema["$defs"]["Retrieval"]["properties"]["top_k"] | {"title": ""} == {
        "default": 5, "description": "passages per answer", "exclusiveMinimum": 0, "maximum": 20, "title": "", "type": "integer",
    }  # fmt: skip


def test_an_error_is_one_line_and_with_json_also_a_document(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / ("long-name-" * 12 + ".toml")
    file.write_text("[retrieval]\ntop_q = 1\n")
    assert run("--config", str(file), "config", "show", "--json") == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["code"] == "invalid_settings"
    assert "retrieval.top_q: Extra inputs are not permitted" in error["message"]
    assert err == f"error: {error['message']}\n"

    assert run("--config", str(file), "config", "show") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (BadInput("wrong"), 2),
        (DocumentRefused("文件 [a] 已加密", code="encrypted", param="file"), 2),
        (NotFound("no task 'x'"), 2),
        (Conflict("busy"), 1),
        (Unavailable("C:\\[models] is missing [/]"), 1),
        (BankassistError("odd"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_exit_codes_follow_the_class(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BankassistError, exit_code: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "build", lambda: fail)
    assert run("anything", "--json") == exit_code
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"code": error.code, "message": error.message, "param": error.param}}
    assert err == f"error: {error.message}\n"


def test_ctrl_c_is_130(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build", lambda: stop)
    assert run("serve") == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["config", "show", "--colour"], "No such option: --colour"),
        (["--colour"], "No such option: --colour"),
        (["confg"], "No such command 'confg'"),
        (["config", "schow"], "No such command 'schow'"),
        (["--config"], "requires an argument"),
        (["config", "show", "extra"], "unexpected extra argument"),
    ],
    ids=["option", "root option", "command", "subcommand", "no value", "argument"],
)
def test_wrong_usage_is_2_and_says_what(run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in re.sub(r"\s*│?\n│?\s*", " ", err)


def test_help_works_with_broken_settings(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_TOPK", "1")
    assert run("config", "-h") == 0
    assert "The settings" in capsys.readouterr().out


def test_the_commands_of_all_packages_are_there(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    listed = set(re.findall(r"^[│ ] (\w+) ", capsys.readouterr().out, re.MULTILINE))
    assert {"ask", "search", "serve", "demo", "doctor", "config", "ingest", "index", "documents", "adapters", "eval", "audit", "keys"} <= listed


def test_progress_writes_nothing_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with cli.progress("reading", total=3) as advance:
        advance()
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_print_json_keeps_chinese_readable(capsys: pytest.CaptureFixture[str]) -> None:
    cli.print_json({"title": "收费表", "path": Path("a")})
    assert capsys.readouterr().out == '{\n  "title": "收费表",\n  "path": "a"\n}\n'


def test_python_m_core_is_the_command(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BANKASSIST_")}
    root = Path(cli.__file__).parent.parent
    command = [sys.executable, "-m", "core", "config", "show", "--json"]
    done = subprocess.run(command, cwd=root, env=environment | {"BANKASSIST_HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(load_settings(home=tmp_path).model_dump_json())
    failed = subprocess.run(command, cwd=root, env=environment | {"BANKASSIST_X": "1"}, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert json.loads(failed.stdout)["error"]["param"] == "BANKASSIST_X"
    assert failed.stderr.startswith("error: environment variable BANKASSIST_X is no setting.")
