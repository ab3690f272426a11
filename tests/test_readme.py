"""What the README and the docs say of this checkout: its tree, its commands, its links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.core import TyperGroup as Group
from typer.main import get_command

from core.cli import build

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LOG.md")] + sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")]
)


def test_the_tree_of_the_readme_is_the_one_on_disk() -> None:
    text = (ROOT / "README.md").read_text("utf8")
    named = set(re.findall(r"^(\w+)/ ", text, re.MULTILINE))
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert named == {file.split("/")[0] for file in files if "/" in file and not file.startswith(".")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    for words in re.findall(r"bankassist ((?:[a-z-]+(?=[\s`|)]|$) ?)+)", page.read_text("utf8")):
        command = get_command(build())
        for word in words.split():
            if not isinstance(command, Group) or word.startswith("-"):
                break
            assert word in command.commands, f"no command `bankassist {words}`"
            command = command.commands[word]
