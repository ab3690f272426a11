"""`bankassist eval run`, `resume`, `verify` and `repro`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import DONE, FAILED, PARTLY_DONE, Json, console, environment, errors, print_json, progress

if TYPE_CHECKING:
    from eval.run.start import Ended, Watch

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
KeyFile = Annotated[Path | None, typer.Option(help="Of a service: its keys, one a line, one for the groups of each caller in the suite.")]
#: seconds between two lines of progress where there is no terminal
_BETWEEN_LINES = 30.0


def register(commands: typer.Typer) -> None:
    """Add the commands to the group `eval`."""
    commands.command("run")(_run)
    commands.command("resume")(_resume)
    commands.command("verify")(_verify)
    commands.command("repro")(_repro)


def _run(
    context: typer.Context,
    suite: Annotated[Path, typer.Argument(help="Folder of a suite, or the name of a shipped one.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; it must not be there yet. Default: runs/SUITE-TIME in the home folder.")] = None,
    arms: Annotated[
        str, typer.Option(help="Which ways of answering: base, rag, lora, rag+lora; oracle, distractors, wrong-adapter, forced:NAME.")
    ] = "base,rag,lora,rag+lora",
    target: Annotated[str, typer.Option(help="in-process, or the URL of a service.")] = "in-process",
    key_file: KeyFile = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many items, of each task and language its share.")] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of --limit: the same seed takes the same items.")] = 0,
    reps: Annotated[int, typer.Option(min=1, max=20, help="How often each question is asked.")] = 1,
    at_once: Annotated[
        int, typer.Option(min=1, max=64, help="Answers written at a time. In bf16 what is written beside an answer can, rarely, change a word.")
    ] = 16,
    thresholds: Annotated[Path | None, typer.Option(help="A gate's thresholds (TOML), kept in the run to show that they were set before it.")] = None,
    cache: Annotated[bool, typer.Option(help="Use answers of earlier runs where everything that decides them is the same.")] = True,
    offline: Annotated[bool, typer.Option("--offline/--online", help="Refuse every connection but to this machine and to what the settings name.")] = True,
    dry_run: Annotated[bool, typer.Option(help="Only tell what it would cost; a probe of some answers takes the time where nothing is known.")] = False,
    as_json: Json = False,
) -> None:
    """Ask a suite's questions under each arm. Every answer is stored at once: what is stopped or killed goes on with `eval resume`. Exit code 3 when it was stopped."""
    from eval.run.arms import parse_arms
    from eval.run.start import Wanted, begin, predicted
    from eval.suites import find_suite

    suite = find_suite(suite)
    wanted = Wanted(suite, parse_arms(arms), target, key_file, limit, seed, reps, at_once, cache, offline, thresholds)
    settings = environment(context).settings
    if dry_run:
        with _watched() as watch:
            found = predicted(wanted, settings, watch)
        _print_estimate(found.document, as_json)
        return
    folder = out or settings.home / "runs" / f"{suite.resolve().name}-{time.strftime('%Y%m%dT%H%M%S')}"
    with _watched() as watch:
        ended = begin(wanted, folder, settings, watch)
    _end(ended, folder, as_json)


def _resume(context: typer.Context, run: Folder, key_file: KeyFile = None, as_json: Json = False) -> None:
    """Go on with a run that was stopped or killed. What answers must be what answered before; otherwise the command says what changed. Exit code 3 when it was
    stopped again."""
    from eval.run.start import go_on

    with _watched() as watch:
        ended = go_on(run, environment(context).settings, watch, key_file)
    _end(ended, run, as_json)


def _verify(run: Folder, as_json: Json = False) -> None:
    """Whether a run is what was written: the chain of its records, the suite, and the digests of all files. Exit code 1 when something was changed, 3 when the
    run is not complete."""
    from eval.run.folder import problems_of, read_document

    problems = problems_of(run)
    document = read_document(run)
    if as_json:
        print_json({"run": document.id, "status": document.status, "problems": problems})
    else:
        for problem in problems:
            console.print(problem, markup=False)
        if not problems:
            console.print(f"{document.id} is as it was written" + ("" if document.status == "complete" else ", and not complete"), markup=False)
    raise typer.Exit(FAILED if problems else DONE if document.status == "complete" else PARTLY_DONE)


