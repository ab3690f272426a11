"""A real PostgreSQL server: of a developer's own, or Debian's in a new folder. A database of its own for each who asks."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.servers import found
from tests.servers.process import ends_with_parent, free_port


def _programs() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _command(name: str, *arguments: str) -> list[str]:
    """The server refuses to run as root; a change of user forgets with whom a process ends, so that is said once more."""
    programs = _programs()
    assert programs is not None
    whole = [str(programs / name), *arguments]
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig=KILL", *whole] if os.geteuid() == 0 else whole


_USER = "postgres"
#: a user of the kit's server who must give a password, if a test makes one of this name
GUARDED = "guarded"


@contextmanager
def running_server() -> Iterator[str]:
    """The URL of a server, ending in its administration's database: ``postgresql://user@host:port/postgres``."""
    if url := found.around("BANKASSIST_TEST_POSTGRES"):
        found.note_used(found.POSTGRES, f"{_version(url)}, BANKASSIST_TEST_POSTGRES")
        yield url
        return
    if _programs() is None:
        found.not_there(found.POSTGRES, "apt-get install postgresql (`make test` does it for root on Debian), or set BANKASSIST_TEST_POSTGRES to a URL")
    # not in pytest's folder, into which only its owner may look
    folder = Path(tempfile.mkdtemp(prefix="bankassist-postgres-"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, port = folder / "data", free_port()
        subprocess.run(
            _command("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            check=True,
            capture_output=True,
            cwd="/",
        )
        # users are let in without a password, but for one of whom tests ask it
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        settings = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "max_connections=200"]
        with (folder / "log").open("wb") as log:
            # what a killed server would lose is not what these tests are about, but for the one that starts its own
            server = subprocess.Popen(
                _command("postgres", "-D", str(data), *settings, "-c", "fsync=off"), stdout=log, stderr=log, cwd="/", preexec_fn=ends_with_parent()
            )
        try:
            _wait(port, folder / "log", server)
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            found.note_used(found.POSTGRES, f"{_version(url)}, Debian's")
            yield url
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, log: Path, server: subprocess.Popen[bytes]) -> None:
    ready = subprocess.run(_command("pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "30"), capture_output=True, cwd="/", check=False)
    while ready.returncode != 0:
        assert server.poll() is None, log.read_text()
        ready = subprocess.run(_command("pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "30"), capture_output=True, cwd="/", check=False)


@contextmanager
def new_database(server: str, template: str = "template0") -> Iterator[str]:
    """The URL of an empty database, or of a copy of another one, for SQLAlchemy: ``postgresql+psycopg://...``; it is dropped at the end."""
    name = f"bankassist_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield server.replace("postgresql://", "postgresql+psycopg://", 1).rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0]).split()[0]
