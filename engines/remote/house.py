"""Where prompts may go: to addresses inside the house, unless the settings let them out.

A name is looked up at the start and again for every connection, all its addresses are looked at, and the connection goes to one that was: a name that
is answered differently later (DNS rebinding) does not lead out.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import SettingsError, Unavailable
from core.settings import Remote
from core.types import DataLevel

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

#: loopback (RFC 1122, RFC 4291) and private networks (RFC 1918, RFC 4193). Not all that Python calls private: link-local addresses are those of clouds' key servers
_INSIDE: tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(network) for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


@dataclass(frozen=True, slots=True)
class House:
    """A server's place, and what of it counts as inside."""

    scheme: str
    host: str
    port: int
    root: str
    networks: tuple[IPNetwork, ...]
    listed: bool
    egress: bool
    data_level: DataLevel

    @property
    def name(self) -> str:
        """For messages: without path, user or key."""
        return f"{self.host}:{self.port}"

    def refuse_outside(self) -> None:
        """At the start, where the name can be looked up then.

        Raises:
            SettingsError: an address of it is outside the house and must not be.
        """
        if self.egress or self.listed:
            return
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return  # whoever connects looks again
        if outside := self._outside([str(entry[4][0]) for entry in found]):
            raise SettingsError(self._refusal(outside), param="remote.url", code="egress_refused")

    async def addresses(self) -> Sequence[str]:
        """What to connect to: addresses that were looked at, or the name where it does not matter.

        Raises:
            OSError: the name has none.
            Unavailable: one of them is outside the house and must not be.
        """
        if self.egress or self.listed:
            return [self.host]
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if outside := self._outside(addresses):
            raise Unavailable(self._refusal(outside), code="egress_refused")
        return addresses

    def _outside(self, addresses: Sequence[str]) -> str | None:
        return next((address for address in addresses if not is_inside(address, self.networks)), None)

    def _refusal(self, address: str) -> str:
        return (
            f"remote.url names {self.host}, whose address {address} is outside the house: no prompt goes there. Name a server on a private network, list its "
            "host or network in remote.inside if it is the bank's own, or set remote.allow_egress if questions and public passages may leave the house"
        )


def is_inside(address: str, networks: Sequence[IPNetwork]) -> bool:
    """Whether an address is loopback, private, or of one of the networks."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in (*_INSIDE, *networks) if network.version == parsed.version)


def house(remote: Remote) -> House:
    """What the settings say of the server's place.

    Raises:
        SettingsError: ``remote.url`` is no such URL, or an entry of ``remote.inside`` is neither host nor network.
    """
    url = urlsplit(remote.url or "")
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        port = 0
    if url.scheme not in ("http", "https") or not url.hostname or not port or url.username or url.password or url.query or url.fragment:
        raise SettingsError(
            "remote.url must be http://HOST[:PORT]/v1 or https://HOST[:PORT]/v1, without user, password or query; a key belongs into remote.api_key",
            param="remote.url",
        )
    networks: list[IPNetwork] = []
    hosts: set[str] = set()
    for entry in remote.inside:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError:
            if "/" in entry or ":" in entry or not entry:
                raise SettingsError(
                    f"remote.inside has {entry!r}; expected a host name, an address, or a network such as 203.0.113.0/24", param="remote.inside"
                ) from None
            hosts.add(entry.lower())
    listed = url.hostname.lower() in hosts
    if remote.allow_egress and not listed and url.scheme == "http" and not _literally_inside(url.hostname, networks):
        raise SettingsError(
            "remote.allow_egress is set and remote.url begins with http: what leaves the house is to be encrypted, use https", param="remote.url"
        )
    level = remote.data_level or ("public" if remote.allow_egress else "restricted")
    root = url.path.rstrip("/").removesuffix("/v1")
    return House(url.scheme, url.hostname, port, root, tuple(networks), listed, remote.allow_egress, level)


def _literally_inside(host: str, networks: Sequence[IPNetwork]) -> bool:
    try:
        return is_inside(host, networks)
    except ValueError:
        return host == "localhost"
