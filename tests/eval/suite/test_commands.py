"""`bankassist eval validate` and `import`: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from core.cli import Environment
from core.errors import BadInput
from eval.commands import register
from tests.eval.suite.suites import changed, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "home"))


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()

    @app.callback()
    def root(context: typer.Context) -> None:
        context.obj = Environment(None)

    register(app)
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["question,answer,document_id,text", *rows]) + "\n", encoding="utf8")
    return path


def test_a_table_becomes_a_suite_that_is_valid(tmp_path: Path) -> None:
    source = table(tmp_path / "faq.csv", "What colour is the card?,blue,card,The card is blue.", "年费多少？,45元,fee,年费为45元。", "Who won?,,,", "Why?,,,")
    result = run("import", "csv", source, "--out", tmp_path / "faq", "--licence", "CC0-1.0", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n"] == 4
    result = run("validate", tmp_path / "faq", "--no-leaks", "--json")
    # half are to be refused, but nobody said that the suite is general
    document: Any = json.loads(result.stdout)
    assert (result.exit_code, document["valid"], document["problems"]) == (0, True, [])
    assert document["counts"]["lang"] == {"en": 3, "zh": 1}
    assert document["detectable"][2] == {"metric": "correct", "count": 4, "discordant": 0.2, "difference": pytest.approx(0.626, abs=1e-3)}


def test_rows_left_out_are_counted_with_another_exit_code(tmp_path: Path) -> None:
    source = table(tmp_path / "faq.csv", "What colour is the card?,blue,card,The card is blue.", "What size?,large,card,")
    with pytest.raises(BadInput, match=r"line 3: 'large' does not stand in 'card'"):
        raise run("import", "csv", source, "--out", tmp_path / "faq").exception or AssertionError
    result = run("import", "csv", source, "--out", tmp_path / "faq", "--skip-bad")
    assert (result.exit_code, "1 items about 1 documents, 1 rows left out" in result.stdout) == (3, True)


def test_an_invalid_suite_is_told_line_by_line_with_leaks_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "none")
    suite = write(tmp_path / "small", changed(0, answer={}))
    (tmp_path / "train.jsonl").write_text(json.dumps({"question": "高风险客户多久复核?"}))
    result = run("validate", suite.path, "--train", tmp_path / "train.jsonl", "--power")
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert any(line.startswith("problem: there is no version 1 of fees") for line in lines)  # the home's catalogue is empty
    assert "problem: line 1 (fee): is to be answered, and nothing says with what: texts, facts, numbers or a verdict" in lines
    assert f"problem: line 3 (复核): asked to the letter in {tmp_path / 'train.jsonl'}: '高风险客户多久复核?'" in lines
    assert any("20%" in line and "62.6 points" in line for line in lines)
