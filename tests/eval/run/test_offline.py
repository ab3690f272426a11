"""What may be reached while a run is offline."""

from __future__ import annotations

import socket
import threading
from typing import Any

import httpx
import pytest

from core.errors import BadInput
from core.settings import Settings
from eval.run.offline import ConnectionForbidden, configured_hosts, no_network, refuse_ways_out

#: of the network that is reserved for documentation (RFC 5737): nobody is there
FAR = "192.0.2.7"


@pytest.fixture
def here() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def test_nothing_beyond_this_machine_is_reached(here: tuple[str, int]) -> None:
    with no_network() as guard:
        socket.create_connection(here).close()
        socket.create_connection(("localhost", here[1])).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket(socket.AF_INET6) as six:
            for reach in (
                lambda: socket.create_connection((FAR, 9), timeout=0.01),
                lambda: socket.getaddrinfo("models.example.com", 443),
                lambda: socket.gethostbyname("other.example.com"),
                lambda: datagrams.sendto(b"", (FAR, 53)),
                lambda: six.connect(("2001:db8::1", 443)),
            ):
                with pytest.raises(ConnectionForbidden, match="nothing may reach"):
                    reach()
        with pytest.raises(httpx.ConnectError, match=r"nothing may reach third\.example\.com"):
            httpx.get("http://third.example.com", trust_env=False)
    assert guard.refused == [FAR, "models.example.com", "other.example.com", "2001:db8::1", "third.example.com"]


def test_it_holds_in_other_threads_and_ends_with_the_block() -> None:
    caught: list[BaseException] = []

    def reach() -> None:
        try:
            socket.create_connection((FAR, 9), timeout=0.01)
        except OSError as error:
            caught.append(error)

    for guarded in (True, False):
        thread = threading.Thread(target=reach)
        if guarded:
            with no_network():
                thread.start()
                thread.join()
        else:
            thread.start()
            thread.join()
    assert [isinstance(error, ConnectionForbidden) for error in caught] == [True, False]


def test_what_the_settings_and_the_target_name_may_be_reached(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path).model_copy(
        update={
            "index": Settings().index.model_copy(update={"engine": "elasticsearch"}),
            "elasticsearch": Settings().elasticsearch.model_copy(update={"hosts": ("https://es-1:9200",)}),
        }
    )
    assert configured_hosts(Settings(home=tmp_path)) == set()
    assert configured_hosts(settings, "http://bank.example.com:8080") == {"es-1", "bank.example.com"}
    with no_network([FAR]) as guard, pytest.raises(OSError, match=r"timed out|unreachable|refused|[Ff]orbidden|not permitted") as caught:
        socket.create_connection((FAR, 9), timeout=0.01)
    assert not isinstance(caught.value, ConnectionForbidden)
    assert guard.refused == []


def test_a_way_out_is_refused_before_anything_is_asked(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path)
    refuse_ways_out(settings, {"HF_HUB_OFFLINE": "1"})
    refuse_ways_out(settings, {})
    with pytest.raises(BadInput, match="HF_HUB_OFFLINE=0 lets model libraries ask the network"):
        refuse_ways_out(settings, {"HF_HUB_OFFLINE": "0"})
    remote = settings.remote.model_copy(update={"url": "https://api.example.com/v1", "model": "m", "allow_egress": True})
    generation = settings.generation.model_copy(update={"engine": "remote"})
    with pytest.raises(BadInput, match=r"remote\.allow_egress lets prompts leave the house"):
        refuse_ways_out(settings.model_copy(update={"remote": remote, "generation": generation}), {})
