"""`bankassist doctor`: what this machine lacks, and how to get it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from core.errors import BankassistError, Unavailable
from core.settings import Settings, make_home

#: what each role imports, by the extra that brings it
_EXTRAS = {
    "serve": ("torch", "transformers", "peft", "sentence_transformers", "faiss", "tantivy", "fastapi", "uvicorn", "sklearn", "prometheus_client", "stdnum"),
    "ingest": ("pypdfium2", "pdfplumber", "docx", "openpyxl", "lxml", "markdown_it", "charset_normalizer"),
    "elastic": ("elasticsearch",),
    "remote": ("httpx",),
    "samples": ("reportlab",),
}
#: what a service with its worker does without
_OPTIONAL = {"elastic": "to search in Elasticsearch", "remote": "to have a server generate", "samples": "to write sample banks"}
_FREE_GIB = 3
#: what a machine does without that has one role only
_NOT_NEEDED = {"service": ("extra ingest",), "worker": ("extra serve", "generation model", "generation server", "compiled step")}


@dataclass(frozen=True, slots=True)
class Finding:
    """``remedy`` is a command or a sentence that says what to do; empty when nothing is needed."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(settings: Settings, role: str | None = None) -> list[Finding]:
    """Look at everything that the program needs on this machine.

    Args:
        role: ``service`` (without its worker) or ``worker`` (the ingest worker); without one the machine does both.
    """
    return [finding for finding in _findings(settings) if finding.name not in _NOT_NEEDED.get(role or "", ())]


def _findings(settings: Settings) -> list[Finding]:
    findings = [
        Finding("Python", sys.version_info >= (3, 11), platform.python_version(), "" if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")
    ]
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        remedy = f"pip install -c constraints.txt 'bankassist[{extra}]'" if missing else ""
        detail = f"lacks {', '.join(missing)}" if missing else f"{len(modules)} packages"
        if missing and extra in _OPTIONAL:
            detail, remedy = f"{detail}, needed only {_OPTIONAL[extra]} ({remedy})", ""
        findings.append(Finding(f"extra {extra}", not missing or extra in _OPTIONAL, detail, remedy))
    findings.append(_try("home folder", lambda: _home(settings), f"make {settings.home} a folder with room that can be written, or set BANKASSIST_HOME to one"))
    remote = settings.generation.engine == "remote"
    if remote:
        findings.append(_try("generation server", lambda: _server(settings), "see remote.* in `bankassist config schema` and docs/remote.md"))
    for kind, name in (*([] if remote else [("generation", settings.models.generation)]), ("embedding", settings.models.embedding)):
        remedy = f"install what is lacking above, or set BANKASSIST_MODELS__{kind.upper()} to a bundled model or a sound folder"
        findings.append(_try(f"{kind} model", partial(_model, settings, name), remedy))
    findings.append(_try("compiled step", _step, "set up again"))
    findings.append(
        _try("catalogue", lambda: _catalogue(settings), "check BANKASSIST_HOME and BANKASSIST_CATALOGUE__URL; a file that is damaged must come from a backup")
    )
    if settings.index.engine == "elasticsearch":
        findings.append(_try("index", lambda: _index(settings), "put right what it says, or set BANKASSIST_INDEX__ENGINE=local"))
    return findings


def _try(name: str, look: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name, True, look())
    except BankassistError as error:
        return Finding(name, False, error.message, remedy)
    except Exception as error:  # a damaged package or file raises anything; what it is is told, and the rest is looked at all the same
        return Finding(name, False, f"{type(error).__name__}: {error}", remedy)


def _home(settings: Settings) -> str:
    make_home(settings)
    probe = settings.home / ".doctor"
    probe.write_text("", encoding="utf8")
    probe.unlink()
    free = shutil.disk_usage(settings.home).free / 1024**3
    if free < _FREE_GIB:
        raise Unavailable(f"only {free:.1f} GiB free in {settings.home}; converted models and index want {_FREE_GIB}")
    return f"{settings.home}, {free:.0f} GiB free"


def _model(settings: Settings, name: str) -> str:
    from engines.models import locate

    folder = locate(name, settings.home / "cache")
    return f"{name} ({folder.digest[:12]})"


def _server(settings: Settings) -> str:
    """The server answers, and how many of the active adapters it has."""
    from engines.catalogue import Catalogue
    from engines.remote_generator import RemoteGenerator

    generator = RemoteGenerator.load(settings, settings.home / "cache")
    try:
        said = generator.health()
        catalogue = Catalogue.open(settings.home, settings.catalogue)
        try:
            active = [info.ref for info in catalogue.adapters.all() if info.state == "active"]
        finally:
            catalogue.close()
        without = {ref: why for ref in active if (why := generator.unserved(ref)) is not None}
        for ref in active:
            if ref not in without:
                generator.served.model_for(ref)  # loads and proves it
        told = "".join(f"; {ref} takes no part in routing: {why}" for ref, why in without.items())
        return f"{said}; documents up to {generator.data_level} go there; {len(active) - len(without)} of {len(active)} active adapters{told}"
    finally:
        generator.close()


def _step() -> str:
    from engines.generation.compiled_forward import missing

    reason = missing()
    return "built for this processor" if reason is None else f"answers come several times slower without it: {reason}"


def _catalogue(settings: Settings) -> str:
    from engines.catalogue import Catalogue

    return Catalogue.examine(settings.home, settings.catalogue)


def _index(settings: Settings) -> str:
    from engines.parts import open_parts

    with open_parts(settings) as parts:
        return parts.examine_index()
