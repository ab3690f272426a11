"""`bankassist demo`: keys that work whatever was there before, and a line that does what it says."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from assistant import demo
from assistant.bootstrap import open_application
from assistant.demo import QUESTION
from assistant.route import RouteModel
from core import cli
from core.prompts import Prompt
from core.settings import Settings
from core.text import tokens
from core.types import AdapterRef
from engines.catalogue import Catalogue
from tests.assistant.conftest import publish
from tests.fakes import fake_models
from tests.servers.java import jdk

#: by hand, from what the sample bank's documents are for
RIGHTS = {
    "admin": ({"staff", "risk"}, {"ask", "generate", "documents", "ingest", "adapters", "eval", "admin"}),
    "staff": ({"staff"}, {"ask", "documents", "adapters"}),
    "customer": (set(), {"ask", "documents"}),
}


def keys(settings: Settings) -> dict[str, str]:
    return demo._keys(settings)


def kept(settings: Settings) -> Path:
    return settings.home / "demo-keys.json"


def assert_they_work(settings: Settings, made: dict[str, str]) -> None:
    catalogue = Catalogue.open(settings.home)
    try:
        found = {role: catalogue.keys.authenticate(key) for role, key in made.items()}
    finally:
        catalogue.close()
    assert {role: (set(who.groups), set(who.scopes)) for role, who in found.items()} == RIGHTS
    assert json.loads(kept(settings).read_text("utf8")) == made


def test_the_keys_have_the_rights_of_their_roles_and_only_the_owner_reads_them(settings: Settings) -> None:
    before = os.umask(0)
    try:
        made = keys(settings)
    finally:
        os.umask(before)
    assert list(made) == ["admin", "staff", "customer"]
    assert_they_work(settings, made)
    assert stat.S_IMODE(kept(settings).stat().st_mode) == 0o600


def test_the_second_run_has_the_same_keys_and_makes_none(settings: Settings) -> None:
    first = keys(settings)
    assert keys(settings) == first
    catalogue = Catalogue.open(settings.home)
    assert [info.name for info in catalogue.keys.all()] == ["demo admin", "demo staff", "demo customer"]
    catalogue.close()


def test_keys_of_another_catalogue_are_made_again(settings: Settings) -> None:
    old = keys(settings)
    for file in settings.home.glob("catalogue.db*"):
        file.unlink()
    kept(settings).chmod(0o644)  # as a copy may be
    new = keys(settings)
    assert not set(new.values()) & set(old.values())
    assert_they_work(settings, new)
    assert stat.S_IMODE(kept(settings).stat().st_mode) == 0o600
    assert keys(settings) == new


def test_only_the_key_that_was_revoked_is_made_again(settings: Settings) -> None:
    old = keys(settings)
    catalogue = Catalogue.open(settings.home)
    catalogue.keys.revoke(next(info.id for info in catalogue.keys.all() if info.name == "demo staff"))
    catalogue.close()
    new = keys(settings)
    assert {role for role in new if new[role] != old[role]} == {"staff"}
    assert_they_work(settings, new)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"admin": 5, "staff": null}', '{"customer": "ba_假的"}', '{"other": "ba_x"}'],
    ids=["empty", "no JSON", "a list", "no texts", "a wrong key", "another role"],
)
def test_a_file_that_is_not_the_demos_is_written_anew(settings: Settings, content: str) -> None:
    settings.home.mkdir()
    kept(settings).write_text(content, encoding="utf8")
    assert_they_work(settings, keys(settings))


def test_a_key_that_may_more_than_its_role_is_not_taken_for_it(settings: Settings) -> None:
    made = keys(settings)
    kept(settings).write_text(json.dumps({**made, "customer": made["admin"]}), encoding="utf8")
    assert_they_work(settings, keys(settings))


# -- the whole of it -------------------------------------------------------------------------------


@dataclass
class Ran:
    """What a demo came to. ``meanwhile`` is what was done while it served."""

    commands: list[list[str]] = field(default_factory=list)
    code: int = -1
    out: str = ""
    err: str = ""
    meanwhile: str = ""


Demo = Callable[..., Ran]


@pytest.fixture
def run_demo(settings: Settings, routes: RouteModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Demo:
    """Runs `bankassist ... demo` in this process with the small models; SIGTERM ends it when its question is answered."""

    def write(prompt: Prompt, _adapter: AdapterRef | None) -> str:
        number = next((n for n, block in enumerate(prompt.context.split("\n\n"), start=1) if "2.40%" in block), 9)
        return " Not in the documents." if "monthly fee" in prompt.context else f" 2.40% a year [{number}]"

    models, _ = fake_models(write, routes)
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    monkeypatch.setattr(demo, "open_application", functools.partial(open_application, models=models))
    monkeypatch.setattr(tokens, "_cache_folder", None)
    monkeypatch.setenv("BANKASSIST_HOME", str(settings.home))
    monkeypatch.setenv("BANKASSIST_SERVICE__WORKER", "false")

    def run(*arguments: str, fail: bool = False, meanwhile: Callable[[str], str] = lambda printed: "") -> Ran:
        ran = Ran()

        def ingest(command: list[str], **_more: object) -> subprocess.CompletedProcess[bytes]:
            ran.commands.append(command)
            with open_application(settings, models=models) as application:
                publish(application, "deposits", "Term deposits 定期存款", ["The 12-month term deposit pays 2.40% a year."], ("public",), None)
            return subprocess.CompletedProcess(command, 1 if fail else 0)

        show = demo._show

        def shown(*arguments: Any) -> None:
            try:
                show(*arguments)
                printed, ran.err = capsys.readouterr()
                ran.out += printed
                ran.meanwhile = meanwhile(printed)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "run", ingest)
            patch.setattr(demo, "_show", shown)
            patch.setattr(sys, "argv", ["bankassist", *arguments])
            with pytest.raises(SystemExit) as end:
                cli.main()
        assert isinstance(end.value.code, int)
        ran.code = end.value.code
        out, err = capsys.readouterr()
        ran.out, ran.err = ran.out + out, ran.err + err
        return ran

    return run


def test_the_demo_takes_the_sample_bank_in_and_answers_a_question(run_demo: Demo, settings: Settings) -> None:
    ran = run_demo("demo", "--port", "0")
    assert ran.code == 0
    (command,) = ran.commands
    assert command[:4] == [sys.executable, "-m", "core", "ingest"]
    assert (Path(command[4]) / "documents.toml").is_file()
    assert [line[:3] for line in ran.err.splitlines() if line and not line.startswith("    ")] == ["1/3", "2/3", "3/3"]
    assert len(re.findall(r"^    done in \d+\.\d s$", ran.err, re.MULTILINE)) == 2
    lines = ran.out.splitlines()
    assert lines[:2] == [QUESTION, "2.40% a year [1]"]
    assert lines[3].split("  ")[:2] == ["[1] Term deposits 定期存款 > Fees", "deposits, version 1, page 1"]
    assert re.search(r"^The service is up\. Open http://127\.0\.0\.1:\d+ in a browser", ran.out, re.MULTILINE)
    java = r"^  javac -encoding UTF-8 -d (\S+)/java -sourcepath (\S*clients/java) \2/Ask\.java && java -cp \1/java Ask http://127\.0\.0\.1:\d+ ba_\S+ \""
    assert re.search(java, ran.out, re.MULTILINE)
    printed = dict(re.findall(r"^  (admin|staff|customer) +(ba_\S+)$", ran.out, re.MULTILINE))
    assert_they_work(settings, printed)
    assert list((settings.home / "index").iterdir()) == []  # it was closed


def test_with_keys_of_another_catalogue_the_demo_works_as_well(run_demo: Demo, settings: Settings) -> None:
    settings.home.mkdir()
    kept(settings).write_text(json.dumps(dict.fromkeys(RIGHTS, "ba_of_another_catalogue")), encoding="utf8")
    ran = run_demo("demo", "--port", "0")
    assert (ran.code, ran.out.splitlines()[1]) == (0, "2.40% a year [1]")
    assert "ba_of_another_catalogue" not in ran.out


def test_the_java_line_that_is_printed_works_in_a_shell(run_demo: Demo) -> None:
    jdk()
    shell = functools.partial(subprocess.run, ["sh", "-s"], capture_output=True, text=True, timeout=60, check=False)

    def type_it(printed: str) -> str:
        (line,) = (line for line in printed.splitlines() if line.strip().startswith("javac "))
        done = shell(input=f"{line}\n")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    lines = run_demo("demo", "--port", "0", meanwhile=type_it).meanwhile.splitlines()
    assert lines[1] == "2.40% a year [1]"
    assert lines[-1].startswith("answered, final, aud-")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_line_that_is_printed_works_in_a_shell(run_demo: Demo) -> None:
    # kept before the demo sees it replaced
    shell = functools.partial(subprocess.run, ["sh", "-s"], capture_output=True, text=True, timeout=60, check=False)

    def type_it(printed: str) -> str:
        (line,) = (line for line in printed.splitlines() if line.strip().startswith("curl "))
        assert "-d" in shlex.split(line)
        done = shell(input=f"{line} --silent --noproxy '*'\n")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    ran = run_demo("demo", "--port", "0", meanwhile=type_it)
    answer = json.loads(ran.meanwhile)
    assert (answer["kind"], answer["reason"]) == ("refused", "not_in_passages")


def test_a_bank_that_cannot_be_taken_in_ends_the_demo(run_demo: Demo, settings: Settings) -> None:
    ran = run_demo("demo", "--port", "0", fail=True)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == (
        "error: the sample bank could not be taken in; the lines above say why. `bankassist doctor` looks for what is missing."
    )  # fmt: skip
    assert not kept(settings).exists()


def test_the_settings_file_is_passed_on_and_its_port_is_used(run_demo: Demo, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "设置.toml"
    config.write_text(f"[service]\nport = {port}\n", encoding="utf8")
    ran = run_demo("--config", str(config), "demo")
    assert (ran.code, ran.commands[0][3:5]) == (0, ["--config", str(config)])
    assert f"http://127.0.0.1:{port}/openapi.json" in ran.out
