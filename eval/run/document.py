"""`run.json`: what was run, with what, and how far it came. Written first; what is in it decides whether a run may go on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from eval.run.digests import code_digest, packages_digest


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SuiteRef(_Part):
    """``path`` is where it lay; the run folder holds a copy of its items and manifest."""

    name: str
    version: int
    sha256: str
    digest: str
    n: int
    path: str
    primary: tuple[str, ...]


class Seeds(_Part):
    """``sample`` chose the items where there is a limit; ``generate`` is that of every draw of a token (none is made at temperature 0)."""

    sample: int
    generate: int = 0


class Git(_Part):
    commit: str
    dirty: bool


class Program(_Part):
    """``code`` is over the source files that take part in an answer, ``packages`` over names and versions of all that is installed."""

    version: str
    code: str
    packages: str
    python: str
    git: Git | None = None

    @classmethod
    def here(cls) -> Program:
        return cls(version=version("bankassist"), code=code_digest(), packages=packages_digest(), python=platform.python_version(), git=_git())


class Hardware(_Part):
    cpu: str
    cores: int
    memory_gib: float
    system: str

    @classmethod
    def here(cls) -> Hardware:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        return cls(cpu=_cpu(), cores=os.cpu_count() or 0, memory_gib=round(memory, 1), system=platform.platform())


class AdapterUsed(_Part):
    """One that may answer. ``digest`` is over its weights and configuration."""

    name: str
    version: int
    state: str
    digest: str
    base_digest: str


class Engines(_Part):
    """What answers, apart from the program: everything of which another one would answer otherwise. For a service it is what the service tells of itself."""

    base: dict[str, Any]
    embedder: dict[str, Any]
    adapters: tuple[AdapterUsed, ...]
    index: dict[str, Any]
    templates: dict[str, Any]
    settings: dict[str, Any]


class Thresholds(_Part):
    """Of a gate, as they were set before the run."""

    sha256: str
    text: str


class Resources(_Part):
    """What answering took of the process that held the model. ``peak_mib`` is its resident memory at most, in MiB. ``adapter_loads`` are requests
    whose adapter was not in memory and was read from disk for them or for another one, ``adapter_uses`` those whose adapter was in memory; seconds are what they waited for it, all together. None, for
    ``reason``, where another process held the model."""

    peak_mib: float | None = None
    adapter_loads: int | None = None
    adapter_load_seconds: float | None = None
    adapter_uses: int | None = None
    adapter_use_seconds: float | None = None
    reason: str = ""


class RunDocument(_Part):
    """``items`` are the ids in the suite's order, ``left_out`` counts items of which an arm says nothing. ``head`` is the digest of the last record once
    the run is complete. ``refused_connections`` are places that something wanted to reach while it was offline. ``readers`` are the groups that may read
    what was retrieved and cited, by ``ID@VERSION``, as the catalogue has them when the run completes; None where it cannot be asked. ``resources`` are of
    all its stretches but those that were killed, from where it was first stopped or complete."""

    schema_version: Literal["bankeval-run/1"] = "bankeval-run/1"
    id: str
    status: Literal["running", "complete"]
    suite: SuiteRef
    arms: tuple[str, ...]
    items: tuple[str, ...]
    left_out: dict[str, int]
    reps: int
    total: int
    limit: int | None
    seeds: Seeds
    today: date
    target: str
    at_once: int
    offline: bool
    cached: bool
    program: Program
    hardware: Hardware
    engines: Engines
    thresholds: Thresholds | None
    started_at: datetime
    completed_at: datetime | None = None
    seconds: float | None = None
    records: int | None = None
    errors: int | None = None
    from_cache: int | None = None
    head: str | None = None
    refused_connections: tuple[str, ...] = ()
    readers: dict[str, tuple[str, ...]] | None = None
    resources: Resources | None = None

    @property
    def exact(self) -> bool:
        """Whether every sum was made in fp32, and one answer at a time."""
        return self.engines.base.get("dtype") == "float32" and self.at_once == 1


def differences(run: RunDocument, engines: Engines, program: Program, suite_sha256: str) -> list[str]:
    """What is not any more as it was when the run began, in words; empty where the run may go on."""
    found = []
    if suite_sha256 != run.suite.sha256:
        found.append(f"the suite ({run.suite.sha256[:12]} then, {suite_sha256[:12]} now)")
    if program.code != run.program.code:
        found.append(f"the program ({run.program.code[:12]} then, {program.code[:12]} now)")
    if program.packages != run.program.packages:
        found.append("installed packages")
    then, now = run.engines.model_dump(mode="json"), engines.model_dump(mode="json")
    for part in ("base", "embedder", "index", "templates", "settings"):
        found += [f"{part}.{name} ({_short(old)} then, {_short(new)} now)" for name, old, new in _changed(then[part], now[part])]
    adapters_then, adapters_now = ({f"{one['name']}@{one['version']}": one for one in side["adapters"]} for side in (then, now))
    found += [f"adapter {name}" for name, _, _ in _changed(adapters_then, adapters_now)]
    return found


def _changed(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    changed = []
    for name in sorted({*then, *now}):
        old, new = then.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict) and prefix == "" and "digest" not in old:
            changed += _changed(old, new, f"{name}.")
        elif old != new:
            changed.append((f"{prefix}{name}", old, new))
    return changed


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _git() -> Git | None:
    """The commit that the program's folder is at; None where it is no checkout."""
    folder, git = Path(__file__).parent, shutil.which("git")
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        done = subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False)  # noqa: S603, our own words
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    return Git(commit=commit, dirty=bool(ask("status", "--porcelain"))) if commit else None


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
