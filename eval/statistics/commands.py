"""`bankassist eval compare` and `gate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from core.cli import DONE, FAILED, PARTLY_DONE, WRONG_USAGE, Json, console, errors, print_json
from core.errors import BadInput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from core.verdict import Check
    from eval.statistics.compare import Comparison, Side
    from eval.statistics.gate import GateDocument
    from eval.statistics.judged import Judged

GATE = "gate.json"


class By(StrEnum):
    ARM = "arm"
    VERSION = "version"


Metrics = Annotated[list[str] | None, typer.Option("--metric", help="Only this metric; may be repeated. Default: the primary ones and all of yes or no.")]


def register(commands: typer.Typer) -> None:
    """Add the commands to the group `eval`."""
    commands.command("compare")(_compare)
    commands.command("gate")(_gate)


def _compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Folder of a run, or RUN:ARM.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Folder of another run of the same suite, or RUN:ARM.")],
    by: Annotated[By | None, typer.Option(help="version: each arm of two runs. arm: two arms, A and B as RUN:ARM. Default: as A and B are given.")] = None,
    metric: Metrics = None,
    as_json: Json = False,
) -> None:
    """What changed from A to B, item by item: paired differences with intervals and tests, and which items fail or are right now."""
    from eval.statistics.compare import Side, compare, same_suite

    one, other = _place(first), _place(second)
    wanted = by or (By.ARM if one[1] or other[1] else By.VERSION)
    if (wanted is By.ARM) is not bool(one[1] and other[1]) or (wanted is By.VERSION and (one[1] or other[1])):
        raise BadInput(f"--by {wanted.value} takes A and B as {'RUN:ARM' if wanted is By.ARM else 'RUN'}; got {first} and {second}", param="--by")
    before = _scored(one[0])
    after = before if other[0].resolve() == one[0].resolve() else _scored(other[0])
    same_suite(before, after)
    if wanted is By.ARM:
        sides = [(Side(before, _arm(before, one[1])), Side(after, _arm(after, other[1])))]
    else:
        arms = [arm for arm in before.run.document.arms if arm in after.run.document.arms]
        if not arms:
            raise BadInput(f"the runs have no arm in common: {', '.join(before.run.document.arms)} and {', '.join(after.run.document.arms)}", param="B")
        sides = [(Side(before, arm), Side(after, arm)) for arm in arms]
    primary = after.run.document.suite.primary
    found = compare(sides, _metrics(after, metric, primary), primary)
    if as_json:
        print_json(_comparison_document(before, after, found))
    else:
        _print_comparison(found, sides, primary)


def _place(text: str) -> tuple[Path, str]:
    """RUN or RUN:ARM: the folder is the longest beginning that is one."""
    if Path(text).is_dir():
        return Path(text), ""
    for place in reversed([place for place, sign in enumerate(text) if sign == ":"]):
        if Path(text[:place]).is_dir():
            return Path(text[:place]), text[place + 1 :]
    raise BadInput(f"{text} is neither the folder of a run nor RUN:ARM", param="A")


def _arm(judged: Judged, arm: str) -> str:
    if arm not in judged.run.document.arms:
        raise BadInput(f"run {judged.run.document.id} has no arm {arm!r}; it has {', '.join(judged.run.document.arms)}", param="--by")
    return arm


def _scored(path: Path) -> Judged:
    from eval.statistics.judged import open_judged

    judged = open_judged(path)
    if not judged.run.complete:
        errors.print(f"run {judged.run.document.id} is not complete: what it has is compared", markup=False)
    return judged


def _metrics(judged: Judged, wanted: list[str] | None, primary: tuple[str, ...]) -> list[str]:
    if unknown := [name for name in wanted or () if name not in judged.metrics]:
        raise BadInput(f"there is no metric {unknown[0]!r}; there are {', '.join(judged.metrics)}", param="--metric")
    return list(dict.fromkeys(wanted or [*primary, *(name for name, one in judged.metrics.items() if one.binary)]))


def _comparison_document(before: Judged, after: Judged, found: Comparison) -> dict[str, Any]:
    return {
        "first": before.run.document.id,
        "second": after.run.document.id,
        "suite": after.run.document.suite.digest,
        "pairs": [pair.model_dump(mode="json") for pair in found.pairs],
        "changed": [
            {
                "metric": one.metric,
                "arm": one.arm,
                "newly_failing": list(one.newly_failing),
                "newly_right": list(one.newly_right),
                "scored_on_one_side": one.gone,
            }
            for one in found.changed
        ],
    }


def _print_comparison(found: Comparison, sides: list[tuple[Side, Side]], primary: tuple[str, ...]) -> None:
    table = Table("metric", "arm", "items", "clusters", "difference", "95% interval", "p", "p (Holm)", box=None)
    for pair in found.pairs:
        arm = pair.second if pair.first == pair.second else f"{pair.first} -> {pair.second}"
        holm = "" if pair.p_holm is None else f"{pair.p_holm:.2g}"
        interval = f"{pair.low:+.3f} to {pair.high:+.3f}"
        table.add_row(pair.metric, arm, str(pair.count), str(pair.clusters), f"{pair.difference:+.3f}", interval, f"{pair.p:.2g}", holm)
    console.print(table if found.pairs else "nothing was scored on both sides")
    questions = {item.id: item.question for item in sides[0][1].judged.run.items}
    for one in found.changed:
        if one.metric not in primary and len({change.metric for change in found.changed}) > 1:
            continue  # the others are in --json, or asked for by --metric
        for what, names in (("fails now", one.newly_failing), ("is right now", one.newly_right)):
            for name in names:
                console.print(f"{one.metric}, {one.arm}: {name} {what}: {questions.get(name, '')}", markup=False, soft_wrap=True)


def _gate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a complete, scored run.")],
    thresholds: Annotated[Path | None, typer.Option(help="TOML file of thresholds; default: those that the run was begun with.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Folder of an earlier run of the same suite.")] = None,
    adapter: Annotated[str | None, typer.Option(metavar="NAME@VERSION", help="The adapter version that the verdict is of.")] = None,
    verdict: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdict on --adapter, which `bankassist adapters gate` obeys.")] = None,
    as_json: Json = False,
) -> None:
    """Check a run against thresholds and write gate.json. Exit code 0 passed, 1 failed, 2 invalid input or a suite too small to decide, 3 run incomplete."""
    from eval.run.folder import problems_of, read_document, write_sums
    from eval.statistics.gate import gate
    from eval.statistics.gate import verdict as verdict_on
    from eval.statistics.judged import open_judged
    from eval.statistics.thresholds import parse_thresholds, read_thresholds

    if (adapter is None) is not (verdict is None):
        raise BadInput("--adapter and --verdict go together: whose verdict, and where to write it", param="--verdict")
    name, version = _version(adapter) if adapter else ("", 0)
    document = read_document(run)
    if thresholds is not None:
        wanted = read_thresholds(thresholds)
    elif document.thresholds is not None:
        wanted = parse_thresholds(document.thresholds.text.encode(), "the run's thresholds")
    else:
        raise BadInput(f"run {document.id} was begun without thresholds: name a file with --thresholds", param="--thresholds")
    for one in (run, *([baseline] if baseline else [])):
        if (status := read_document(one).status) != "complete":
            raise _incomplete(f"run {one} is {status}: only a complete run can pass; go on with it by `bankassist eval resume {one}`", as_json)
    if problems := problems_of(run):
        raise BadInput(f"{run} is not as it was written: {problems[0]}; `bankassist eval verify {run}` shows all", param="RUN")
    judged = open_judged(run)
    found = gate(judged, wanted, open_judged(baseline) if baseline else None)
    on_adapter = verdict_on(judged, found, name, version) if verdict else None
    _write(run / GATE, found)
    write_sums(run, [GATE])
    if verdict is not None and on_adapter is not None:
        _write(verdict, on_adapter)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print_gate(found)
    raise typer.Exit(FAILED if found.failed else WRONG_USAGE if found.undecided else DONE)


def _write(path: Path, document: BaseModel) -> None:
    """All of it, or what was there."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(document.model_dump_json(indent=2) + "\n", "utf8")
        temporary.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error


