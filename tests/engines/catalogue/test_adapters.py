"""Which adapter versions there are and which one is active."""

from __future__ import annotations

import pytest

from core.errors import Conflict, NotFound
from core.types import AdapterRef
from engines.catalogue import Catalogue


def register(catalogue: Catalogue, *versions: int, name: str = "compliance") -> None:
    for version in versions:
        catalogue.adapters.register(AdapterRef(name, version, f"adapters/{name}/{version}", f"digest {version}"), {"name": name, "notes": "合规"})


def states(catalogue: Catalogue) -> dict[int, str]:
    return {info.ref.version: info.state for info in catalogue.adapters.all()}


def test_versions_are_numbered_and_begin_as_candidates(catalogue: Catalogue) -> None:
    assert catalogue.adapters.next_version("compliance") == 1
    register(catalogue, 1, 2)
    register(catalogue, 7, name="loan-risk")
    assert (catalogue.adapters.next_version("compliance"), catalogue.adapters.next_version("loan-risk")) == (3, 8)
    info = catalogue.adapters.get("compliance", 2)
    assert (str(info.ref), info.ref.digest, info.state, info.manifest["notes"], info.activated_at) == ("compliance@2", "digest 2", "candidate", "合规", None)
    with pytest.raises(NotFound, match="no active adapter 'compliance'") as missing:
        catalogue.adapters.get("compliance")
    assert missing.value.code == "adapter_not_found"


def test_one_version_of_a_name_is_active(catalogue: Catalogue) -> None:
    register(catalogue, 1, 2, 3)
    register(catalogue, 4, name="loan-risk")
    catalogue.adapters.activate("loan-risk", 4)
    for version in (1, 2):
        assert catalogue.adapters.activate("compliance", version).state == "active"
    assert states(catalogue) == {1: "retired", 2: "active", 3: "candidate", 4: "active"}
    assert catalogue.adapters.get("compliance").ref.version == 2
    catalogue.adapters.activate("compliance", 2)
    assert states(catalogue)[2] == "active"


def test_rollback_goes_back_to_the_version_that_was_active_before(catalogue: Catalogue) -> None:
    register(catalogue, 1, 2, 3, 4)
    with pytest.raises(NotFound, match="no earlier active version"):
        catalogue.adapters.rollback("compliance")
    for version in (2, 1, 4):
        catalogue.adapters.activate("compliance", version)
    assert catalogue.adapters.rollback("compliance").ref.version == 1
    assert states(catalogue) == {1: "active", 2: "retired", 3: "candidate", 4: "candidate"}


def test_a_second_rollback_goes_further_back_and_never_to_the_version_that_was_left(catalogue: Catalogue) -> None:
    register(catalogue, 1, 2, 3)
    for version in (1, 2, 3):
        catalogue.adapters.activate("compliance", version)
    assert [catalogue.adapters.rollback("compliance").ref.version for _ in range(2)] == [2, 1]
    with pytest.raises(NotFound, match="no earlier active version"):
        catalogue.adapters.rollback("compliance")
    assert states(catalogue) == {1: "active", 2: "candidate", 3: "candidate"}
    catalogue.adapters.activate("compliance", 3)
    assert catalogue.adapters.rollback("compliance").ref.version == 1


def test_a_candidate_that_passed_is_gated_and_stays_so_through_activation_and_rollback(catalogue: Catalogue) -> None:
    register(catalogue, 1, 2)
    catalogue.adapters.activate("compliance", 1)
    passed = catalogue.adapters.gate("compliance", 2, {"run": "甲"}, "d" * 64)
    assert passed.state == "gated"
    assert passed.gate is not None
    assert (passed.gate.verdict, passed.gate.digest) == ({"run": "甲"}, "d" * 64)
    catalogue.adapters.activate("compliance", 2)
    assert catalogue.adapters.get("compliance").gate == passed.gate
    catalogue.adapters.rollback("compliance")
    assert states(catalogue) == {1: "active", 2: "gated"}
    # one that answers already goes on answering
    assert catalogue.adapters.gate("compliance", 1, {}, "e" * 64).state == "active"
    with pytest.raises(NotFound, match="no adapter compliance@3"):
        catalogue.adapters.gate("compliance", 3, {}, "e" * 64)


def test_a_version_is_registered_once(catalogue: Catalogue) -> None:
    register(catalogue, 1)
    with pytest.raises(Conflict, match="adapter compliance@1 is registered already") as refused:
        register(catalogue, 1)
    assert refused.value.code == "adapter_exists"


@pytest.mark.parametrize(("name", "version"), [("compliance", 2), ("other", 1)])
def test_a_version_that_is_not_there_cannot_be_active(catalogue: Catalogue, name: str, version: int) -> None:
    register(catalogue, 1)
    catalogue.adapters.activate("compliance", 1)
    with pytest.raises(NotFound, match=f"no adapter {name}@{version}"):
        catalogue.adapters.activate(name, version)
    with pytest.raises(NotFound, match=f"no adapter '{name}' version {version}"):
        catalogue.adapters.get(name, version)
    assert states(catalogue) == {1: "active"}
