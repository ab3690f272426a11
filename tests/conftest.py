"""What all tests share. The last lines of a run say which kinds of tests did not run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import found
from tests.servers.elasticsearch import Node, own, running_node
from tests.servers.postgres import new_database, running_server

# nothing here may look for a model elsewhere, or draw a bar
os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"})


if "PYTEST_XDIST_WORKER" in os.environ:  # two processes with two threads each would wait for one another on two cores
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own environment must not change what is tested."""
    for name in list(os.environ):
        if name.startswith("BANKASSIST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest) -> Path:
    """Converted models, kept between runs in pytest's own cache folder: converting takes half a minute."""
    return Path(request.config.cache.mkdir("bankassist-models"))


@pytest.fixture(scope="session")
def java_classes(request: pytest.FixtureRequest) -> Path:
    """Java's archive of the node's classes, kept between runs in pytest's own cache folder: with it a node starts a third faster."""
    return Path(request.config.cache.mkdir("bankassist-elasticsearch")) / "classes.jsa"


@pytest.fixture(scope="session")
def elasticsearch_node(tmp_path_factory: pytest.TempPathFactory, java_classes: Path) -> Iterator[Node]:
    """The node of the run, which a test may freeze, or kill and start again; others find it as it was."""
    with running_node(tmp_path_factory.mktemp("elasticsearch"), java_classes) as node:
        yield node


@pytest.fixture(scope="session")
def elasticsearch_url(request: pytest.FixtureRequest) -> str:
    """A real node; its indexes are shared by the run, so each test names its own."""
    if url := own():
        return url
    node: Node = request.getfixturevalue("elasticsearch_node")
    return node.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real server, as :func:`tests.servers.postgres.running_server` gives it."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database on a real server, for ``catalogue.url``."""
    with new_database(postgres_server) as url:
        yield url


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real models first: they take longest, and the processes that share the tests should end together."""
    items.sort(key=lambda item: item.get_closest_marker("models") is None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of a run in several processes each tells which servers it used."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["used"], output["absent"] = found.used, found.absent


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", {})
    found.used.update(output.get("used", {}))
    found.absent.update(output.get("absent", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what did not run, so that a green run is not taken for more than it is."""
    skipped = terminalreporter.stats.get("skipped", [])
    deselected = terminalreporter.stats.get("deselected", [])
    if deselected:
        terminalreporter.write_line(f"not run: {len(deselected)} tests (deselected by {config.option.markexpr!r})")
    for report in skipped:
        terminalreporter.write_line(f"not run: {report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}")
    for line in found.lines():
        terminalreporter.write_line(line)
    if not skipped and not deselected:
        terminalreporter.write_line("none of the tests that were asked for was left out")
