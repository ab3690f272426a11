"""A run without a network: what could reach out is refused before it starts, and every attempt while it runs.

An audit hook of the interpreter (PEP 578) sees each connection and each look-up of a name that Python makes, in whatever library. It cannot be taken away
again, so that one hook serves all guards and does nothing while there is none. What a C library connects to by itself it does not see; those that are
here (libpq) go where the settings say.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from core.errors import BadInput
from core.settings import Settings

#: what tells model libraries to stay off the network, and the values by which they understand yes
_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
_YES = ("1", "ON", "YES", "TRUE")
_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")


class ConnectionForbidden(PermissionError):
    """Something wanted to reach a place while the run was offline."""


@dataclass
class Guard:
    """``allowed`` are hosts by name, with the addresses that they had at the start; ``refused`` what was tried besides."""

    allowed: frozenset[str]
    refused: list[str] = field(default_factory=list)

    def allows(self, host: str) -> bool:
        return host in self.allowed or _is_here(host)


_guards: list[Guard] = []


@contextmanager
def no_network(hosts: Iterable[str] = ()) -> Iterator[Guard]:
    """Refuse connections to anything but this machine and the hosts, until the end of the block, in all threads."""
    names = {host.strip("[]").lower() for host in hosts}
    guard = Guard(frozenset(names | {address for name in names for address in _addresses(name)}))
    _install()
    _guards.append(guard)
    try:
        yield guard
    finally:
        _guards.remove(guard)


def refuse_ways_out(settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """
    Raises:
        BadInput: the environment or the settings would let something reach out.
    """
    for name in _SWITCHES:
        if environment.get(name, "1").upper() not in _YES:
            raise BadInput(
                f"the run is offline, and {name}={environment[name]} lets model libraries ask the network; unset it, or run with --online", param=name
            )
    if settings.generation.engine == "remote" and settings.remote.allow_egress:
        raise BadInput(
            "the run is offline, and remote.allow_egress lets prompts leave the house; take it out, or run with --online", param="remote.allow_egress"
        )


def set_switches() -> None:
    """Tell model libraries that are not imported yet, and child processes, to stay off the network."""
    for name in _SWITCHES:
        os.environ.setdefault(name, "1")


def configured_hosts(settings: Settings, target: str = "") -> set[str]:
    """The hosts that the settings and the target name: those that a run may reach."""
    urls = [target]
    if settings.generation.engine == "remote":
        urls.append(settings.remote.url or "")
    if settings.index.engine == "elasticsearch":
        urls += settings.elasticsearch.hosts
    if settings.catalogue.url is not None:
        urls.append(settings.catalogue.url.get_secret_value())
    return {host for url in urls if (host := urlsplit(url).hostname)}


@cache
def _install() -> None:
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards or event not in _EVENTS:
        return
    host = _host(event, arguments)
    if host is None:
        return
    for guard in tuple(_guards):
        if not guard.allows(host):
            if host not in guard.refused:
                guard.refused.append(host)
            raise ConnectionForbidden(f"the evaluation is offline: nothing may reach {host}; run with --online where that is meant")


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The host of an event; None where it is none, as of Unix sockets."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
        return None if host is None else _text(host)
    own, address = arguments[0], arguments[1]
    if not isinstance(address, tuple) or getattr(own, "family", None) not in (socket.AF_INET, socket.AF_INET6):
        return None
    return _text(address[0])


def _text(host: Any) -> str:
    return (host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)).lower().partition("%")[0]


def _is_here(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]).lower() for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()  # whoever connects will be told
