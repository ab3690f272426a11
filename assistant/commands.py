"""`bankassist ask`, `search`, `serve`, `demo`, `doctor`, `documents`, `keys`, `audit`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from core.cli import FAILED, Json, console, environment, errors, print_json, status
from core.errors import BadInput
from core.settings import Settings
from core.types import Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Application
    from engines.catalogue import Catalogue

Groups = Annotated[str, typer.Option(help="Ask as somebody of these groups (names separated by commas); everybody may read public documents.")]
AsOf = Annotated[str | None, typer.Option(help="The day whose rules are asked for, YYYY-MM-DD; default: today.")]
TopK = Annotated[int | None, typer.Option(min=1, max=20, help="Passages to retrieve at most; default: the settings.")]


def register(app: typer.Typer) -> None:
    app.command()(ask)
    app.command()(search)
    app.command()(serve)
    app.command()(demo)
    app.command()(doctor)
    documents = typer.Typer(help="The documents of the catalogue.", no_args_is_help=True)
    app.add_typer(documents, name="documents")
    documents.command("list")(_documents_list)
    documents.command("show")(_documents_show)
    documents.command("withdraw")(_documents_withdraw)
    keys = typer.Typer(help="API keys.", no_args_is_help=True)
    app.add_typer(keys, name="keys")
    keys.command("create")(_keys_create)
    keys.command("list")(_keys_list)
    keys.command("revoke")(_keys_revoke)
    audit = typer.Typer(help="The records of what was answered.", no_args_is_help=True)
    app.add_typer(audit, name="audit")
    audit.command("show")(_audit_show)


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    adapter: Annotated[str, typer.Option(help="auto, base, NAME or NAME@VERSION.")] = "auto",
    groups: Groups = "",
    as_of: AsOf = None,
    top_k: TopK = None,
    no_rag: Annotated[bool, typer.Option("--no-rag", help="Answer without documents; the answer is unchecked.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents."""
    from assistant.answer import Request
    from assistant.guard import checked_question
    from assistant.wire import ADAPTER, answer_out
    from core.types import Query

    settings = environment(context).settings
    text = checked_question(question, settings.service.max_question)
    _matches(ADAPTER, adapter, "--adapter", "auto, base, NAME or NAME@VERSION")
    day = _day(as_of)
    with _opened(settings) as application, status("answering"):
        query = Query(text, _operator(groups), day or application.today())
        answer = application.assistant.answer(Request(query, adapter, not no_rag, top_k or settings.retrieval.top_k))
    document = answer_out(answer)
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    from assistant.terminal import show_answer

    show_answer(document, console)


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    groups: Groups = "",
    as_of: AsOf = None,
    top_k: TopK = None,
    as_json: Json = False,
) -> None:
    """Find passages."""
    from assistant.guard import checked_question
    from assistant.wire import search_out
    from core.types import Query

    settings = environment(context).settings
    text = checked_question(query, settings.service.max_question)
    day = _day(as_of)
    with _opened(settings) as application, status("searching"):
        started = time.perf_counter()
        asked = Query(text, _operator(groups), day or application.today())
        assistant = application.assistant
        found = assistant.retriever.search(asked, top_k or settings.retrieval.top_k)
        assistant.audit.searched(assistant.audit.new_id(), asked, found, assistant.sequence())
        document = search_out(text, asked.as_of, found, time.perf_counter() - started, with_score=True)
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    from assistant.terminal import show_passages

    show_passages(document, console)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: the settings.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one; default: the settings.")] = None,
) -> None:
    """Serve the REST interface, with an ingest worker beside it, until stopped."""
    from assistant.serve import address, bound, ended_by_sigterm
    from assistant.serve import serve as run

    found = environment(context)
    settings = _listening(found.settings, host, port)
    with ended_by_sigterm(), bound(settings.service) as sockets, _opened(settings) as application:
        run(application, sockets, found.config, lambda port: errors.print(f"serving on {address(settings.service.host, port)}"))


def demo(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; default: the settings.")] = None,
) -> None:
    """Take the sample bank in, serve, show one answered question, and go on serving."""
    from assistant.demo import run_demo

    found = environment(context)
    run_demo(_listening(found.settings, None, port), found.config)


