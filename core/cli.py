"""The root of the one command `bankassist`, and what all its commands share: settings, output, exit codes, progress.

Every command prints for people, or with ``--json`` one JSON document on stdout; progress and warnings go to stderr.
Exit codes: 0 done, 1 a check or gate failed or something needed is missing, 2 wrong usage or settings, 3 partly done.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from core.errors import BadInput, BankassistError, NotFound
from core.settings import Settings, load_settings
from core.text.tokens import use_cache_folder

DONE, FAILED, WRONG_USAGE, PARTLY_DONE = 0, 1, 2, 3

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

errors = Console(stderr=True, highlight=False)
console = Console(highlight=False)


class Environment:
    """What a command gets: the settings, read when first asked for, so that `--help` works with a broken file."""

    def __init__(self, config: Path | None) -> None:
        self.config = config

    @cached_property
    def settings(self) -> Settings:
        settings = load_settings(self.config)
        use_cache_folder(settings.home / "cache" / "jieba")
        return settings


def environment(context: typer.Context) -> Environment:
    found = context.find_root().obj
    assert isinstance(found, Environment)
    return found


def print_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False) -> Iterator[Any]:
    """A bar on stderr; yields a function that moves it on by a number of steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=quiet or not errors.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps=1: bar.advance(task, steps)


@contextmanager
def status(label: str) -> Iterator[None]:
    """What is being done and cannot be counted, shown on stderr while it lasts; nothing without a terminal."""
    with errors.status(label) if errors.is_terminal else nullcontext():
        yield


def build() -> typer.Typer:
    """The application with the commands of all installed packages."""
    app = typer.Typer(
        name="bankassist",
        help="Answers banking questions from the bank's own documents, on the bank's own machines.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        context: typer.Context,
        config: Annotated[Path | None, typer.Option(help="Settings file; default: bankassist.toml in the home folder.")] = None,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, on stderr.")] = False,
    ) -> None:
        # model libraries must neither ask the network nor draw their own bars
        for name, value in (
            ("HF_HUB_OFFLINE", "1"),
            ("TRANSFORMERS_VERBOSITY", "error"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("TQDM_DISABLE", "1"),
        ):
            os.environ.setdefault(name, value)
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # about names that peft uses; nothing for whoever reads this
        logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        context.obj = Environment(config)

    _config_commands(app)
    for entry in sorted(entry_points(group="bankassist.commands"), key=lambda entry: entry.name):
        entry.load()(app)
    return app


def main() -> None:
    """Run a command; an error of ours is one line on stderr (with ``--json`` also a document on stdout) and an exit code."""
    as_json = "--json" in sys.argv
    try:
        build()()
    except SystemExit as end:
        if end.code == WRONG_USAGE and as_json and not isinstance(end.__context__, typer.Exit):  # a command that ends so has printed its document
            print_json({"error": {"code": "wrong_usage", "message": "the command line is wrong; stderr says how", "param": None}})
        raise
    except BankassistError as error:
        if as_json:
            print_json({"error": {"code": error.code, "message": error.message, "param": error.param}})
        errors.print(Text.assemble(("error:", "bold red"), " ", error.message), soft_wrap=True)
        sys.exit(WRONG_USAGE if isinstance(error, BadInput | NotFound) else FAILED)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


def _config_commands(app: typer.Typer) -> None:
    config = typer.Typer(help="The settings: what is in force, and what there is.", no_args_is_help=True)
    app.add_typer(config, name="config")

    @config.command()
    def show(context: typer.Context, as_json: Json = False) -> None:
        """The settings in force, secrets masked."""
        settings = environment(context).settings.model_dump(mode="json")
        if as_json:
            print_json(settings)
            return
        lines = [f"home = {json.dumps(settings.pop('home'), ensure_ascii=False)}"]
        for section, values in settings.items():
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]
        console.print("\n".join(lines), markup=False, soft_wrap=True)

    @config.command()
    def schema(as_json: Json = False) -> None:
        """All keys with their meaning, default and limits, as a JSON Schema."""
        del as_json  # it is JSON in any case
        print_json(Settings.model_json_schema())
