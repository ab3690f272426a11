"""`bankassist eval report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import Json, console, print_json, status


def register(commands: typer.Typer) -> None:
    """Add the command to the group `eval`."""
    commands.command("report")(_report)


def _report(
    run: Annotated[Path, typer.Argument(help="Folder of a run that was scored.")],
    baseline: Annotated[Path | None, typer.Option(help="An earlier run of the same suite: which items fail that did not.")] = None,
    form: Annotated[str, typer.Option("--format", help="html, md, json, junit, with commas between.")] = "html,md,json,junit",
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: the run's.")] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run: report.html (one file that opens without a network), report.md, report.json, junit.xml. Nothing is asked or scored again."""
    from eval.report.files import formats, write_report

    wanted = formats(form)
    with status("writing the report"):
        written = write_report(run, wanted, baseline, out)
    if as_json:
        print_json({"run": str(run), "files": [str(path) for path in written]})
        return
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)
