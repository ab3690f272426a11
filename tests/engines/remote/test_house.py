"""Where prompts may go. Addresses are those of the RFCs and their neighbours."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError, Unavailable
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.settings import Remote
from engines.remote.house import house, is_inside
from tests.engines.remote.server import connected, running

NONE: Sequence[Any] = ()


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("128.0.0.1", False),
        ("10.255.255.255", True), ("11.0.0.0", False), ("9.255.255.255", False),
        ("172.16.0.1", True), ("172.31.255.255", True), ("172.32.0.0", False), ("172.15.255.255", False),
        ("192.168.4.4", True), ("192.169.0.0", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.1", False), ("192.0.2.1", False),
        ("::1", True), ("::", False), ("fd00::7", True), ("fc00::", True), ("fe80::1%eth0", False), ("2001:db8::1", False),
        ("::ffff:10.0.0.1", True), ("::ffff:8.8.8.8", False),
    ],
)  # fmt: skip
def test_inside_is_loopback_and_private(address: str, inside: bool) -> None:
    assert is_inside(address, NONE) is inside


def test_what_is_the_banks_own_is_listed() -> None:
    networks = [ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/32")]
    assert is_inside("203.0.113.9", networks)
    assert is_inside("2001:db8::9", networks)
    assert not is_inside("203.0.114.1", networks)
    assert house(Remote(url="https://gpu.bank.example/v1", model="m", inside=("gpu.bank.example",))).listed


@pytest.mark.parametrize(
    "url", ["", "gpu:8000", "ftp://gpu/v1", "http:///v1", "http://gpu:99999/v1", "http://user:pass@gpu/v1", "http://gpu/v1?key=1", "http://gpu/v1#x"]
)
def test_what_is_no_url_of_a_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"remote\.url must be") as caught:
        house(Remote(url=url, model="m"))
    assert "pass" not in caught.value.message.replace("password", "")


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "a/b", "", "::zz"])
def test_an_entry_that_is_no_host_and_no_network_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"remote\.inside has"):
        house(Remote(url="http://gpu/v1", model="m", inside=(entry,)))


def test_the_path_before_v1_is_kept() -> None:
    assert [house(Remote(url=url, model="m")).root for url in ("http://h/v1", "http://h/v1/", "http://h", "https://h:8443/llm/v1")] == ["", "", "", "/llm"]
    assert house(Remote(url="https://h/v1", model="m")).port == 443


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str]) -> None:
    """A name server that says one after another, and then the last."""
    left = list(answers)
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *arguments: Any, **named: Any) -> Any:
        if host != "gpu.bank.example":
            return real(host, port, *arguments, **named)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("addresses", [["93.184.216.34"], ["10.0.0.1", "93.184.216.34"]], ids=["outside", "one of two"])
def test_a_host_outside_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, addresses: list[str]) -> None:
    resolves_to(monkeypatch, addresses)
    with (
        running() as server,
        pytest.raises(SettingsError, match=r"gpu\.bank\.example, whose address 93\.184\.216\.34 is outside the house") as caught,
        connected(server, tmp_path, url="http://gpu.bank.example:1/v1"),
    ):
        pass
    assert caught.value.code == "egress_refused"


def test_a_name_that_leads_out_later_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with running() as server:
        url = server.url.replace("127.0.0.1", "gpu.bank.example")
        resolves_to(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2", "8.8.8.8"])
        with connected(server, tmp_path, url=url) as generator:
            list(generator.generate(Prompt("", "x", ""), None, GenerationOptions(20)))
            with pytest.raises(Unavailable, match=r"8\.8\.8\.8 is outside the house"):
                list(generator.generate(Prompt("", "x", ""), None, GenerationOptions(20)))
        assert len(server.asked) == 1
        assert server.headers[-1]["Host"] == url.split("/")[2]  # the name, though the connection goes to the address that was looked at


def test_what_may_leave_is_encrypted_and_public(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="use https"):
        house(Remote(url="http://api.example.com/v1", model="m", allow_egress=True))
    assert house(Remote(url="https://api.example.com/v1", model="m", allow_egress=True)).data_level == "public"
    assert house(Remote(url="https://api.example.com/v1", model="m", allow_egress=True, data_level="internal")).data_level == "internal"
    assert house(Remote(url="http://10.0.0.7:8000/v1", model="m")).data_level == "restricted"
