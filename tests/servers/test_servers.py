"""The servers themselves: they start, answer as what they are, and are gone at the end."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.servers import found
from tests.servers.nginx import running_nginx
from tests.servers.postgres import new_database
from tests.servers.process import free_port


def test_elasticsearch_answers(elasticsearch_url: str) -> None:
    with urllib.request.urlopen(elasticsearch_url) as answer:  # noqa: S310
        assert answer.headers["X-Elastic-Product"] == "Elasticsearch"


def test_each_database_is_its_own(postgres_server: str) -> None:
    with new_database(postgres_server) as one, new_database(postgres_server) as other:
        assert one != other
        with psycopg.connect(one.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE of_one (n int)")
        with psycopg.connect(other.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT to_regclass('of_one')").fetchone() == (None,)


def test_nginx_serves_its_configuration(tmp_path: Path) -> None:
    port = free_port()
    here = f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 'here'; }} }}"
    with running_nginx(tmp_path / "nginx", here, port), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert answer.read() == b"here"


def test_what_is_absent_is_left_out_or_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "absent", {})
    monkeypatch.setattr(found, "used", {})
    monkeypatch.setattr(found, "_AROUND", {})
    with pytest.raises(pytest.skip.Exception, match="nowhere"):
        found.not_there(found.NGINX, "nowhere")
    assert any("NOT exercised" in line and "nginx (nowhere)" in line for line in found.lines())
    monkeypatch.setattr(found, "_AROUND", {"BANKASSIST_TEST_REQUIRE": "1"})
    with pytest.raises(pytest.fail.Exception, match="required"):
        found.not_there(found.NGINX, "nowhere")
