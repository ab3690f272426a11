"""`bankassist eval score`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from core.cli import DONE, PARTLY_DONE, Json, console, environment, errors, print_json, status
from core.errors import BadInput
from core.settings import make_home
from eval.scoring.rates import none_of
from eval.summary import ALL

if TYPE_CHECKING:
    from eval.scoring.of_run import Result, Wanted
    from eval.scoring.score import Metric
    from eval.summary import Aggregate

_TIERS = {"0": (0,), "1": (1,), "0,1": (0, 1)}


def register(commands: typer.Typer) -> None:
    """Add the command to the group `eval`."""
    commands.command("score")(_score)


def _score(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    tier: Annotated[str, typer.Option(help="0: metrics that need no model; 0,1: also those that local models judge, which inform and gate nothing.")] = "0",
    metrics: Annotated[str | None, typer.Option(help="Only these metrics, with commas between; the files then hold no others.")] = None,
    nli: Annotated[str | None, typer.Option(help="Of tier 1: model of natural language inference, a folder or ID@REVISION in the local cache.")] = None,
    nli_digest: Annotated[str | None, typer.Option(help="Digest that its weights must have.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="An earlier run of the same suite: how far loan probabilities have moved (PSI).")] = None,
    cost_missed: Annotated[float, typer.Option(min=0, help="Cost of a bad loan that is not rated high.")] = 5.0,
    cost_declined: Annotated[float, typer.Option(min=0, help="Cost of a good loan that is.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Score a run's answers: writes scores.jsonl and summary.json into it. No answer is made again. Exit code 3 when the run is not complete."""
    from eval.scoring.loan import Costs
    from eval.scoring.of_run import Wanted, score_run

    if tier not in _TIERS:
        raise BadInput(f"--tier is {tier!r}; expected {', '.join(_TIERS)}", param="--tier")
    if nli is not None and 1 not in _TIERS[tier]:
        raise BadInput("--nli names a model for tier 1; add --tier 0,1", param="--nli")
    names = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
    wanted = Wanted(names, _TIERS[tier], Costs(cost_missed, cost_declined), baseline)
    with _models(context, wanted, nli, nli_digest) as complete, status("scoring"):
        result = score_run(run, complete)
    if as_json:
        print_json(_document(run, result))
    else:
        _print(result)
    if not result.run.complete:
        errors.print(
            f"{run} is not complete: {len(result.run.records)} of {result.run.document.total} answers were scored; `bankassist eval resume {run}` goes on"
        )
        raise typer.Exit(PARTLY_DONE)
    raise typer.Exit(DONE)


@contextmanager
def _models(context: typer.Context, wanted: Wanted, nli: str | None, digest: str | None) -> Iterator[Wanted]:
    """What is wanted, with the models of tier 1 loaded where it is."""
    if 1 not in wanted.tiers:
        yield wanted
        return
    from engines.embedder import SentenceEmbedder
    from engines.entailment import EntailmentModel

    settings = environment(context).settings
    make_home(settings)
    cache = settings.home / "cache"
    embedder = SentenceEmbedder.load(settings.models, cache, errors.print)
    model = EntailmentModel.load(nli, cache, digest, errors.print) if nli is not None else None
    yield replace(wanted, embedder=embedder, entailment=model)


def _document(path: Path, result: Result) -> dict[str, Any]:
    summary = result.summary
    return {
        "run": str(path),
        "records": len(result.run.records),
        "complete": result.run.complete,
        "scores": len(result.scores),
        "metrics": {name: metric.version for name, metric in result.metrics.items()},
        "aggregates": [one.model_dump(mode="json") for one in summary.aggregates if one.slice == ALL],
        "corpus_metrics": summary.corpus_metrics,
    }


def _print(result: Result) -> None:
    """One row per metric, one column per arm: the mean and its interval, and of how many where not all could be scored."""
    found = {(one.metric, one.arm): one for one in result.summary.aggregates if one.slice == ALL}
    arms = list(dict.fromkeys(score.arm for score in result.scores))
    table = Table("metric", *arms, box=None)
    for name, metric in result.metrics.items():
        cells = [_cell(metric, found.get((name, arm))) for arm in arms]
        if any(cells):
            table.add_row(name, *cells)
    console.print(table)


def _cell(metric: Metric, found: Aggregate | None) -> str:
    if found is None:
        return ""
    left_out = f" ({found.scored}/{found.total})" if found.scored < found.total else ""
    if found.mean is None:
        return f"-{left_out}"
    if metric.binary and not metric.higher_is_better and found.mean == 0:
        return none_of(found.scored) + left_out
    interval = f" {found.low:.2f}-{found.high:.2f}" if found.low is not None and found.high is not None else ""
    return f"{found.mean:.3g}{interval}{left_out}"
