"""How the cluster is reached, and what is said where it cannot be used: through nginx with TLS and a check of keys before the real node, which has no security."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from core.errors import IndexRefused, IndexUnavailable
from core.settings import Elasticsearch
from engines.catalogue import Catalogue
from engines.elasticsearch_index.index import ElasticsearchIndex
from engines.elasticsearch_index.layout import alias, index_name, mapping
from tests.engines.conftest import EMBEDDER
from tests.engines.local_index.bank import put, search
from tests.servers.certificates import certificate
from tests.servers.process import free_port

Proxy = Callable[..., Elasticsearch]

KEY = "bm90IGEgc2VjcmV0OmF0IGFsbA=="
PASSWORD = "geheim 密码"
_JSON = "default_type application/json;"


def only(header: str) -> str:
    """Whoever has another Authorization is told what Elasticsearch tells."""
    refusal = '{"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}'
    return f"{_JSON} if ($http_authorization != '{header}') {{ return 401 '{refusal}'; }}"


def refusal(settings: Elasticsearch, catalogue: Catalogue) -> str:
    """What is said at the start, which the doctor says too; nothing is made."""
    before = everything(settings)
    index = ElasticsearchIndex(settings, catalogue, EMBEDDER, 2)
    with pytest.raises(IndexRefused) as examined:
        index.examine()
    index.close()
    with pytest.raises(IndexRefused) as opened:
        ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    assert opened.value.message == examined.value.message
    assert (opened.value.code, everything(settings)) == ("retriever_refused", before)
    return opened.value.message


_node: list[str] = []


@pytest.fixture(autouse=True)
def _node_url(elasticsearch_url: str) -> None:
    _node[:] = [elasticsearch_url]


def everything(settings: Elasticsearch) -> Any:
    """All that the node itself, not the proxy, has of the settings' indexes."""
    return httpx.get(f"{_node[0]}/{settings.prefix}-*", timeout=30).json()


def test_with_tls_an_authority_of_ones_own_and_an_api_key_it_works_and_without_it_says_what_is_wrong(
    catalogue: Catalogue, settings: Elasticsearch, through_proxy: Proxy, tmp_path: Path
) -> None:
    pem, key = certificate(tmp_path)
    good = through_proxy(settings, only(f"ApiKey {KEY}"), (pem, key), ca_file=pem, api_key=KEY)
    put(catalogue, "a", "fee", (1, 0))
    index = ElasticsearchIndex.open(good, catalogue, EMBEDDER, 2)
    assert len(search(index, (1, 0), "fee").vector) == 1
    index.close()

    def but(**changes: Any) -> Elasticsearch:
        return Elasticsearch(**{**good.model_dump(), **changes})

    for wrong in (but(api_key="wrong"), but(api_key=None)):
        assert "does not accept the credentials (401); check elasticsearch.api_key" in refusal(wrong, catalogue)
    other, _ = certificate(tmp_path, "other")
    for stranger in (other, None):
        said = refusal(but(ca_file=stranger), catalogue)
        assert re.search(r"the certificate of Elasticsearch at https://\S+ is not trusted", said)
        assert "elasticsearch.ca_file" in said
        assert "\n" not in said
    with pytest.raises(IndexRefused, match=r"ca_file .* is not there"):
        ElasticsearchIndex.open(but(ca_file=tmp_path / "gone.pem"), catalogue, EMBEDDER, 2)


def test_a_user_with_a_password_gets_in(catalogue: Catalogue, settings: Elasticsearch, through_proxy: Proxy) -> None:
    told = base64.b64encode(f"bankassist:{PASSWORD}".encode()).decode()
    given = through_proxy(settings, only(f"Basic {told}"), user="bankassist", password=PASSWORD)
    ElasticsearchIndex.open(given, catalogue, EMBEDDER, 2).close()
    said = refusal(given.model_copy(update={"user": "somebody"}), catalogue)
    assert "does not accept the credentials" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("number", "fits"),
    [("8.19.3", False), ("9.2.9", False), ("10.0.0-SNAPSHOT", False), ("9.3.0", True)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_version_that_it_was_not_made_for_is_refused(catalogue: Catalogue, settings: Elasticsearch, through_proxy: Proxy, number: str, fits: bool) -> None:
    said = f'{{"version": {{"number": "{number}"}}, "tagline": "You Know, for Search"}}'
    given = through_proxy(settings, f"location = / {{ {_JSON} add_header X-Elastic-Product Elasticsearch; return 200 '{said}'; }}")
    if fits:
        ElasticsearchIndex.open(given, catalogue, EMBEDDER, 2).close()
    else:
        assert f"has version {number}; this program needs 9.3 or a newer 9" in refusal(given, catalogue)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("location = / { return 200 'welcome'; }", "is no Elasticsearch"),
        (f"location = / {{ {_JSON} return 200 '{{}}'; }}", "is no Elasticsearch"),
        (f'location = / {{ {_JSON} add_header X-Elastic-Product Elasticsearch; return 200 \'{{"version": {{"num\'; }}', "sent what is no JSON"),
        ("location = / { return 503; }", "cannot do it now"),
    ],
    ids=["a web page", "other JSON", "JSON that is cut off", "a proxy without a server"],
)
def test_what_is_no_elasticsearch_is_said_so(catalogue: Catalogue, settings: Elasticsearch, through_proxy: Proxy, lines: str, says: str) -> None:
    with pytest.raises(IndexUnavailable, match=says):
        ElasticsearchIndex.open(through_proxy(settings, lines), catalogue, EMBEDDER, 2)


