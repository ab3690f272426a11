"""A real Elasticsearch node: of a developer's own, or one from the kit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import found


@dataclass
class Node:
    """A node of the kit, which a test may kill and start again."""

    folder: Path
    data: Path
    name: str
    url: str = ""
    transport: str = ""
    options: tuple[str, ...] = ()

    def start(self, *options: str) -> None:
        """Until it answers; ``options`` of start.sh beside its own. A node that was started before keeps its ports."""
        port = self.url.rpartition(":")[2] if self.url else "0"
        command = [str(self.folder / "start.sh"), "--data", str(self.data), "--name", self.name, "--port", port, "--exit-with", str(os.getpid())]
        command += [*self.options, *options]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stdout + started.stderr
        self.url = started.stdout.split("READY ", 1)[1].split()[0]
        self.transport = started.stdout.split("TRANSPORT ", 1)[1].split()[0]

    def stop(self) -> None:
        subprocess.run([self.folder / "stop.sh", "--data", self.data], check=True, capture_output=True)

    def kill(self) -> None:
        """As a crash: kill -9."""
        subprocess.run([self.folder / "stop.sh", "--data", self.data, "--kill"], check=True, capture_output=True)

    @property
    def pid(self) -> int:
        return int((self.data / "run" / "pid").read_text())

    def freeze(self) -> None:
        """It takes connections and answers nothing, until :meth:`thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def new_node(data: Path, name: str = "node-1") -> Node:
    """A node of the kit that is not started yet."""
    folder = found.kit()
    if folder is None or not (folder / "elasticsearch" / "start.sh").is_file():
        found.not_there(found.ELASTICSEARCH, "set BANKASSIST_TEST_ELASTICSEARCH to a URL, or BANKASSIST_TEST_KIT to a folder with elasticsearch/start.sh")
    return Node(folder / "elasticsearch", data, name)


def own() -> str | None:
    """The URL of a developer's own node, which no test may kill."""
    url = found.around("BANKASSIST_TEST_ELASTICSEARCH")
    if url:
        found.note_used(found.ELASTICSEARCH, f"{version(url)}, BANKASSIST_TEST_ELASTICSEARCH")
    return url


@contextmanager
def running_node(data: Path, cache: Path) -> Iterator[Node]:
    """A node of the kit for the whole test run.

    Args:
        cache: a file for Java's class archive, which makes later starts faster.
    """
    node = new_node(data)
    node.options = ("--heap", "384m", "--cache", str(cache))
    node.start()
    found.note_used(found.ELASTICSEARCH, f"{version(node.url)}, from the kit")
    try:
        yield node
    finally:
        node.stop()


def version(url: str) -> str:
    with urllib.request.urlopen(url) as answer:  # noqa: S310, the test's own server
        return str(json.load(answer)["version"]["number"])
