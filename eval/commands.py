"""`bankassist eval`: what the adapters add, whether answers follow the documents, routing, evidence, what the checks see, and whether a fast mode is faithful."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from core.cli import DONE, FAILED, Json, console, environment, errors, print_json, progress
from core.errors import BadInput
from core.settings import Settings
from eval.report import commands as report_commands
from eval.run import commands as run_commands
from eval.scoring import commands as scoring_commands
from eval.statistics import commands as statistics_commands
from eval.suite import commands as suite_commands

#: seconds
_PATIENCE = 86_400.0

AtOnce = Annotated[int, typer.Option(min=1, max=64, help="Questions asked at once: faster; in bf16 a word may then differ, rarely.")]
Data = Annotated[Path | None, typer.Option(help="Folder with squad2/, cmrc2018/ and tatqa_dev.json; without it only the sample bank is asked.")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help="Measure: adapters against the base model, answers on new banks.", no_args_is_help=True)
    app.add_typer(commands, name="eval")
    commands.command("adapters")(_adapters)
    commands.command("seeds")(_seeds)
    commands.command("routing")(_routing)
    commands.command("evidence")(_evidence)
    commands.command("tables")(_tables)
    commands.command("checks")(_checks)
    commands.command("answers")(_answers)
    commands.command("fidelity")(_fidelity)
    suite_commands.register(commands)
    run_commands.register(commands)
    scoring_commands.register(commands)
    statistics_commands.register(commands)
    report_commands.register(commands)


def _adapters(
    context: typer.Context,
    data: Data = None,
    count: Annotated[int, typer.Option(min=3, help="Questions of each third-party set.")] = 100,
    only: Annotated[list[str] | None, typer.Option("--set", help="Of the third-party sets only this one; may be repeated.")] = None,
    bank_count: Annotated[
        int, typer.Option(min=0, help="Questions of the sample bank per task and language, at most; 0: neither these nor loan applications.")
    ] = 25,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample bank; default: one that no training saw.")] = None,
    extract: Annotated[str, typer.Option(help="Adapter that answers the third-party questions.")] = "customer-service",
    answers: Annotated[Path | None, typer.Option(help="File to which every answer to a reading question is added, as JSON lines.")] = None,
    sources_only: Annotated[bool, typer.Option(help="Ask the adapter once more, unable to write a number or marker that no source has.")] = False,
    at_once: AtOnce = 1,
    as_json: Json = False,
) -> None:
    """The active adapters against the bare base model, on a bank that no training saw and on third-party questions."""
    from eval import table
    from eval.bank import FIRST_SEED, sample_bank
    from eval.reading import SETS

    seed = FIRST_SEED if seed is None else seed
    if unknown := [name for name in only or () if name not in SETS]:
        raise BadInput(f"there is no set {unknown[0]!r}; there are {', '.join(SETS)}", param="--set")
    if answers is not None and not answers.resolve().parent.is_dir():
        raise BadInput(f"{answers.parent} is no folder; --answers names a file in one that exists", param="--answers")
    outside = table.third_party(data, count, only or tuple(SETS)) if data else {}
    with _models(context) as (settings, models), tempfile.TemporaryDirectory() as folder:
        errors.print(f"taking in the sample bank of seed {seed}")
        with sample_bank(seed, settings, models, Path(folder)) as application:
            registry = application.parts.catalogue.adapters
            sets = table.bank_items(application, seed, bank_count) if bank_count else {}
            arm_count = 3 if sources_only else 2
            total = arm_count * (sum(map(len, sets.values())) + sum(map(len, outside.values())) + (2 * table.LOANS if bank_count else 0))
            with progress("answers", total) as advance:
                compare = partial(table.compare, application=application, advance=advance, at_once=at_once, sources_only=sources_only)
                arms = [compare({name: items}, adapter=registry.get(name.split(", ")[1]).ref) for name, items in sets.items()]
                rows: list[table.Row] = []
                for row in chain(*arms, compare(outside, adapter=registry.get(extract).ref)):
                    rows.append(row)
                    if answers is not None:
                        with answers.open("a", encoding="utf8") as file:
                            file.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in table.answers(row))
                loans = table.compare_loans(application, seed, advance, at_once=at_once, sources_only=sources_only) if bank_count else []
            adapters = {info.ref.name: str(info.ref) for info in registry.all() if info.state == "active"}
    bound = table.bound_against_free(rows)
    if as_json:
        print_json({"seed": seed, "adapters": adapters, **table.document(rows, loans), "sources_only": [one.document for one in bound]})
        return
    _print_rows(rows)
    _print_bound(bound)
    _print_loans(loans)


def _print_rows(rows: list[Any]) -> None:
    table = Table(
        "set", "arm", "n", "token F1", "holds answer", "right citation", "refused unanswerable", "over-refused", "answered", "invented number", box=None
    )
    for row in rows:
        scores = row.scores
        shares = (scores.contains, scores.citation, scores.refusal, scores.over_refusal, scores.answered, scores.invented)
        table.add_row(row.set, row.arm, str(scores.count), "" if scores.f1 is None else f"{scores.f1:.2f}", *(_share(value) for value in shares))
    console.print(table)


def _print_bound(rows: list[Any]) -> None:
    if not rows:
        return
    table = Table("sources only", "n", "other text", "token F1", "95% interval", "holds answer", "wrong number", "p", "refused", "p", box=None)
    for row in rows:
        low, high = row.f1_interval
        marks = [f"{one.first} to {one.second}" for one in (row.holds, row.invented, row.refused)]
        table.add_row(
            row.set, str(row.count), str(row.changed), f"{row.f1:+.3f}", f"{low:+.3f} to {high:+.3f}",
            marks[0], marks[1], f"{row.invented.chance:.2f}", marks[2], f"{row.refused.chance:.2f}",
        )  # fmt: skip
    console.print(table)


def _print_loans(rows: list[Any]) -> None:
    if not rows:
        return
    table = Table("loan applications", "arm", "n", "rating proposed", "rating right", "wrong and not noticed", "corrected", box=None)
    for row in rows:
        table.add_row(row.language, row.arm, str(row.count), _share(row.proposed), _share(row.right), str(row.wrong), str(row.corrected))
    console.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _seeds(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=200, help="How many new banks.")] = 20,
    first: Annotated[int | None, typer.Option(help="First seed; default: behind those of other evaluations.")] = None,
    at_once: AtOnce = 1,
    as_json: Json = False,
) -> None:
    """Ask the ten questions on banks of new seeds: the answers must follow the seed. Exit code 1 when not all are right."""
    from eval.bank import FIRST_SEED
    from eval.seeds import ask_seeds

    start = FIRST_SEED + 1000 if first is None else first
    if start < FIRST_SEED:
        raise BadInput(f"seeds below {FIRST_SEED} may have been seen in training or belong to examples; got {start}", param="--first")
    with _models(context) as (settings, models), progress("banks", count) as advance:
        results = ask_seeds(range(start, start + count), settings, models, advance, at_once=at_once)
    wrong = [result for result in results if result.problem]
    asked, right = Counter(result.kind for result in results), Counter(result.kind for result in results if not result.problem)
    if as_json:
        kinds = {kind: {"asked": asked[kind], "right": right[kind]} for kind in sorted(asked)}
        problems = [
            {"seed": one.seed, "kind": one.kind, "question": one.question, "expected": one.expected, "answer": one.answer, "problem": one.problem}
            for one in wrong
        ]
        print_json({"seeds": count, "asked": len(results), "right": len(results) - len(wrong), "kinds": kinds, "wrong": problems})
    else:
        for result in wrong:
            console.print(f"seed {result.seed}: {result.question}\n    expected {result.expected}; {result.problem}: {result.answer}", markup=False)
        table = Table("kind", "asked", "right", "share", box=None)
        for kind in sorted(asked):
            table.add_row(kind, str(asked[kind]), str(right[kind]), f"{right[kind] / asked[kind]:.0%}")
        table.add_row("all", str(len(results)), str(len(results) - len(wrong)), f"{1 - len(wrong) / len(results):.1%}")
        console.print(table)
    raise typer.Exit(FAILED if wrong else DONE)


def _routing(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=200, help="How many new banks.")] = 5,
    answers: Annotated[bool, typer.Option(help="Also ask what no task is sure of, by the base model and by the nearest task.")] = False,
    as_json: Json = False,
) -> None:
    """Where the router sends the questions of new banks, whose tasks are known."""
    from eval.bank import FIRST_SEED
    from eval.routing import ABSTAIN, answer_abstained, route_seeds

    seeds = range(FIRST_SEED + 100, FIRST_SEED + 100 + count)
    with _models(context) as (settings, models), progress("banks", count * (2 if answers else 1)) as advance:
        results = route_seeds(seeds, models.routes, models.embedder, settings.routing.threshold, advance)
        abstained = answer_abstained(seeds, settings, models, advance) if answers else {}
    if as_json:
        tasks = [{"task": one.task, "language": one.language, "right": one.right, "to": one.to} for one in results]
        print_json({"seeds": count, "tasks": tasks, "abstained": {language: asdict(one) for language, one in abstained.items()}})
        return
    table = Table("task", "language", "questions", "right", "went to", box=None)
    for one in results:
        elsewhere = ", ".join(f"{name} {number}" for name, number in one.to.most_common() if name != one.task)
        table.add_row(one.task, one.language, str(one.to.total()), f"{one.right:.1%}", elsewhere)
    console.print(table)
    if answers:
        table = Table("no task sure", "questions", *(f"{setting}: {what}" for setting in ABSTAIN for what in ("right", "wrong")), box=None)
        for language, found in abstained.items():
            table.add_row(language, str(found.questions), *(str(what[setting]) for setting in ABSTAIN for what in (found.right, found.wrong)))
        console.print(table)


def _tables(
    count: Annotated[int, typer.Option(min=1, max=200, help="How many new banks.")] = 5,
    as_json: Json = False,
) -> None:
    """How many wrong rows and columns the check of tables sees, and how many right values it refuses. No model takes part."""
    from eval.bank import FIRST_SEED
    from eval.tables import count as count_tables

    found = count_tables(range(FIRST_SEED + 700, FIRST_SEED + 700 + count))
    if as_json:
        print_json({"seeds": count, "languages": {language: asdict(one) for language, one in found.items()}})
        return
    table = Table("offered", "language", "count", "failed", "corrected", "wrongly", box=None)
    for language, one in found.items():
        table.add_row("right value", language, str(one.right), str(one.refused), "", "")
        table.add_row(
            "wrong row or column", language, str(one.wrong_rows + one.wrong_columns), str(one.rows_seen + one.columns_seen), str(one.mended), str(one.spoilt)
        )
        table.add_row("wrong row and column", language, "", "", str(one.both_mended), str(one.both_spoilt))
        table.add_row("figure from nowhere", language, str(one.nowhere), str(one.nowhere), str(one.nowhere_mended), str(one.nowhere_spoilt))
    console.print(table)


def _checks(
    data: Data = None,
    count: Annotated[int, typer.Option(min=1, max=200, help="How many new banks.")] = 5,
    questions: Annotated[int, typer.Option(min=3, help="Questions of each third-party set.")] = 600,
    as_json: Json = False,
) -> None:
    """How many wrong sentences, passages, kinds of figure and names the checks see, and how many right answers they refuse. No model takes part."""
    from eval import names, passages
    from eval.bank import FIRST_SEED
    from eval.sentences import count_banks, count_third_party

    seeds = range(FIRST_SEED + 700, FIRST_SEED + 700 + count)
    found = count_banks(seeds) | (count_third_party(data, questions) if data else {})
    named = names.count(seeds)
    cited = passages.count(data, questions) if data else {}
    if as_json:
        sentences = {name: asdict(one) for name, one in found.items()}
        print_json(
            {
                "seeds": count,
                "sentences": sentences,
                "names": {language: asdict(one) for language, one in named.items()},
                "passages": {name: asdict(one) for name, one in cited.items()},
            }
        )
        return
    table = Table("set", "answers", "refused", "replaced", "wrong sentences", "seen", "corrected", "wrongly", box=None)
    for name, one in found.items():
        table.add_row(name, *map(str, (one.right, one.refused, one.spoilt, one.wrong, one.seen, one.mended, one.missed)))
    console.print(table)
    table = Table("bank's language", "questions", "refused", "with another bank's product", "seen", box=None)
    for language, counted in named.items():
        table.add_row(language, *map(str, (counted.right, counted.refused, counted.wrong, counted.seen)))
    console.print(table)
    if cited:
        table = Table("set", "right passages", "refused", "wrong passages", "seen", "kinds judged", "right ones refused", box=None)
        for name, other in cited.items():
            table.add_row(name, *map(str, (other.right, other.refused, other.wrong, other.seen, other.judged, other.kinds_refused)))
        console.print(table)


def _answers(
    answers: Annotated[Path, typer.Argument(help="What `eval adapters --answers` wrote.")],
    data: Annotated[Path, typer.Option(help="Folder with squad2/, cmrc2018/ and tatqa_dev.json.")],
    count: Annotated[int, typer.Option(min=3, help="Questions of each third-party set, as in that run.")] = 100,
    as_json: Json = False,
) -> None:
    """What the checks make of the adapters' answers to third-party questions. No model takes part."""
    from eval.checked import count as count_checked
    from eval.table import third_party

    found = count_checked(answers, third_party(data, count))
    if as_json:
        print_json({"rows": [{"set": name, "arm": arm, **asdict(one)} for (name, arm), one in found.items()]})
        return
    table = Table("set", "arm", "right", "wrong", "right after checks", "corrected", "wrong after checks", box=None)
    for (name, arm), one in found.items():
        table.add_row(name, arm, *map(str, (one.right, one.wrong, one.right_after, one.corrected, one.wrong_after)))
    console.print(table)