def test_of_several_hosts_one_that_is_down_is_passed_over_and_none_at_all_is_said(
    catalogue: Catalogue, settings: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    put(catalogue, "a", "fee", (1, 0))
    index = ElasticsearchIndex.open(settings.model_copy(update={"hosts": (nobody, settings.hosts[0])}), catalogue, EMBEDDER, 2)
    for _ in range(4):
        assert len(search(index, (1, 0), "fee").word) == 1
    index.close()
    with pytest.raises(IndexUnavailable, match=f"{nobody}, http://nowhere.invalid:9200 cannot be reached"):
        ElasticsearchIndex.open(settings.model_copy(update={"hosts": (nobody, "http://nowhere.invalid:9200")}), catalogue, EMBEDDER, 2)
    assert "has failed for" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]  # no stack traces


def test_an_index_made_otherwise_is_refused_until_it_is_made_anew(catalogue: Catalogue, settings: Elasticsearch) -> None:
    name = alias(settings, EMBEDDER)
    ours = mapping(settings, EMBEDDER, 2)
    url = f"{settings.hosts[0]}/{index_name(name, 1)}"
    for change, says in (
        ({"properties": {**ours["properties"], "vector": {**ours["properties"]["vector"], "dims": 3}}}, "vector.dims is 3, expected 2"),
        ({"properties": {**ours["properties"], "tokens": {"type": "text"}}}, "tokens.analyzer is not given, expected whitespace"),
    ):
        httpx.put(url, json={"aliases": {name: {}}, "mappings": {**ours, **change}}, timeout=30).raise_for_status()
        said = refusal(settings, catalogue)
        assert says in said
        assert "`bankassist index rebuild --to elasticsearch`" in said
        httpx.delete(url, timeout=30)
    httpx.put(url, json={"aliases": {name: {}}, "mappings": {"properties": {"text": {"type": "text"}}}}, timeout=30).raise_for_status()
    assert "was not made by this program" in refusal(settings, catalogue)
    httpx.delete(url, timeout=30)

    index = ElasticsearchIndex.open(settings, catalogue, EMBEDDER, 2)
    put(catalogue, "a", "fee", (1, 0))
    index.refresh()
    other = settings.model_copy(update={"vectors": "int8_hnsw"})
    assert "vector.index_options.type is flat, expected int8_hnsw" in refusal(other, catalogue)
    anew = ElasticsearchIndex(other, catalogue, EMBEDDER, 2)
    assert anew.rebuild() == 1
    assert [hit.score for hit in search(anew, (0.6, 0.8), "").vector] == pytest.approx([0.6], abs=1e-6)
    anew.close()
    index.close()


def test_an_index_of_which_a_part_is_lost_is_refused(catalogue: Catalogue, settings: Elasticsearch) -> None:
    name = index_name(alias(settings, EMBEDDER), 1)
    nowhere = {"index.routing.allocation.require._name": "nobody", "number_of_replicas": 0}
    body = {"aliases": {alias(settings, EMBEDDER): {}}, "mappings": mapping(settings, EMBEDDER, 2), "settings": nowhere}
    httpx.put(f"{settings.hosts[0]}/{name}?wait_for_active_shards=0", json=body, timeout=30).raise_for_status()
    assert f"the index {name} at {settings.hosts[0]} is red: a part of it is on no node" in refusal(settings, catalogue)
    index = ElasticsearchIndex(settings, catalogue, EMBEDDER, 2)
    with pytest.raises(IndexUnavailable, match="cannot search"):
        search(index, (1, 0), "fee")
    index.close()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hosts": "es:9200"}, "expected http"),
        ({"hosts": ""}, "expected http"),
        ({"hosts": "https://elastic:hunter2@es:9200"}, r"got 'https://\*\*\*@es:9200'"),
        ({"hosts": "http://es:9200", "ca_file": "ca.pem"}, "ca_file is for https"),
        ({"user": "elastic"}, "user and password go together"),
        ({"user": "elastic", "password": "x", "api_key": "y"}, "not both"),
        ({"prefix": "Bank"}, "pattern"),
        ({"vectors": "bbq_disk"}, "int8_hnsw"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as error:
        Elasticsearch(**given)
    assert "hunter2" not in str(error.value.errors(include_input=False, include_url=False))
