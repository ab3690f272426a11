"""`adapters gate` obeys the verdict of an evaluation, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.gate import pass_gate
from core.cli import FAILED, WRONG_USAGE, main
from core.errors import BadInput, Conflict
from core.types import AdapterRef
from core.verdict import Check, Verdict, read_verdict
from engines.catalogue import Catalogue

BASE, ADAPTER = "b" * 64, "a" * 64
PASSED = Check(
    kind="mean",
    name="correct of rag+lora: mean at least 0.8", metric="correct", arm="rag+lora", slice="all", wanted="mean at least 0.8", threshold=0.8, value=0.9, low=0.86,
    high=0.93, count=240, passed=True, why="216 of 240",
)  # fmt: skip


def verdict(*checks: Check, **change: Any) -> Verdict:
    checks = checks or (PASSED,)
    whole: dict[str, Any] = {
        "adapter": "compliance", "version": 2, "digest": ADAPTER, "base_digest": BASE, "suite": "bank", "suite_digest": "c" * 64, "run": "run-7",
        "records_digest": "d" * 64, "answers": 60, "thresholds_digest": "e" * 64, "thresholds_set_before_run": True, "checks": checks,
        "passed": all(check.passed for check in checks), "at": datetime(2026, 11, 26, tzinfo=UTC),
    }  # fmt: skip
    return Verdict(**{**whole, **change})


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(tmp_path / "home")
    opened.adapters.register(AdapterRef("compliance", 2, "adapters/compliance/2", ADAPTER), {"kind": "lora", "base": {"digest": BASE}})
    yield opened
    opened.close()


def test_a_candidate_passes_by_its_own_verdict(catalogue: Catalogue) -> None:
    info = pass_gate(catalogue.adapters, catalogue.adapters.get("compliance", 2), verdict(), "f" * 64)
    assert info.state == "gated"
    assert info.gate is not None
    assert (info.gate.digest, info.gate.verdict["run"], info.gate.verdict["checks"][0]["value"]) == ("f" * 64, "run-7", 0.9)


FAILED_CHECK = PASSED.model_copy(update={"passed": False, "value": 0.7, "why": "0.7 is below"})
UNDECIDED = FAILED_CHECK.model_copy(update={"decided": False, "why": "12 items are too few"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"version": 1}, "it is of compliance@1", id="version"),
        pytest.param({"adapter": "loan-risk"}, "it is of loan-risk@2", id="name"),
        pytest.param({"digest": "9" * 64}, "digest 999999999999, and the registered one has aaaaaaaaaaaa", id="weights"),
        pytest.param({"base_digest": "9" * 64}, "over the base 999999999999, and the adapter belongs to bbbbbbbbbbbb", id="base"),
        pytest.param({"checks": (PASSED, FAILED_CHECK), "passed": False}, r"at least 0.8 failed \(0.7 is below\)", id="failed"),
        pytest.param({"checks": (UNDECIDED,), "passed": False}, r"was not decided \(12 items are too few\)", id="undecided"),
    ],
)
def test_a_failed_or_foreign_verdict_changes_nothing(catalogue: Catalogue, change: dict[str, Any], says: str) -> None:
    with pytest.raises(Conflict, match=says) as refused:
        pass_gate(catalogue.adapters, catalogue.adapters.get("compliance", 2), verdict(**change), "f" * 64)
    assert refused.value.code == "gate_refused"
    info = catalogue.adapters.get("compliance", 2)
    assert (info.state, info.gate) == ("candidate", None)


def _written(path: Path, **change: Any) -> Path:
    path.write_text(json.dumps({**verdict().model_dump(mode="json"), **change}, ensure_ascii=False), "utf8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"passed": False}, "must say whether all checks passed", id="says otherwise"),
        pytest.param({"checks": []}, "checks: ", id="no checks"),
        pytest.param({"checks": [{**PASSED.model_dump(), "passed": True, "decided": False}]}, "decides nothing", id="undecided and passed"),
        pytest.param({"digest": "abc"}, "digest: ", id="digest"),
        pytest.param({"signed": "by nobody"}, "signed: ", id="unknown key"),
    ],
)
def test_what_is_no_verdict_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=f"is no verdict: {says}|is no verdict: .*{says}"):
        read_verdict(_written(tmp_path / "verdict.json", **change))
    with pytest.raises(BadInput, match="cannot be read"):
        read_verdict(tmp_path / "missing.json")


def _command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setenv("BANKASSIST_HOME", str(home))
    monkeypatch.setattr("adapters.registry.released_folder", lambda: home / "none")
    monkeypatch.setattr("sys.argv", ["bankassist", "adapters", *words])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command_gates_says_so_and_refuses(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    foreign = _written(tmp_path / "foreign.json", version=3)
    code, _, err = _command(home, monkeypatch, capsys, "gate", "compliance@2", "--verdict", str(foreign))
    assert (code, "it is of compliance@3" in err) == (FAILED, True)
    assert "not passed" in _command(home, monkeypatch, capsys, "show", "compliance@2")[1]
    code, _, err = _command(home, monkeypatch, capsys, "gate", "compliance", "--verdict", str(foreign))
    assert (code, "expected NAME@VERSION" in err) == (WRONG_USAGE, True)

    own = _written(tmp_path / "verdict.json", thresholds_set_before_run=False, suite="银行")
    code, out, _ = _command(home, monkeypatch, capsys, "gate", "compliance@2", "--verdict", str(own))
    assert (code, "is gated" in out, "were not set before the run" in out) == (0, True, True)
    code, out, _ = _command(home, monkeypatch, capsys, "show", "compliance@2", "--json")
    shown = json.loads(out)
    assert (shown["state"], shown["gate"]["verdict"]["suite"], shown["gate"]["digest"]) == ("gated", "银行", read_verdict(own)[1])
    out = _command(home, monkeypatch, capsys, "show", "compliance@2")[1]
    assert "by run run-7 on suite 银行" in out.replace("\n", " ")
