"""A run's folder scored, by the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli import DONE, PARTLY_DONE, build
from core.errors import BadInput, Unavailable
from eval.run.folder import problems_of
from eval.run.record import Record
from eval.scoring.of_run import SCORES, SUMMARY
from eval.suite.item import Item
from eval.summary import Summary
from tests.eval.scoring.made import answer, evidence, facts, failure, item, passage, refusal, refuse, run_folder
from tests.eval.scoring.test_loan import application

ITEMS = [
    *(item(f"q{number}", answer=facts("USD 4.50"), evidence=(evidence(0, 30),)) for number in range(3)),
    item("no", task="refuse", expect=refuse()),
]
RECORDS = [
    *(answer("USD 4.50", f"q{number}", "rag", retrieved=(passage(1),)) for number in range(2)), failure("q2", "rag"),
    refusal(name="no", arm="rag", retrieved=(passage(1, document="secret"),)),
    *(answer("USD 3.00", f"q{number}", "base") for number in range(3)), answer("Yes.", "no", "base"),
]  # fmt: skip
Score = Callable[..., Any]


@pytest.fixture
def score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "home"))

    def run(folder: Path, *arguments: str, code: int = DONE) -> Any:
        result = CliRunner().invoke(build(), ["eval", "score", str(folder), *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return run


def _folder(tmp_path: Path, items: Sequence[Item] = ITEMS, records: Sequence[Record] = RECORDS, **values: Any) -> Path:
    return run_folder(tmp_path, items, records, **values)


def test_a_run_is_scored(tmp_path: Path, score: Score) -> None:
    run = _folder(tmp_path)
    printed = score(run, "--json")
    lines = [json.loads(line) for line in (run / SCORES).read_text("utf8").splitlines()]
    summary = Summary.model_validate_json((run / SUMMARY).read_bytes())
    assert printed["scores"] == len(lines)
    means = {(one["metric"], one["arm"]): (one["mean"], one["total"], one["errors"]) for one in printed["aggregates"]}
    assert means["correct", "rag"] == (3 / 4, 4, 1)
    assert means["correct", "base"] == (0, 4, 0)
    assert means["acl_leak", "rag"] == (2 / 4, 4, 1)  # one that may not be read, and one of which nobody knows
    assert ("recall@5", "base") not in means
    assert summary.primary == ("correct",)
    assert summary.corpus_metrics["rag"]["refusal_recall"] == 1
    assert problems_of(run) == []
    content = (run / SCORES).read_bytes()
    score(run)
    assert (run / SCORES).read_bytes() == content


def test_what_is_printed_for_people(tmp_path: Path, score: Score) -> None:
    rows = {line.split()[0]: line for line in score(_folder(tmp_path)).splitlines()[1:]}
    assert "0.75" in rows["correct"]
    assert "0 of 3: at most 100%" in rows["over_refusal"]
    assert "injected" not in rows
    assert "(3/4)" in rows["citation_format"]  # of four two are answers, one is an error, one a refusal


def test_only_some_metrics(tmp_path: Path, score: Score) -> None:
    run = _folder(tmp_path)
    assert set(score(run, "--metrics", "fact_recall, refused_right", "--json")["metrics"]) == {"fact_recall", "refused_right"}
    assert Summary.model_validate_json((run / SUMMARY).read_bytes()).primary == ()
    with pytest.raises(BadInput, match="no metric 'fact_recal'; there are correct"):
        score(run, "--metrics", "fact_recal")


def test_a_run_that_was_stopped_is_scored_as_far_as_it_came(tmp_path: Path, score: Score) -> None:
    run = _folder(tmp_path, complete=False)
    assert "acl_leak" not in score(run, "--json", code=PARTLY_DONE)["metrics"]
    assert not (run / "SHA256SUMS").exists()


def test_probabilities_that_moved_since_an_earlier_run(tmp_path: Path, score: Score) -> None:
    items = [application(f"q{number}", number % 2) for number in range(4)]

    def rated_run(name: str, high: float) -> Path:
        records = [
            answer("Rating: high", one.id, "rag", structured={"rating": "high"}, probabilities={"low": 0.0, "medium": 1 - high, "high": high}) for one in items
        ]
        return _folder(tmp_path / name, items, records)

    before, now = rated_run("before", 0.3), rated_run("now", 0.9)
    values = score(now, "--baseline", str(before), "--cost-declined", "3", "--json")["corpus_metrics"]["rag"]
    assert values["psi_baseline"] > 1
    assert values["loan_cost"] == 3 / 2
    with pytest.raises(BadInput, match="run over other items"):
        score(now, "--baseline", str(_folder(tmp_path / "other")))


def test_wrong_options(tmp_path: Path, score: Score) -> None:
    run = _folder(tmp_path)
    with pytest.raises(BadInput, match="--tier is '2'"):
        score(run, "--tier", "2")
    with pytest.raises(BadInput, match="add --tier 0,1"):
        score(run, "--nli", "x")
    with pytest.raises(BadInput, match="is no run"):
        score(tmp_path / "nothing")


def test_tier_1_takes_the_bank_s_embedder_and_a_model_that_is_named(tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    from engines import embedder
    from tests.embedder import HashedEmbedder

    monkeypatch.setattr(embedder.SentenceEmbedder, "load", lambda *_: HashedEmbedder())
    items = [item("q0", answer={"texts": ("USD 4.50 a month",)})]
    run = _folder(tmp_path, items, [answer("USD 4.50 a month", "q0", "rag")], primary=("semantic_similarity",))
    printed = score(run, "--tier", "1", "--json")
    assert printed["metrics"] == {"semantic_similarity": 1}
    assert printed["aggregates"][0]["mean"] == pytest.approx(1)
    with pytest.raises(Unavailable, match="neither a folder nor in the local Hugging Face cache"):
        score(run, "--tier", "0,1", "--nli", "nobody/nothing")
