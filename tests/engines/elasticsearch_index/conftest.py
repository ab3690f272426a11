"""An index of a test's own in the node of the run, and nginx before it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import Elasticsearch
from tests.engines.indexes import clear, cluster_settings
from tests.servers.nginx import running_nginx
from tests.servers.process import free_port


@pytest.fixture
def settings(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    made = cluster_settings(elasticsearch_url)
    yield made
    clear(made)


@pytest.fixture
def fresh(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes home folders with an empty catalogue in them."""

    def make() -> Path:
        home = tmp_path_factory.mktemp("home")
        shutil.copy(empty, home)
        return home

    return make


@pytest.fixture
def through_proxy(tmp_path: Path) -> Iterator[Callable[..., Elasticsearch]]:
    """Settings that reach the node through nginx, with lines of its configuration; with a certificate it speaks TLS."""
    with contextlib.ExitStack() as stack:

        def start(settings: Elasticsearch, lines: str = "", tls: tuple[Path, Path] | None = None, **changes: Any) -> Elasticsearch:
            port = free_port()
            listen = f"listen 127.0.0.1:{port}{' ssl' if tls else ''};"
            keys = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
            http = f"server {{ {listen} {keys} {lines} location / {{ proxy_pass {settings.hosts[0]}; }} }}"
            stack.enter_context(running_nginx(tmp_path / f"nginx-{port}", http, port))
            host = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            return Elasticsearch(**{**settings.model_dump(exclude={"hosts"}), "hosts": host, **changes})

        yield start