def _incomplete(message: str, as_json: bool) -> typer.Exit:
    """Says why; the exit code is that of an incomplete run."""
    if as_json:
        print_json({"error": {"code": "run_incomplete", "message": message, "param": "RUN"}})
    errors.print(f"error: {message}", markup=False, soft_wrap=True)
    return typer.Exit(PARTLY_DONE)


def _version(adapter: str) -> tuple[str, int]:
    name, _, version = adapter.partition("@")
    if not name or not version.isdigit():
        raise BadInput(f"expected NAME@VERSION with a whole number, got {adapter!r}", param="--adapter")
    return name, int(version)


def _print_gate(found: GateDocument) -> None:
    for check in found.checks:
        console.print(f"{_mark(check):9}  {check.name}: {check.why}", markup=False, soft_wrap=True)
    if not found.thresholds_set_before_run:
        console.print("These thresholds were not set before the run: they may have been chosen with the figures in sight.")
    passed = sum(check.passed for check in found.checks)
    undecided = f", {found.undecided} that the suite is too small for" if found.undecided else ""
    console.print(f"{'passed' if found.passed else 'not passed'}: {passed} of {len(found.checks)} checks passed{undecided}")


def _mark(check: Check) -> str:
    return "passed" if check.passed else "FAILED" if check.decided else "undecided"
