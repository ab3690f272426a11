"""`bankassist eval validate` and `eval import`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli import DONE, PARTLY_DONE, WRONG_USAGE, Json, console, environment, errors, print_json, progress
from core.settings import Settings

if TYPE_CHECKING:
    from eval.suite.corpus import Corpus
    from eval.suite.file import Draft, Problem
    from eval.suite.leaks import Leak
    from eval.suite.training import TrainingTexts

Form = Literal["squad", "beir", "csv"]
SuitePath = Annotated[Path, typer.Argument(metavar="SUITE", help="A suite's folder, or the name of a shipped suite (bank, loan-risk, injection).")]


def register(commands: typer.Typer) -> None:
    commands.command("validate")(_validate)
    commands.command("import")(_import)


def _validate(
    context: typer.Context,
    suite: SuitePath,
    train: Annotated[list[Path] | None, typer.Option(help="A file of training data (JSON lines or text) to look for leaks in; may be repeated.")] = None,
    adapter: Annotated[list[Path] | None, typer.Option(help="Folder of an adapter whose training data are looked through beside the released ones'.")] = None,
    leaks: Annotated[
        bool, typer.Option(help="Look whether adapters have seen items in training (the first time it draws their training data: a minute).")
    ] = True,
    near: Annotated[bool, typer.Option("--near", help="List questions with a cosine above .95 to a training text; needs the embedding model.")] = False,
    power: Annotated[bool, typer.Option("--power", help="Show the smallest paired differences that the suite can detect.")] = False,
    as_json: Json = False,
) -> None:
    """Check a suite: its form, its evidence against the documents, leaks, personal data. Every problem is shown at once; exit code 2 when there is one."""
    from assistant.bootstrap import time_zone
    from eval.suite import validate
    from eval.suite.file import read_draft
    from eval.suite.power import detectable
    from eval.suites import find_suite

    settings = environment(context).settings
    draft = read_draft(find_suite(suite))
    found_leaks, near_leaks, training = _leaks(draft, settings, train or [], adapter or [], leaks, near)
    corpus = _corpus(draft, settings)
    problems = [*draft.problems, *validate.check_items(draft, corpus, _today(time_zone(settings))), *validate.leak_problems(draft, found_leaks)]
    warnings = [*validate.check_warnings(draft), *validate.leak_problems(draft, near_leaks)]
    notes = [f"{one.source}: {one.note}" for one in training if one.note]
    problems.sort(key=lambda problem: (problem.line is not None, problem.line or 0))
    answerable = [item for _, item in draft.items]
    differences = detectable(len(answerable)) if answerable else []
    if as_json:
        print_json(_document(draft, problems, warnings, notes, training, found_leaks, near_leaks, [one.model_dump() for one in differences]))
    else:
        _print(draft, problems, warnings, notes, training, near_leaks)
        if power:
            _print_power(differences)
    raise typer.Exit(WRONG_USAGE if problems else DONE)


def _import(
    context: typer.Context,
    form: Annotated[Form, typer.Argument(metavar="FORM", help="squad (SQuAD 1.1 and 2.0, CMRC2018), beir (a folder), or csv (named columns).")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files; of beir the folders.")],
    out: Annotated[Path, typer.Option(help="The suite's new folder.")],
    name: Annotated[str | None, typer.Option(help="The suite's name; default: its folder's.")] = None,
    licence: Annotated[str, typer.Option(help="Under which the data may be used.")] = "unknown",
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many questions, drawn by --seed, and only the documents that they are about.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the questions of --limit.")] = 1,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used, and count them; without it nothing is written then.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a suite of questions in another form, with its documents in `documents/` for `bankassist ingest`.

    csv knows the columns question, answer (accepted ones separated by |; empty: to be refused), document_id, text (the document), quote, reason, id,
    group_id, lang, topic, adapter, groups, as_of. Exit code 3 when rows were left out.
    """
    from assistant.bootstrap import time_zone
    from engines.catalogue import Catalogue
    from eval.suite.corpus import corpus_of_catalogue
    from eval.suite.imports.beir import read_beir
    from eval.suite.imports.build import build
    from eval.suite.imports.squad import read_squad
    from eval.suite.imports.table import read_table

    settings = environment(context).settings
    read = {"squad": read_squad, "beir": read_beir, "csv": read_table}[form](files)
    made = build(
        read,
        out,
        name=name or out.resolve().name.lower(),
        licence=licence,
        primary=("recall@5", "ndcg@10") if form == "beir" else ("correct", "refused_right", "over_refusal", "token_f1"),
        settings=settings.ingest,
        catalogue=lambda ids: corpus_of_catalogue(Catalogue.open(settings.home, settings.catalogue), ids),
        today=_today(time_zone(settings)),
        limit=limit,
        seed=seed,
        skip_bad=skip_bad,
    )
    manifest, own = made.suite.manifest, made.suite.documents
    if as_json:
        counted = {
            "suite": manifest.name,
            "path": str(out),
            "n": manifest.n,
            "documents": len(manifest.corpus.documents),
            "counts": manifest.counts.model_dump(),
        }
        print_json({**counted, "skipped": [bad._asdict() for bad in made.skipped]})
    else:
        for bad in made.skipped:
            errors.print(f"left out: {bad}", markup=False, soft_wrap=True)
        console.print(
            f"{out}: {manifest.n} items about {len(manifest.corpus.documents)} documents, {len(made.skipped)} rows left out", markup=False, soft_wrap=True
        )
        console.print(f"next: {f'bankassist ingest {own}, then ' if own else ''}bankassist eval validate {out}", markup=False, soft_wrap=True)
    raise typer.Exit(PARTLY_DONE if made.skipped else DONE)


