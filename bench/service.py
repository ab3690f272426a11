"""The service as its callers have it: a process of its own on a free port, with the sample bank of seed 1 taken in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

BANK = Path(__file__).parent.parent / "examples" / "bank"


@dataclass(frozen=True)
class Home:
    """A home folder that holds the sample bank."""

    folder: Path
    ingest: dict[str, Any]  # what `bankassist ingest --json` printed
    key: str

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.folder)


@dataclass(frozen=True)
class Running:
    url: str
    key: str
    process: subprocess.Popen[str]
    seconds_to_ready: float

    def ask(self, **body: Any) -> dict[str, Any]:
        return self.post("/v1/answers", **body)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = httpx.post(f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=300)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def metric(self, name: str) -> float:
        """What `/metrics` says now of a figure without labels."""
        response = httpx.get(f"{self.url}/metrics", headers={"Authorization": f"Bearer {self.key}"}, timeout=60)
        response.raise_for_status()
        return metric(response.text, name)

    def memory(self) -> dict[str, float]:
        """MiB of RAM that the service and the processes below it, its ingest worker above all, hold now and held at most."""
        total = {"VmRSS": 0.0, "VmHWM": 0.0}
        for process in (self.process.pid, *_below(self.process.pid)):
            status = Path(f"/proc/{process}/status").read_text("utf8")
            for key in total:
                if match := re.search(rf"{key}:\s+(\d+) kB", status):
                    total[key] += int(match[1]) / 1024
        return total


def metric(text: str, name: str) -> float:
    """A figure without labels in Prometheus' text form."""
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def _below(process: int) -> list[int]:
    """Children of a process, and theirs."""
    found = [int(child) for tasks in Path(f"/proc/{process}/task").glob("*/children") for child in tasks.read_text("utf8").split()]
    return found + [below for child in found for below in _below(child)]


def environment(home: Path) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("BANKASSIST_")}, "BANKASSIST_HOME": str(home)}


def bankassist(home: Path, *arguments: str) -> str:
    """What a command of ours printed."""
    return subprocess.run([sys.executable, "-m", "core", *arguments], env=environment(home), stdout=subprocess.PIPE, text=True, check=True).stdout


def prepare(home: Path) -> Home:
    """Take the sample bank into a new home; models are converted on the way if they are not in its cache."""
    ingest = json.loads(bankassist(home, "ingest", str(BANK), "--json"))
    key = bankassist(home, "keys", "create", "bench", "--groups", "staff,risk", "--scopes", "ask,generate,admin").strip()
    return Home(home, ingest, key)


@contextmanager
def serving(home: Home, **settings: str) -> Iterator[Running]:
    """The service until the end of the block. ``settings`` are variables of its environment without their prefix, such as ``GENERATION__BATCH="1"``."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "serve", "--port", "0"],
        env=home.environment | {f"BANKASSIST_{name}": value for name, value in settings.items()},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = next((match[1] for line in process.stderr if (match := re.search(r"serving on (http://\S+)", line))), None)
        if url is None:
            raise RuntimeError(f"the service ended with code {process.wait()} before it was ready")
        httpx.get(f"{url}/readyz", timeout=60).raise_for_status()
        yield Running(url, home.key, process, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
