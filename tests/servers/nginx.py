"""A real nginx with a configuration of a test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import found
from tests.servers.process import ends_with_parent

_PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextmanager
def running_nginx(folder: Path, http: str, port: int) -> Iterator[None]:
    """nginx with the content ``http`` of its http block, which listens on 127.0.0.1:``port``; its files lie in ``folder``."""
    if _PROGRAM is None:
        found.not_there(found.NGINX, "apt-get install nginx-light (`make test` does it for root on Debian)")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{ worker_connections 1024; }}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}\n{http}\n}}\n"
    )
    with (folder / "said").open("wb") as said:
        server = subprocess.Popen([_PROGRAM, "-e", folder / "error.log", "-c", config, "-p", folder], preexec_fn=ends_with_parent(), stderr=said)
    try:
        while not _listens(port):
            assert server.poll() is None, (folder / "said").read_text()
        version = subprocess.run([_PROGRAM, "-v"], capture_output=True, text=True, check=True).stderr
        found.note_used(found.NGINX, version.rpartition("/")[2].strip())
        yield
    finally:
        server.terminate()
        server.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
