"""`bankassist demo`, which is what `make run` does: the sample bank taken in, the service up, one question answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from rich.text import Text

from assistant.bootstrap import open_application
from assistant.serve import address, bound, ended_by_sigterm, serve
from assistant.terminal import show_answer
from assistant.wire import AnswerOut
from core.cli import DONE, PARTLY_DONE, console, errors
from core.errors import NotAuthenticated, Unavailable
from core.settings import Settings
from engines.catalogue import Catalogue

#: who may read what in the sample bank
ROLES = {
    "admin": (("staff", "risk"), ("ask", "generate", "documents", "ingest", "adapters", "eval", "admin")),
    "staff": (("staff",), ("ask", "documents", "adapters")),
    "customer": ((), ("ask", "documents")),
}
MAY = {
    "admin": "everything: all documents, uploads, adapters, metrics",
    "staff": "public and staff documents, adapters",
    "customer": "public documents",
}
QUESTION = "How much does the Compass Everyday Account cost per month?"


def run_demo(settings: Settings, config: Path | None) -> None:
    """Prepare, serve, ask once; returns when the service is stopped.

    Raises:
        Unavailable: the sample bank could not be taken in, or the port is taken.
    """
    with ended_by_sigterm(), bound(settings.service) as sockets:
        with _step("1/3", "taking in the sample bank: half a minute the first time, then unchanged files are left alone"):
            _take_in(config)
        keys = _keys(settings)
        with ExitStack() as stack:
            with _step("2/3", "loading the models"):
                application = stack.enter_context(open_application(settings, lambda line: errors.print(f"    {line}", highlight=False)))
            serve(application, sockets, config, lambda port: _show(address(settings.service.host, port), keys, settings.home))


@contextmanager
def _step(number: str, what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    errors.print(f"[bold]{number}[/] {what}", soft_wrap=True)
    started = time.perf_counter()
    yield
    errors.print(f"    done in {time.perf_counter() - started:.1f} s", style="dim")


def _take_in(config: Path | None) -> None:
    bank = Path(str(files("examples"))) / "bank"
    command = [sys.executable, "-m", "core", *(["--config", str(config)] if config else []), "ingest", str(bank)]
    code = subprocess.run(command, env=dict(os.environ), check=False).returncode  # noqa: S603, our own program
    if code not in (DONE, PARTLY_DONE):  # what somebody withdrew is refused, and the rest taken in
        raise Unavailable("the sample bank could not be taken in; the lines above say why. `bankassist doctor` looks for what is missing.")


def _keys(settings: Settings) -> dict[str, str]:
    """The keys of the three roles, made once and kept in a file that only the owner can read.

    One that the catalogue does not know (any more) is made again.
    """
    path = settings.home / "demo-keys.json"
    catalogue = Catalogue.open(settings.home, settings.catalogue)
    try:
        kept = _kept(path, catalogue)
        keys = {role: kept[role] if role in kept else catalogue.keys.create(f"demo {role}", groups, scopes) for role, (groups, scopes) in ROLES.items()}
        if keys != kept:
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf8") as file:
                json.dump(keys, file)
        return keys
    finally:
        catalogue.close()


def _kept(path: Path, catalogue: Catalogue) -> Mapping[str, str]:
    """The keys of the file with which one can still do what their roles may."""
    found: dict[str, str] = {}
    with suppress(OSError, ValueError, AttributeError):  # no file, or none of ours
        for role, key in json.loads(path.read_text("utf8")).items():
            with suppress(NotAuthenticated):
                who = catalogue.keys.authenticate(key)
                if role in ROLES and (who.groups, who.scopes) == tuple(map(frozenset, ROLES[role])):
                    found[role] = key
    return found


def _show(url: str, keys: dict[str, str], home: Path) -> None:
    """Ask one question over REST and print what to do next."""
    request = urllib.request.Request(  # noqa: S310, our own address
        f"{url}/v1/answers",
        data=json.dumps({"question": QUESTION}).encode(),
        headers={"Authorization": f"Bearer {keys['customer']}", "Content-Type": "application/json"},
    )
    errors.print("[bold]3/3[/] one question over REST\n")
    console.print(Text(QUESTION, style="italic"))
    try:
        # never by way of a proxy: the address is this machine's
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as response:
            show_answer(AnswerOut.model_validate_json(response.read()), console)
    except (OSError, ValueError) as error:  # the service is up all the same
        errors.print(Text(f"the question was not answered: {error}", style="red"))
    console.print(f"\n[bold]The service is up.[/] Open [bold]{url}[/] in a browser and sign in with one of these keys:")
    for role, key in keys.items():
        console.print(f"  {role:9} {key}", soft_wrap=True)
        console.print(f"            {MAY[role]}", style="dim")
    console.print("\nOr ask it from a program:")
    body = json.dumps({"question": "What is the monthly fee of the everyday account?"})
    key = keys["customer"]
    console.print(Text(f"  curl {url}/v1/answers -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'"), soft_wrap=True)
    java = Path(str(files("examples"))).parent / "clients" / "java"
    if java.is_dir():  # in a checkout
        with suppress(ValueError):
            java = java.relative_to(Path.cwd())
        compiled = f"javac -encoding UTF-8 -d {home / 'java'} -sourcepath {java} {java / 'Ask.java'}"
        console.print(Text(f'  {compiled} && java -cp {home / "java"} Ask {url} {key} "{QUESTION}"'), soft_wrap=True)
    console.print(
        f"\nThe interface is described at {url}/openapi.json, for people in docs/rest.md. Ctrl-C stops the service; started again it is up in seconds."
    )
