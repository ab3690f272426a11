"""Which nodes are asked when one hangs, by servers that hang as a frozen node and those who wait for it do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import IndexUnavailable
from core.settings import Elasticsearch
from engines.elasticsearch_index.cluster import Cluster


@contextmanager
def node(name: str, answers: Callable[[str | None], bool]) -> Iterator[str]:
    """A node that answers requests of some preferences and lets the others wait; its URL."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            preference = parse_qs(urlsplit(self.path).query).get("preference", [None])[0]
            if not answers(preference):
                over.wait()
                return
            body = json.dumps({"_index": "i", "_id": "x", "found": True, "_source": {"name": name}}).encode()
            self.send_response(200)
            for field, value in (("X-Elastic-Product", "Elasticsearch"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
                self.send_header(field, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(cluster: Cluster) -> str:
    return str(cluster.ask(lambda client, preference: client.get(index="i", id="x", preference=preference))["_source"]["name"])


def test_the_node_that_has_a_copy_is_found_whichever_is_asked_first() -> None:
    """One hangs; another waits for it whatever it is asked, having no copy itself; the third does so too unless it is asked for its own."""
    kinds: dict[str, Callable[[str | None], bool]] = {"hung": lambda _: False, "without": lambda _: False, "with": lambda preference: preference == "_local"}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(node(name, answers)) for name, answers in kinds.items()}
        for order in permutations(urls.values()):
            cluster = Cluster(Elasticsearch(hosts=order, search_seconds=2))
            assert [ask(cluster) for _ in range(2)] == ["with"] * 2
            cluster.close()


def test_nodes_that_refuse_connections_are_passed_over() -> None:
    with ExitStack() as stack:
        with node("gone", lambda _: True) as gone:
            pass
        hung = stack.enter_context(node("hung", lambda _: False))
        good = stack.enter_context(node("with", lambda preference: preference == "_local"))
        cluster = Cluster(Elasticsearch(hosts=(gone, hung, good), search_seconds=2))
        assert ask(cluster) == "with"
        cluster.close()


def test_where_all_hang_the_time_limit_is_kept_and_said() -> None:
    with ExitStack() as stack:
        urls = tuple(stack.enter_context(node("hung", lambda _: False)) for _ in range(3))
        cluster = Cluster(Elasticsearch(hosts=urls, search_seconds=0.4))
        with pytest.raises(IndexUnavailable, match=r"did not answer within 0\.4 s"):
            ask(cluster)
        cluster.close()
