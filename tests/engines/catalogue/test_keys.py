"""API keys: shown once, stored as digests."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import BadInput, NotAuthenticated, NotFound
from engines.catalogue import Catalogue
from engines.catalogue.tables import api_keys

#: what is refused before any database is asked
HERE = pytest.mark.parametrize("place", ["SQLite"], indirect=True)


def test_a_key_carries_groups_and_scopes_and_is_nowhere_on_disk(catalogue: Catalogue, tmp_path: Path) -> None:
    secret = catalogue.keys.create("零售柜台", ["staff", "risk", "staff"], ["ask", "documents"])
    assert secret.startswith("ba_")
    assert len(secret) > 40
    principal = catalogue.keys.authenticate(secret)
    (info,) = catalogue.keys.all()
    assert principal.name == f"零售柜台 ({info.id})"
    assert (principal.groups, principal.scopes) == (frozenset({"staff", "risk"}), frozenset({"ask", "documents"}))
    assert principal.readable == {"staff", "risk", "public"}
    assert (info.name, info.groups, info.scopes, info.revoked_at) == ("零售柜台", ("risk", "staff"), ("ask", "documents"), None)
    with catalogue.database.read() as connection:
        assert secret not in str(connection.execute(select(api_keys)).all())
    catalogue.close()
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("secret", ["", "ba_", "ba_wrong", "中文"])
def test_a_wrong_key_opens_nothing(catalogue: Catalogue, secret: str) -> None:
    good = catalogue.keys.create("a", [], ["ask"])
    for wrong in (secret, good[:-1], good + "x", good.upper()):
        with pytest.raises(NotAuthenticated, match="wrong or was revoked") as refused:
            catalogue.keys.authenticate(wrong)
        assert refused.value.code == "invalid_api_key"
        assert good not in refused.value.message


def test_a_revoked_key_ends_at_once_and_only_that(catalogue: Catalogue) -> None:
    first, second = (catalogue.keys.create(name, [], ["ask"]) for name in "ab")
    key_id = next(info.id for info in catalogue.keys.all() if info.name == "a")
    catalogue.keys.revoke(key_id)
    with pytest.raises(NotAuthenticated):
        catalogue.keys.authenticate(first)
    assert catalogue.keys.authenticate(second).name.startswith("b ")
    assert {info.name: info.revoked_at is not None for info in catalogue.keys.all()} == {"a": True, "b": False}
    for unknown in (key_id, "unknown"):
        with pytest.raises(NotFound, match=f"no key '{unknown}'") as missing:
            catalogue.keys.revoke(unknown)
        assert missing.value.code == "key_not_found"


@HERE
@pytest.mark.parametrize(("scopes", "says"), [([], "at least one scope of ask,"), (["ask", "root"], "unknown scope 'root'; there are ask,")])
def test_a_key_needs_scopes_that_exist(catalogue: Catalogue, scopes: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        catalogue.keys.create("a", [], scopes)
    assert (refused.value.code, refused.value.param) == ("invalid_request", "scopes")
    assert catalogue.keys.all() == []


@HERE
@pytest.mark.parametrize("group", ["Staff Team", "STAFF", "staff\n", "", "客户", "-staff", "s" * 65])
def test_a_group_that_no_document_can_have_is_refused(catalogue: Catalogue, group: str) -> None:
    with pytest.raises(BadInput, match="is no name of a group") as refused:
        catalogue.keys.create("a", ["staff", group], ["ask"])
    assert refused.value.param == "groups"
    assert catalogue.keys.all() == []
