"""`bankassist eval report` over a run on disk: its files, and JUnit's XML."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from core.cli import build
from core.errors import BadInput
from eval.report.files import formats, write_report
from eval.report.junit import junit
from eval.report.material import Material, read
from eval.run.folder import problems_of
from tests.eval.report.made_run import write_run
from tests.eval.report.test_sections import check


def command(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(), ["eval", "report", *words])
    return done.exit_code, done.stdout


def test_the_files_join_the_run_and_its_sums(made_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_run, run)
    code, out = command(str(run), "--json")
    assert code == 0
    assert json.loads(out)["files"] == [str(run / name) for name in ("report.html", "report.md", "report.json", "junit.xml")]
    assert (run / "report.html").read_text("utf8").startswith("<!doctype html>")
    assert json.loads((run / "report.json").read_text("utf8"))["suite"] == "bank version 1"
    assert problems_of(run) == []
    (run / "report.md").write_text("better", "utf8")
    assert problems_of(run) == ["report.md was changed: its digest is not the one in SHA256SUMS"]
    assert command(str(run))[0] == 0  # written anew
    assert problems_of(run) == []


def test_only_what_is_asked_for_is_written_where_it_is_asked_for(made_run: Path, tmp_path: Path) -> None:
    code, out = command(str(made_run), "--format", "md, junit", "--out", str(tmp_path / "here"))
    assert (code, out.split()) == (0, [str(tmp_path / "here" / name) for name in ("report.md", "junit.xml")])
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["junit.xml", "report.md"]
    assert not (made_run / "report.md").exists()


def test_unknown_formats_are_told() -> None:
    with pytest.raises(BadInput, match="no format 'pdf'; there are html, md, json, junit"):
        formats("html,pdf")
    with pytest.raises(BadInput, match="names no format"):
        formats(" , ")


def test_a_run_that_was_not_scored_says_what_to_do(made_run: Path, tmp_path: Path) -> None:
    shutil.copytree(made_run, tmp_path / "run")
    (tmp_path / "run" / "scores.jsonl").unlink()
    with pytest.raises(BadInput, match="`bankassist eval score` writes it"):
        write_report(tmp_path / "run", ["md"])
    assert not (tmp_path / "run" / "report.md").exists()


def test_a_gate_of_an_older_version_is_to_be_run_again(made_run: Path, tmp_path: Path) -> None:
    shutil.copytree(made_run, tmp_path / "run")
    older = {name: value for name, value in check(name="a").items() if name != "kind"}
    (tmp_path / "run" / "gate.json").write_text(json.dumps({"checks": [older], "thresholds_set_before_run": True}), "utf8")
    with pytest.raises(BadInput, match=r"gate.json is no gate of this version; `bankassist eval gate` writes it anew"):
        read(tmp_path / "run")
    baseline = read(made_run, tmp_path / "run").baseline  # whose gate nobody asks for
    assert baseline is not None
    assert baseline.gate is None


def test_a_baseline_of_another_suite_is_refused(made_run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path, 12, arms=("base", "rag"))
    with pytest.raises(BadInput, match=r"the baseline is of the suite bank 1 .* only runs of the same items can be compared"):
        read(made_run, other)


def test_junit_has_checks_calls_and_newly_failing_items(made: Material) -> None:
    gate = {
        "checks": [check(name="a"), check(name="b", passed=False, why="3 of 30"), check(name="c", passed=False, decided=False, why="too few")],
        "thresholds_set_before_run": True,
    }
    root = ElementTree.fromstring(junit(replace(made, gate=gate)))  # noqa: S314, our own
    cases = {(case.attrib["classname"].partition(".")[2], case.attrib["name"]): [child.tag for child in case] for case in root.iter("testcase")}
    assert [cases["rag+lora", name] for name in "abc"] == [["system-out"], ["failure"], ["error"]]
    baseline = made.baseline
    assert baseline is not None
    lost = {(arm, name) for arm in made.arms for name in made.items if (made.value(name, arm), baseline.value(name, arm)) == (0.0, 1.0)}
    assert len(lost) > 5
    assert {(arm, f"{name} is still right") for arm, name in lost} == {key for key, tags in cases.items() if key[1].endswith("is still right")}
    assert all(cases[arm, f"{name} is still right"] == ["failure"] for arm, name in lost)
    for arm in made.arms:
        failed = any(record.error for record in made.by_arm[arm])
        assert cases[arm, "every call is answered"] == (["failure"] if failed else ["system-out"])