def doctor(
    context: typer.Context,
    role: Annotated[Literal["service", "worker"] | None, typer.Option(help="What this machine is for, where it has one role only.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is missing and how to get it. Exit code 1 when something is."""
    from assistant.doctor import examine

    results = examine(environment(context).settings, role)
    failed = [result for result in results if not result.ok]
    if as_json:
        print_json(
            {"ok": not failed, "checks": [{"name": result.name, "ok": result.ok, "detail": result.detail, "remedy": result.remedy} for result in results]}
        )
    else:
        for result in results:
            console.print(f"{'[green]ok     [/]' if result.ok else '[red]missing[/]'} {escape(f'{result.name}: {result.detail}')}", soft_wrap=True)
            if result.remedy:
                console.print(f"        {result.remedy}", markup=False, soft_wrap=True)
    raise typer.Exit(FAILED if failed else 0)


def _documents_list(context: typer.Context, as_json: Json = False) -> None:
    """All documents with their newest versions."""
    from assistant.wire import version_out

    with _catalogue(environment(context).settings) as catalogue:
        infos = catalogue.documents.newest(limit=1_000_000)
    if as_json:
        print_json({"documents": [version_out(info).model_dump(mode="json") for info in infos]})
        return
    table = Table("document", "version", "state", "groups", "valid from", "title", box=None)
    for info in infos:
        table.add_row(*map(escape, (info.document_id, str(info.number), info.state, ", ".join(info.groups), str(info.valid_from or ""), info.title)))
    console.print(table if infos else "no documents yet; `bankassist ingest PATH` takes some in")


def _documents_show(context: typer.Context, document_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """One document with all its versions."""
    from assistant.wire import DocumentOut, version_out

    with _catalogue(environment(context).settings) as catalogue:
        infos = catalogue.documents.versions(document_id)
    document = DocumentOut(document_id=document_id, versions=[version_out(info) for info in infos])
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    console.print(document_id, style="bold", markup=False, soft_wrap=True)
    for version in document.versions:
        in_force = "; ".join(f"{start or '...'} to {end or '...'}" for start, end in version.in_force) or "never in force"
        lines = (
            f"  version {version.version}, {version.state}: {version.title} ({version.language}, {version.media_type}, {version.chunks} chunks)",
            f"    groups {', '.join(version.groups)}; in force {in_force}; recorded {version.recorded_at:%Y-%m-%d %H:%M} from {version.file_name}",
        )
        console.print("\n".join(lines), markup=False, soft_wrap=True)


def _documents_withdraw(
    context: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    version: Annotated[int | None, typer.Option(min=1, help="Only this version; older ones come into force again.")] = None,
    as_json: Json = False,
) -> None:
    """Take a document out of every answer at once."""
    from uuid import uuid4

    with _catalogue(environment(context).settings) as catalogue:
        count = catalogue.documents.withdraw(document_id, version)
        body = {"document_id": document_id, "version": version, "versions": count}
        catalogue.audit.record(f"aud-{uuid4().hex}", "document.withdrawn", _operator("").name, body)
    if as_json:
        print_json({"document_id": document_id, "versions_withdrawn": count})
    else:
        console.print(f"{document_id}: {count} version{'s' if count > 1 else ''} withdrawn", markup=False)


def _keys_create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    groups: Annotated[str, typer.Option(help="Groups whose documents it may read, separated by commas; public ones it may read anyway.")] = "",
    scopes: Annotated[
        str, typer.Option(help="What it may do, separated by commas: ask, generate, documents, ingest, adapters, eval, admin.")
    ] = "ask,documents",
    as_json: Json = False,
) -> None:
    """Make a key and print it. It cannot be shown again."""
    with _catalogue(environment(context).settings) as catalogue:
        secret = catalogue.keys.create(name, _names(groups), _names(scopes))
    if as_json:
        print_json({"name": name, "key": secret, "groups": _names(groups), "scopes": _names(scopes)})
    else:
        console.print(secret, soft_wrap=True)


def _keys_list(context: typer.Context, as_json: Json = False) -> None:
    """All keys, without their secrets."""
    with _catalogue(environment(context).settings) as catalogue:
        infos = catalogue.keys.all()
    if as_json:
        print_json(
            {
                "keys": [
                    {"id": i.id, "name": i.name, "groups": i.groups, "scopes": i.scopes, "created_at": i.created_at, "revoked_at": i.revoked_at} for i in infos
                ]
            }
        )
        return
    table = Table("id", "name", "groups", "scopes", "created", "revoked", box=None)
    for info in infos:
        revoked = f"{info.revoked_at:%Y-%m-%d}" if info.revoked_at else ""
        table.add_row(*map(escape, (info.id, info.name, ", ".join(info.groups), ", ".join(info.scopes), f"{info.created_at:%Y-%m-%d}", revoked)))
    console.print(table if infos else "no keys yet; `bankassist keys create NAME` makes one")


def _keys_revoke(context: typer.Context, key_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """End a key at once."""
    with _catalogue(environment(context).settings) as catalogue:
        catalogue.keys.revoke(key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        console.print(f"key {key_id} is revoked")


def _audit_show(
    context: typer.Context, audit_id: Annotated[str, typer.Argument(metavar="ID", help="The audit_id of an answer.")], as_json: Json = False
) -> None:
    """All records of one answer."""
    with _catalogue(environment(context).settings) as catalogue:
        records = catalogue.audit.show(audit_id)
    documents = [{"sequence": r.sequence, "id": r.id, "kind": r.kind, "at": r.at.isoformat(), "principal": r.principal, "body": r.body} for r in records]
    if as_json:
        print_json({"records": documents})
        return
    for document in documents:
        console.print_json(data=document, ensure_ascii=False)


@contextmanager
def _opened(settings: Settings) -> Iterator[Application]:
    """The application; what takes long is told while it lasts."""
    from assistant.bootstrap import open_application

    with ExitStack() as stack:
        with status("loading the models"):
            application = stack.enter_context(open_application(settings, lambda line: errors.print(line)))
        yield application


def _operator(groups: str) -> Principal:
    """Whoever may run the program on the bank's machine; the operating system says who."""
    import getpass
    import os

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container runs as a number that has no name
        name = str(os.getuid())
    return Principal(f"cli:{name}", frozenset(_names(groups)), frozenset({"ask", "generate", "eval"}))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--as-of {text!r} is no day; expected YYYY-MM-DD", param="--as-of") from None


def _matches(pattern: str, value: str, option: str, expected: str) -> None:
    import re

    if not re.fullmatch(pattern, value):
        raise BadInput(f"{option} {value!r}: expected {expected}", param=option)


def _listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    changes: dict[str, Any] = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"service": settings.service.model_copy(update=changes)})


@contextmanager
def _catalogue(settings: Settings) -> Iterator[Catalogue]:
    from engines.catalogue import Catalogue

    catalogue = Catalogue.open(settings.home, settings.catalogue)
    try:
        yield catalogue
    finally:
        catalogue.close()