def _evidence(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many invented banks to fit on.")] = 6,
    write: Annotated[Path | None, typer.Option(help="The evidence.json to change; without it the fit is only shown.")] = None,
    as_json: Json = False,
) -> None:
    """Fit when what was found is evidence enough, for the embedding model of the settings."""
    from adapters.data.bank import FIRST_SEED
    from eval import evidence

    with _models(context) as (settings, models), progress("banks", count) as advance:
        fits = evidence.fit(evidence.examples(range(FIRST_SEED, FIRST_SEED + count), settings, models, advance))
        if write is not None:
            evidence.write(fits, models.embedder.digest, write)
    rows: dict[str, Any] = {
        language: {**asdict(found.weights), "over_refusal": found.over_refusal, "refusal": found.refusal, "count": found.count}
        for language, found in fits.items()
    }
    if as_json:
        print_json(rows)
        return
    table = Table("language", "n", "cosine", "coverage", "bias", "threshold", "answerable refused", "unanswerable refused", box=None)
    for language, found in fits.items():
        weights = found.weights
        table.add_row(
            language,
            str(found.count),
            str(weights.cosine),
            str(weights.coverage),
            str(weights.bias),
            str(weights.threshold),
            f"{found.over_refusal:.1%}",
            f"{found.refusal:.0%}",
        )
    console.print(table)


