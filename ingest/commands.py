"""`bankassist ingest`, `index`, `documents`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from core.cli import DONE, FAILED, PARTLY_DONE, Json, console, environment, errors, print_json, progress, status
from core.errors import BadInput
from core.types import FileResult, FileState


class _FilesOrWorker(typer.core.TyperGroup):
    """`ingest PATH...` and `ingest worker` side by side: what is no subcommand is a path."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["files", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def register(app: typer.Typer) -> None:
    ingest = typer.Typer(cls=_FilesOrWorker, help="Take documents in: `ingest PATH...`, or `ingest worker` for uploads.", no_args_is_help=True)
    app.add_typer(ingest, name="ingest")
    ingest.command("files", help="Take files and folders in (the word `files` may be left out).")(_files)
    ingest.command("worker")(_worker)

    index = typer.Typer(help="The search index, which follows the catalogue.", no_args_is_help=True)
    app.add_typer(index, name="index")
    index.command("rebuild")(_rebuild)
    index.command("verify")(_verify)

    catalogue = typer.Typer(help="The database that everything else is made from.", no_args_is_help=True)
    app.add_typer(catalogue, name="catalogue")
    catalogue.command("import")(_import)


def _files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders (with a documents.toml, or with the options below).")],
    groups: Annotated[
        str | None, typer.Option(help="Who may read files that no documents.toml describes: names separated by commas; `public` is everybody.")
    ] = None,
    valid_from: Annotated[str | None, typer.Option(help="First day on which they apply, YYYY-MM-DD.")] = None,
    valid_until: Annotated[str | None, typer.Option(help="First day on which they no longer apply.")] = None,
    product: Annotated[str | None, typer.Option(help="The product that they are about.")] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Take in also what was withdrawn; without it a withdrawn document stays out.")] = False,
    as_json: Json = False,
) -> None:
    """Read, cut, embed and store files; unchanged ones are left alone. Exit code 3 when some were refused, 1 when all were."""
    from engines.parts import open_parts
    from ingest.following import follow
    from ingest.parsing import ParserProcess
    from ingest.pipeline import Pipeline
    from ingest.sources import source_files

    settings = environment(context).settings
    common: dict[str, Any] = {"groups": [name.strip() for name in groups.split(",")]} if groups else {}
    common |= {key: value for key, value in (("valid_from", valid_from), ("valid_until", valid_until), ("product", product)) if value}
    sources = source_files(paths, common)
    if not sources:
        raise BadInput(f"no files in {', '.join(str(path) for path in paths)}", param="PATH")
    started = time.perf_counter()
    results: list[FileResult] = []
    with open_parts(settings, lambda text: errors.print(text)) as parts, ParserProcess(settings.ingest) as parser:
        pipeline = Pipeline(parts.catalogue, parts.files, lambda: parts.embedder, parser, settings.ingest, lambda: parts.embedder_digest, restore=restore)
        with progress("ingest", len(sources)) as advance:
            for source in sources:
                results.append(pipeline.ingest(source))
                advance()
        if any(result.state is FileState.INDEXED for result in results):
            snapshot = time.perf_counter()
            follow(parts, force=True)
            pipeline.stages.add("index", snapshot)
    _report(results, {**pipeline.stages.timings, "total": round(time.perf_counter() - started, 3)}, as_json)


def _report(results: list[FileResult], timings: dict[str, float], as_json: bool) -> None:
    from engines.catalogue.jobs import counts
    from ingest.documents import file_document

    numbers = counts(results, len(results))
    refused = [result for result in results if result.state is FileState.REFUSED]
    state = "failed" if len(refused) == len(results) else "partly_done" if refused else "done"
    if as_json:
        print_json({"state": state, "counts": numbers, "files": [file_document(result) for result in results], "timings": timings})
    else:
        for result in results:
            if result.state is FileState.INDEXED and (result.version or 1) > 1:
                console.print(f"{result.path}: version {result.version} of {result.document_id}", markup=False, soft_wrap=True)
        for result in refused:
            errors.print(f"[red]refused[/] {escape(f'{result.path}: {result.reason}')}")
        if numbers["indexed"] or refused:
            console.print(
                f"{numbers['indexed']} indexed ({numbers['chunks']} chunks), {numbers['unchanged']} unchanged, {numbers['refused']} refused in {timings['total']:.1f} s"
            )
        else:
            console.print(f"nothing to do: all {numbers['unchanged']} files are unchanged")
    raise typer.Exit({"done": DONE, "partly_done": PARTLY_DONE, "failed": FAILED}[state])


