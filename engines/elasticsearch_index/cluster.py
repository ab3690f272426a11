"""The cluster: one client for all its nodes, its version, and its errors in our words."""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    ConnectionError,  # noqa: A004, the library's name
    ConnectionTimeout,
    Elasticsearch,
    NotFoundError,
    SerializationError,
    SSLError,
    UnsupportedProductError,
)

from core.errors import IndexRefused, IndexUnavailable
from core.settings import Elasticsearch as Settings
from engines.breaker import Breaker

#: the client is of this major version; base64 vectors (Elasticsearch 9.3) halve what a load sends
MAJOR, LEAST_MINOR = 9, 3
#: more threads than search at once, so that none waits for a connection
_CONNECTIONS = 64
#: of requests that may succeed a moment later
BUSY = (429, 502, 503, 504)
#: nodes that are asked one after another, within the time of one search, where the first ones do not answer
_ASKED = 3

_T = TypeVar("_T")


class Cluster:
    """The nodes of the settings. A request that one node does not take goes to the next.

    Everything that goes wrong comes as IndexUnavailable, or as IndexRefused where waiting does not help.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.hosts = ", ".join(settings.hosts)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)
        options: dict[str, Any] = {}
        if settings.ca_file is not None:
            if not settings.ca_file.is_file():
                raise IndexRefused(f"elasticsearch.ca_file {settings.ca_file} is not there; it holds the certificates of the authority in PEM")
            options["ca_certs"] = str(settings.ca_file)
        if settings.api_key is not None:
            options["api_key"] = settings.api_key.get_secret_value()
        if settings.user is not None and settings.password is not None:
            # encoded here: the client itself takes ASCII only (RFC 7617, 2.1 lets servers take UTF-8, and Elasticsearch does)
            options["basic_auth"] = base64.b64encode(f"{settings.user}:{settings.password.get_secret_value()}".encode()).decode()
        logging.getLogger("elastic_transport.transport").setLevel(logging.ERROR)  # it logs a stack trace for every request that goes to another node
        # a node that was lost is passed over at once; one that is slow is not asked twice by the same search
        options["dead_node_backoff_factor"] = settings.search_seconds
        options["connections_per_node"] = _CONNECTIONS
        self._client = Elasticsearch(list(settings.hosts), max_retries=max(2, len(settings.hosts)), **options)
        #: each node by itself, where there are several
        self._nodes = [Elasticsearch(host, max_retries=0, **options) for host in settings.hosts] if len(settings.hosts) > 1 else []
        self._failed_at = dict.fromkeys(range(len(self._nodes)), 0.0)

    def close(self) -> None:
        for client in (self._client, *self._nodes):
            client.close()

    @contextmanager
    def searching(self) -> Iterator[Elasticsearch]:
        """A client with the time limit of searches."""
        with self._told(self._settings.search_seconds):
            yield self._client.options(request_timeout=self._settings.search_seconds)

    def ask(self, request: Callable[[Elasticsearch, str | None], _T]) -> _T:
        """What a node answers within the time limit of searches. Where there are several, each has its share of it, so that one that hangs costs no answer.

        A node that did not answer in time need not be the one that hangs: it may have waited for the copy there. So every node is then asked for copies of its
        own, that one too.

        Args:
            request: after the first node it is given a ``preference`` for copies that lie on the node that is asked.
        """
        limit = self._settings.search_seconds / (1 + min(len(self._nodes), _ASKED))
        with self._told(self._settings.search_seconds):
            try:
                return request(self._client.options(request_timeout=limit), None)
            except ConnectionTimeout:
                if not self._nodes:
                    raise
            return self._ask_each(request, limit)

    def _ask_each(self, request: Callable[[Elasticsearch, str | None], _T], seconds: float) -> _T:
        """One node after another, those that did not answer lately last."""
        places = sorted(self._failed_at, key=self._failed_at.__getitem__)[:_ASKED]
        for place in places:
            try:
                return request(self._nodes[place].options(request_timeout=seconds), "_local")
            except (ConnectionError, ConnectionTimeout, ApiError) as error:
                if place == places[-1] or (isinstance(error, ApiError) and error.status_code not in BUSY):
                    raise
                self._failed_at[place] = time.monotonic()
        raise AssertionError("there is a node at least")

    @contextmanager
    def writing(self, seconds: float | None = None) -> Iterator[Elasticsearch]:
        """A client with the time limit of writes. What is written may be sent again: every write names its document and version."""
        limit = seconds or self._settings.write_seconds
        with self._told(limit):
            yield self._client.options(request_timeout=limit)

    def version(self) -> str:
        """The number of the server's version.

        Raises:
            IndexRefused: this program does not work with it.
        """
        with self.searching() as client:
            number = str(client.info()["version"]["number"])
        major, minor = (int(part) for part in re.findall(r"\d+", number)[:2])
        if major != MAJOR or minor < LEAST_MINOR:
            raise IndexRefused(
                f"Elasticsearch at {self.hosts} has version {number}; this program needs {MAJOR}.{LEAST_MINOR} or a newer {MAJOR}. Upgrade the cluster, or name another one in elasticsearch.hosts."
            )
        return number

    @contextmanager
    def _told(self, seconds: float) -> Iterator[None]:
        if not self._breaker.let_through():
            raise IndexUnavailable(f"Elasticsearch at {self.hosts} did not answer several times and is left alone for a moment; try again in some seconds")
        try:
            yield
        except (SSLError, UnsupportedProductError, AuthenticationException) as error:
            self._breaker.failed()
            raise IndexRefused(self._refusal(error)) from error
        except ConnectionTimeout as error:
            self._breaker.failed()
            raise IndexUnavailable(f"Elasticsearch at {self.hosts} did not answer within {seconds:g} s") from error
        except (ConnectionError, SerializationError) as error:
            self._breaker.failed()
            what = "sent what is no JSON" if isinstance(error, SerializationError) else "cannot be reached"
            raise IndexUnavailable(f"Elasticsearch at {self.hosts} {what}: {_first_line(error.message)}") from error
        except ApiError as error:
            if error.status_code in BUSY:
                self._breaker.failed()
                raise IndexUnavailable(f"Elasticsearch at {self.hosts} cannot do it now: {reason(error)}") from error
            self._breaker.succeeded()
            raise IndexRefused(self._refusal(error)) from error
        except BaseException:  # of our own: it says nothing of the cluster
            self._breaker.told_nothing()
            raise
        else:
            self._breaker.succeeded()

    def _refusal(self, error: SSLError | ApiError) -> str:
        place = f"Elasticsearch at {self.hosts}"
        if isinstance(error, SSLError):
            return f"the certificate of {place} is not trusted ({_first_line(error.message)}); name its authority's in elasticsearch.ca_file, and the host as the certificate does"
        if isinstance(error, UnsupportedProductError):
            return f"what answers at {self.hosts} is no Elasticsearch; check elasticsearch.hosts"
        if isinstance(error, AuthenticationException):
            return f"{place} does not accept the credentials (401); check elasticsearch.api_key, or user and password"
        if isinstance(error, AuthorizationException) and "block" not in reason(error):
            return (
                f"{place} does not allow it (403): {reason(error)}. The key needs `monitor` of the cluster and `all` of the indexes {self._settings.prefix}-*."
            )
        if isinstance(error, NotFoundError):
            return f"{place} does not have it: {reason(error)}. `bankassist index rebuild --to elasticsearch` makes the index anew."
        return f"{place} refuses it: {reason(error)}"


def reason(error: ApiError) -> str:
    """What the server says: the cause where it names one."""
    body = error.body
    told = body.get("error") if isinstance(body, dict) else None
    return cause(told) if isinstance(told, dict) else f"status {error.status_code}"


def cause(told: Any) -> str:
    """The words of an error object of the server."""
    if not isinstance(told, dict):
        return str(told)
    deepest = told.get("caused_by") or (told.get("root_cause") or [told])[0]
    return f"{told.get('type')}: {_first_line(str(deepest.get('reason') or told.get('reason')))}"


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:500]