def _today(zone: Any) -> date:
    from datetime import datetime

    return datetime.now(zone).date()


def _leaks(
    draft: Draft, settings: Settings, train: Sequence[Path], adapters: Sequence[Path], look: bool, near: bool
) -> tuple[list[Leak], list[Leak], list[TrainingTexts]]:
    """What was trained on, what may only be near it, and the sources that were looked through."""
    from adapters.registry import released_folder
    from eval.suite import leaks as leaking
    from eval.suite import training

    if not look:
        return [], [], []
    sources = [training.training_file(path) for path in train]
    sources.append(training.routing_examples())
    if draft.manifest is not None and (seed := draft.manifest.corpus.sample_bank) is not None:
        sources.append(training.sample_wordings(seed))
    cache = settings.home / "cache" / "eval"
    for folder in [*sorted(released_folder().glob("*/*")), *adapters]:
        with progress(f"training data of {folder.parent.name}", None) as advance:
            sources.append(training.adapter_training(folder, cache, advance))
    items = [item for _, item in draft.items]
    found = leaking.leaks(items, sources)
    if not near:
        return found, [], sources
    from engines.embedder import SentenceEmbedder

    embedder = SentenceEmbedder.load(settings.models, settings.home / "cache", lambda line: errors.print(line))
    return found, leaking.near(items, sources, embedder), sources


def _corpus(draft: Draft, settings: Settings) -> Corpus | None:
    from engines.catalogue import Catalogue
    from eval.suite import corpus
    from eval.suite.file import DOCUMENTS

    if draft.manifest is None:
        return None
    folder = draft.path / DOCUMENTS
    documents = folder if folder.is_dir() else None
    if (seed := draft.manifest.corpus.sample_bank) is not None:
        return corpus.corpus_of_bank(seed, documents, settings.ingest)
    if documents is not None:
        return corpus.corpus_of_folders([documents], settings.ingest)
    return corpus.corpus_of_catalogue(Catalogue.open(settings.home, settings.catalogue), (one.document_id for one in draft.manifest.corpus.documents))


def _document(
    draft: Draft,
    problems: Sequence[Problem],
    warnings: Sequence[Problem],
    notes: Sequence[str],
    training: Sequence[TrainingTexts],
    leaks: Sequence[Leak],
    near: Sequence[Leak],
    differences: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    from eval.suite.file import counts, items_digest
    from eval.suite.leaks import leak_check

    items = [item for _, item in draft.items]
    return {
        "suite": draft.manifest.name if draft.manifest else str(draft.path),
        "version": draft.manifest.version if draft.manifest else None,
        "valid": not problems,
        "n": len(items),
        "digest": items_digest(items),
        "counts": counts(items).model_dump(),
        "problems": [problem._asdict() for problem in problems],
        "warnings": [warning._asdict() for warning in warnings],
        "notes": list(notes),
        "leaks": leak_check(leaks, training).model_dump() if training else None,
        "near": [{"item": leak.item, "cosine": round(leak.cosine or 0, 4), "source": leak.source, "text": leak.text} for leak in near],
        "detectable": list(differences),
    }


def _print(
    draft: Draft, problems: Sequence[Problem], warnings: Sequence[Problem], notes: Sequence[str], training: Sequence[TrainingTexts], near: Sequence[Leak]
) -> None:
    from eval.suite.file import counts

    name = f"{draft.manifest.name} {draft.manifest.version}" if draft.manifest else str(draft.path)
    for label, found in (("problem", problems), ("look at", warnings)):
        for problem in found:
            console.print(f"{label}: {problem}", markup=False, soft_wrap=True)
    for leak in near:
        console.print(f"near ({leak.cosine:.3f}): {leak.item} and {leak.source}: {leak.text}", markup=False, soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    table = Table("", "items", box=None)
    for title, values in counts(item for _, item in draft.items).model_dump().items():
        for value, count in values.items():
            table.add_row(f"{'refused' if title == 'reason' else title}: {value}", str(count))
    console.print(table)
    looked = f"; {sum(len(one.texts) for one in training):,} training texts looked through" if training else "; leaks not looked for"
    console.print(f"{name}: {len(draft.items)} items, {len(problems)} problems{looked}", markup=False, soft_wrap=True)


def _print_power(differences: Sequence[Any]) -> None:
    table = Table("items on which two arms differ", "smallest difference shown (80% power, 5%)", box=None)
    for one in differences:
        table.add_row(f"{one.discordant:.0%}", f"{100 * one.difference:.1f} points")
    console.print(table)