def _fidelity(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, help="Prompts of each adapter and language, at most.")] = 40,
    tokens: Annotated[int, typer.Option(min=1, max=1024, help="Longest text.")] = 96,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample bank; default: one that no training saw.")] = None,
    at_once: AtOnce = 8,
    as_json: Json = False,
) -> None:
    """How often the number format of the settings writes the token that fp32 writes. Exit code 1 below 99%."""
    from engines.compute import number_format
    from eval import fidelity
    from eval.bank import FIRST_SEED

    settings = _patient(environment(context).settings)
    start = FIRST_SEED if seed is None else seed
    with progress("prompts, twice each", None) as advance:
        found = fidelity.measure(settings, start, count, tokens, at_once=at_once, advance=advance, notify=lambda line: errors.print(line))
    everything = fidelity.total(found.values())
    if as_json:
        rows = [{"adapter": adapter, "language": language, **fidelity.document(one)} for (adapter, language), one in found.items()]
        print_json({"seed": start, "format": number_format(settings.models.dtype), "rows": rows, "all": fidelity.document(everything), "goal": fidelity.GOAL})
    else:
        table = Table("adapter", "language", "texts", "equal", "tokens", "agreed", "share", "95% interval", box=None)
        for (adapter, language), one in [*found.items(), (("all", ""), everything)]:
            low, high = one.interval
            figures = (one.texts, one.equal, one.tokens, one.agreed)
            table.add_row(adapter, language, *map(str, figures), f"{one.share:.2%}", f"{low:.2%} to {high:.2%}")
        console.print(table)
        verdict = "reached" if everything.share >= fidelity.GOAL else "missed"
        console.print(f"{number_format(settings.models.dtype)} against float32: the goal of {fidelity.GOAL:.0%} is {verdict}")
    raise typer.Exit(DONE if everything.share >= fidelity.GOAL else FAILED)


@contextmanager
def _models(context: typer.Context) -> Iterator[tuple[Any, Any]]:
    """The settings, and the models loaded once for many banks."""
    from assistant.bootstrap import load_models

    settings = _patient(environment(context).settings)
    with load_models(settings, lambda line: errors.print(line)) as models:
        yield settings, models


def _patient(settings: Settings) -> Settings:
    """A measurement asks as much as it likes: on a slow machine a question waits, and an hour's work must not end because one waited too long."""
    return settings.model_copy(update={"generation": settings.generation.model_copy(update={"queue_seconds": _PATIENCE})})
