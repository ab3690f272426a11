"""Server processes of a test: as another user where a server refuses root, and gone with the test run."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ends_with_parent() -> Callable[[], None]:
    """For ``preexec_fn``: the child is killed when the test run is, even with -9 (prctl(2), Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def before() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return before
