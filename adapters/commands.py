"""`bankassist adapters`: tasks, training, and which version of each adapter answers."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from core.cli import Json, console, environment, errors, print_json, progress, status
from core.errors import BadInput, SettingsError
from core.settings import Settings, make_home

if TYPE_CHECKING:
    from engines.catalogue import Catalogue
    from engines.catalogue.adapters import AdapterInfo
    from engines.remote_generator import RemoteGenerator


class Kind(StrEnum):
    ALORA = "alora"
    LORA = "lora"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the adapter, which is that of its task.")]
Reference = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="An adapter version; without @VERSION the active one.")]


def register(app: typer.Typer) -> None:
    adapters = typer.Typer(help="LoRA adapters: train them, see them, choose which version answers.", no_args_is_help=True)
    app.add_typer(adapters, name="adapters")
    adapters.command("tasks")(_tasks)
    adapters.command("train")(_train)
    adapters.command("list")(_list)
    adapters.command("show")(_show)
    adapters.command("gate")(_gate)
    adapters.command("activate")(_activate)
    adapters.command("rollback")(_rollback)
    adapters.command("export")(_export)
    adapters.command("load")(_load)
    adapters.command("unload")(_unload)


def _tasks(as_json: Json = False) -> None:
    """The tasks that adapters can be trained for."""
    from adapters.tasks import load_tasks

    tasks = load_tasks()
    if as_json:
        print_json({"tasks": [task.model_dump(mode="json", exclude={"examples"}) for task in tasks.values()]})
        return
    table = Table("task", "for", "who may use it", "on failed checks", box=None)
    for task in tasks.values():
        table.add_row(task.name, task.description, ", ".join(task.groups), task.grounding.policy)
    console.print(table)


def _train(
    context: typer.Context,
    name: Name,
    init: Annotated[str | None, typer.Option(metavar="NAME@VERSION", help="Adapter to start from; default: what the task says; 'none' for none.")] = None,
    groups: Annotated[int | None, typer.Option(min=1, help="Groups of questions to train on, instead of the task's number.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many minutes, wherever training is.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: adapters/NAME/VERSION in the home folder.")] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="alora: acts from the answer on and shares what was read. lora: acts on every token, as other servers can serve it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the next version of a task's adapter from the committed data. It becomes a candidate; `activate` makes it answer."""
    from adapters.registry import register as register_adapter
    from adapters.tasks import task as find_task
    from adapters.train import train
    from core.types import AdapterRef
    from engines.models import locate

    settings = environment(context).settings
    make_home(settings)
    task = find_task(name)
    if kind is not None:
        task = task.of_kind(kind.value)
    catalogue = _catalogue(settings, locate(settings.models.generation, settings.home / "cache").digest)
    version = catalogue.adapters.next_version(name)
    start: AdapterRef | None = None
    wanted = init if init is not None else task.training.init
    if wanted not in (None, "none"):
        start = _find(catalogue, wanted).ref
    target = out or settings.home / "adapters" / name / str(version)
    count = groups or task.training.groups
    with progress(f"training {name}@{version}", count) as advance:
        done = 0

        def notify(state: Any) -> None:
            nonlocal done
            advance(state.groups - done)
            done = state.groups
            if state.groups % 25 == 0 and not errors.is_terminal:
                errors.print(f"{state.groups} of {count} groups, {state.questions / state.seconds:.1f} questions/s, loss {state.loss:.3f}")

        ref = train(
            task, version, target.resolve(), settings.models, settings.home / "cache", start_from=start, notify=notify, count=groups, limit_minutes=minutes
        )
    register_adapter(catalogue.adapters, ref)
    info = catalogue.adapters.get(name, version)
    if as_json:
        print_json(adapter_document(info))
    else:
        training = info.manifest["training"]
        console.print(f"{ref} trained on {training['questions']} questions in {training['seconds']} s, now a candidate in {ref.path}")
        console.print(f"`bankassist adapters activate {ref}` makes it answer")


def _list(context: typer.Context, as_json: Json = False) -> None:
    """All adapter versions."""
    catalogue = _catalogue(environment(context).settings)
    infos = catalogue.adapters.all()
    if as_json:
        print_json({"adapters": [adapter_document(info) for info in infos]})
        return
    table = Table("adapter", "state", "kind", "trained on", "digest", box=None)
    for info in infos:
        training = info.manifest.get("training", {})
        table.add_row(str(info.ref), info.state, str(info.manifest.get("kind")), f"{training.get('questions', '?')} questions", info.ref.digest[:12])
    console.print(table if infos else "no adapters yet; `bankassist adapters train NAME` makes one")


def _show(context: typer.Context, adapter: Reference, as_json: Json = False) -> None:
    """One adapter version with its manifest."""
    info = _find(_catalogue(environment(context).settings), adapter)
    if as_json:
        print_json(adapter_document(info))
        return
    console.print(f"[bold]{info.ref}[/] {info.state}, {info.manifest.get('kind')}, in {info.ref.path}")
    if info.gate is None:
        console.print("gate: not passed; `bankassist adapters gate` takes the verdict of an evaluation")
    else:
        verdict = info.gate.verdict
        console.print(f"gate: passed {info.gate.at:%Y-%m-%d %H:%M} by run {verdict['run']} on suite {verdict['suite']}, verdict {info.gate.digest}")
    for key in ("base", "start", "data_digest", "training", "libraries", "created_at"):
        console.print(f"{key}: {info.manifest.get(key)}")