def _repro(
    context: typer.Context,
    run: Folder,
    n: Annotated[int, typer.Option("--n", min=1, help="So many answers.")] = 20,
    seed: Annotated[int, typer.Option(help="Of their choice.")] = 0,
    as_json: Json = False,
) -> None:
    """Make some answers of a run again in the exact mode (fp32, one at a time) and compare texts and probabilities. Exit code 1 when a run that was made in fp32
    does not come again, 3 when it was stopped; of a run in another number format it is only told where texts part."""
    from eval.run.repro import reproduce

    with _watched() as watch:
        found = reproduce(run, n, seed, environment(context).settings, watch)
    document = found.document
    if as_json:
        print_json(document)
    else:
        likely = document["probabilities"]
        console.print(f"made in {found.number_format}, {found.run.at_once} at once; made again in float32, one at a time: demanded is {found.demands}")
        console.print(
            f"{document['same']} of {document['compared']} the same, {document['near_ties']} near-ties, {document['other_prompts']} with another prompt"
        )
        for one in found.different:
            margin = "" if one.margin is None else f", where the best token led by {one.margin} nats"
            place = one.error or ("after the checks" if one.first_difference is None else f"from character {one.first_difference} on{margin}")
            console.print(f"  {one.item}, {one.arm}: {place}", markup=False)
        if likely["compared"]:
            console.print(f"probabilities of {likely['compared']} ratings differ by at most {likely['largest_difference']:.5f}")
    raise typer.Exit(FAILED if not found.passed else DONE if len(found.compared) == found.wanted else PARTLY_DONE)


@contextmanager
def _watched() -> Iterator[Watch]:
    """Shows how a run moves on, on stderr; Ctrl-C and SIGTERM stop it cleanly, a second one at once."""
    from eval.run.start import Watch

    stop = threading.Event()
    lines = _Lines()
    with _stopped_by_signals(stop), ExitStack() as stack:

        def begun(done: int, of: int) -> None:
            lines.begin(done, of)
            lines.bar = stack.enter_context(progress("answers", of))
            lines.bar(done)

        yield Watch(notify=lambda line: errors.print(line, markup=False), total=begun, advance=lines.step, stop=stop)


class _Lines:
    """The bar, and where none can be drawn a line now and then."""

    def __init__(self) -> None:
        self.bar: Callable[[int], None] = lambda _: None
        self._done = self._total = self._first = 0
        self._began = self._said = time.monotonic()

    def begin(self, done: int, total: int) -> None:
        self._done, self._first, self._total = done, done, total
        self._began = self._said = time.monotonic()

    def step(self) -> None:
        from eval.run.start import in_words

        self._done += 1
        self.bar(1)
        now = time.monotonic()
        if errors.is_terminal or now - self._said < _BETWEEN_LINES:
            return
        self._said = now
        left = (now - self._began) / (self._done - self._first) * (self._total - self._done)
        errors.print(f"{self._done} of {self._total} answers, about {in_words(left)} left", markup=False)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def told(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        errors.print("stopping; again to stop at once")
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(ended: Ended, folder: Path, as_json: bool) -> None:
    document = ended.document
    if as_json:
        print_json(
            {"folder": str(folder), **document.model_dump(mode="json", exclude={"items"}), "answered_now": ended.came.done, "failed_now": ended.came.errors}
        )
    elif ended.complete:
        errors_text = f", {document.errors} of them errors" if document.errors else ""
        console.print(
            f"{document.records} records{errors_text}, {document.from_cache} from the cache, in {document.seconds} s: {folder}", markup=False, soft_wrap=True
        )
    if not ended.complete:
        errors.print(f"stopped; what was answered is stored. Go on with: bankassist eval resume {folder}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE if ended.complete else PARTLY_DONE)


def _print_estimate(document: dict[str, Any], as_json: bool) -> None:
    from eval.run.start import in_words

    if as_json:
        print_json(document)
        return
    for arm, count in document["answers"].items():
        console.print(f"{arm}: {count} answers", markup=False)
    tokens = "unknown" if document["prompt_tokens"] is None else f"about {document['prompt_tokens']:,}"
    console.print(f"{document['total']} answers; prompt tokens: {tokens}; at most {document['most_completion_tokens']:,} tokens written")
    console.print(f"about {in_words(document['seconds'])}, by {document['seconds_from']}" if document["seconds"] is not None else "time: unknown")