def _worker(
    context: typer.Context,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no job waits, instead of waiting for the next.")] = False,
    parent: Annotated[int | None, typer.Option(help="End when this process, which started the worker, is gone.")] = None,
) -> None:
    """Take uploaded documents in, one job after another, until stopped."""
    from ingest.worker import work

    work(environment(context).settings, until_idle=until_idle, parent=parent)


def _rebuild(
    context: typer.Context,
    to: Annotated[Literal["local", "elasticsearch"] | None, typer.Option(help="Which index to make; default: the one of the settings.")] = None,
    as_json: Json = False,
) -> None:
    """Make the index anew from the catalogue. Nothing is embedded again; searches go on in the old one until the new one takes its place."""
    from engines.parts import open_parts

    settings = environment(context).settings
    engine = to or settings.index.engine
    started = time.perf_counter()
    with status("making the index"), open_parts(settings, lambda text: errors.print(text)) as parts, closing(parts.open_index(engine, anew=True)) as index:
        chunks = index.rebuild()
        sequence, refused = index.sequence, index.refused()
    seconds = round(time.perf_counter() - started, 2)
    if as_json:
        print_json({"engine": engine, "chunks": chunks, "sequence": sequence, "refused": dict(refused), "timings": {"total": seconds}})
    else:
        console.print(f"{chunks} chunks indexed in {seconds} s, up to change {sequence}")
        _tell_refused(refused)
        if engine != settings.index.engine:
            console.print(f"the settings search in the {settings.index.engine} index; BANKASSIST_INDEX__ENGINE={engine} has this one searched", soft_wrap=True)
    raise typer.Exit(PARTLY_DONE if refused else DONE)


def _verify(
    context: typer.Context,
    of: Annotated[Literal["local", "elasticsearch"] | None, typer.Option(help="Which index to look at; default: the one of the settings.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, max=10_000, help="Chunks whose groups, validity, vectors and words are compared; they are drawn by chance.")
    ] = 200,
    as_json: Json = False,
) -> None:
    """Compare the index with the catalogue: how many chunks, which, and what is held of some of them. Exit code 1 when they differ, or when chunks cannot be
    found because another model embedded them."""
    from engines.parts import open_parts
    from ingest.verifying import compare

    settings = environment(context).settings
    with status("comparing"), open_parts(settings, lambda text: errors.print(text)) as parts, closing(parts.open_index(of or settings.index.engine)) as index:
        found = compare(index, parts.catalogue.documents, parts.embedder_digest, sample)
    if as_json:
        print_json(found.document())
    elif found.ok:
        console.print(f"the index holds exactly the {found.chunks} chunks of the catalogue; {found.sampled} of them were compared whole", soft_wrap=True)
    else:
        if found.missing or found.extra or found.different:
            errors.print(
                f"the index lacks {len(found.missing)} chunks, holds {len(found.extra)} that it should not and {len(found.different)} of {found.sampled} otherwise; "
                "`bankassist index rebuild` mends it"
            )
        _tell_refused(found.refused)
        if found.without_vectors:
            errors.print(
                f"another model embedded {found.without_vectors} chunks, so they are not found; ingest their files again, or set models.embedding back"
            )
    raise typer.Exit(DONE if found.ok else FAILED)


def _tell_refused(refused: Mapping[str, str]) -> None:
    for chunk_id, why in refused.items():
        errors.print(f"chunk {chunk_id} is not in the index: {why}", markup=False, soft_wrap=True)


def _import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SQLite catalogue, such as var/catalogue.db; no process may be writing to it.")],
    as_json: Json = False,
) -> None:
    """Copy the catalogue in a file into the empty one that the settings name. Nothing is embedded again; the original files are not copied."""
    from engines.catalogue import Catalogue
    from engines.catalogue.move import import_file

    settings = environment(context).settings
    target = Catalogue.open(settings.home, settings.catalogue)
    try:
        with status("copying"):
            counts = import_file(target.database, file)
    finally:
        target.close()
    if as_json:
        print_json({"rows": counts})
    else:
        console.print(f"{counts['documents']} documents, {counts['chunks']} chunks, {counts['jobs']} jobs, {counts['audit']} audit records copied")