def _gate(
    context: typer.Context,
    adapter: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="An adapter version.")],
    verdict: Annotated[Path, typer.Option(metavar="FILE", help="What `bankassist eval gate --adapter NAME@VERSION --verdict FILE` wrote.")],
    as_json: Json = False,
) -> None:
    """Let a version pass its gate by the verdict of an evaluation. Exit code 1 when it is not passed or not of this adapter; nothing is changed then."""
    from adapters.gate import pass_gate
    from core.verdict import read_verdict

    if "@" not in adapter:
        raise BadInput(f"a verdict is of one version: expected NAME@VERSION, got {adapter!r}", param="NAME@VERSION")
    read, digest = read_verdict(verdict)
    catalogue = _catalogue(environment(context).settings)
    info = pass_gate(catalogue.adapters, _find(catalogue, adapter), read, digest)
    if as_json:
        print_json(adapter_document(info))
    else:
        console.print(f"{info.ref} passed its gate ({len(read.checks)} checks, verdict {digest[:12]}) and is {info.state}")
        if not read.thresholds_set_before_run:
            console.print("its thresholds were not set before the run: they may have been chosen with the figures in sight")


def _activate(context: typer.Context, adapter: Reference, as_json: Json = False) -> None:
    """Make a version the one that answers. Requests in flight end with the version that they began with."""
    catalogue = _catalogue(environment(context).settings)
    info = _find(catalogue, adapter)
    _print_active(catalogue.adapters.activate(info.ref.name, info.ref.version), as_json)


def _rollback(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Go back to the version that was active before."""
    _print_active(_catalogue(environment(context).settings).adapters.rollback(name), as_json)


def _export(
    context: typer.Context,
    adapter: Reference,
    vllm: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder below which a folder that vLLM loads is written.")],
    as_json: Json = False,
) -> None:
    """Write an adapter as vLLM takes it, with a probe by which its copy is recognised, and say how the server is started."""
    from adapters.registry import released_folder
    from engines.adapter_export import export_adapter, read_exports, serve_command
    from engines.models import locate

    settings = environment(context).settings
    make_home(settings)
    folder = locate(settings.models.generation, settings.home / "cache")
    ref = _find(_catalogue(settings, folder.digest), adapter).ref
    if vllm.resolve().is_relative_to(released_folder()):
        raise BadInput(f"{vllm} is where the released adapters lie; choose another folder", param="--vllm")
    with status(f"probing {ref}"):
        export = export_adapter(ref, vllm.resolve(), folder)
    command = serve_command(str(folder.path), settings.remote.model, read_exports(vllm.resolve()))
    if as_json:
        print_json({"adapter": str(ref), "model": export.model, "folder": str(export.folder), "command": command})
    else:
        console.print(f"{ref} is in {export.folder}; a server with all that lies beside it:", soft_wrap=True)
        console.print(shlex.join(command), markup=False, soft_wrap=True)


def _load(context: typer.Context, adapter: Reference, as_json: Json = False) -> None:
    """Have the generation server load an exported adapter, and check by its probe that it is the one."""
    settings = environment(context).settings
    ref = _find(_catalogue(settings), adapter).ref
    with _server(settings) as generator:
        model = generator.load_adapter(ref)
    if as_json:
        print_json({"adapter": str(ref), "model": model})
    else:
        console.print(f"{ref} is served as {model}")


def _unload(context: typer.Context, adapter: Reference, as_json: Json = False) -> None:
    """Have the generation server forget an adapter; services that still need it load it again, where remote.load_adapters is set."""
    settings = environment(context).settings
    ref = _find(_catalogue(settings), adapter).ref
    with _server(settings) as generator:
        model = generator.unload_adapter(ref)
    if as_json:
        print_json({"adapter": str(ref), "model": model})
    else:
        console.print(f"{model} is gone from the server")


def _server(settings: Settings) -> AbstractContextManager[RemoteGenerator]:
    from engines.remote_generator import RemoteGenerator

    if settings.generation.engine != "remote":
        raise SettingsError("answers are written in this process: set generation.engine to remote, with remote.url and remote.model", param="generation.engine")
    return closing(RemoteGenerator.load(settings, settings.home / "cache", lambda line: errors.print(line)))


def _print_active(info: AdapterInfo, as_json: bool) -> None:
    if as_json:
        print_json(adapter_document(info))
    else:
        console.print(f"{info.ref} is active")


def _catalogue(settings: Settings, base_digest: str | None = None) -> Catalogue:
    """The catalogue, which knows the released adapters as soon as anybody asks for adapters; those of the base model become active when it is known."""
    from adapters.registry import register_released
    from engines.catalogue import Catalogue

    catalogue = Catalogue.open(settings.home, settings.catalogue)
    register_released(catalogue.adapters, base_digest)
    return catalogue


def _find(catalogue: Catalogue, adapter: str) -> AdapterInfo:
    name, _, version = adapter.partition("@")
    if version and not version.isdigit():
        raise BadInput(f"expected NAME or NAME@VERSION with a whole number, got {adapter!r}", param="NAME@VERSION")
    return catalogue.adapters.get(name, int(version) if version else None)


def adapter_document(info: AdapterInfo) -> dict[str, Any]:
    """An adapter version as JSON; where its files lie is the operator's business and not in it."""
    return {
        "name": info.ref.name,
        "version": info.ref.version,
        "state": info.state,
        "digest": info.ref.digest,
        "created_at": info.created_at.isoformat(),
        "activated_at": info.activated_at.isoformat() if info.activated_at else None,
        "gate": {"at": info.gate.at.isoformat(), "digest": info.gate.digest, "verdict": dict(info.gate.verdict)} if info.gate else None,
        "manifest": dict(info.manifest),
    }
