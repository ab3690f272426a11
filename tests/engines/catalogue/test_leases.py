"""Leases: one holder at a time, and a dead one gives way."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import Catalogue as CatalogueSettings
from engines.catalogue import Catalogue


def test_one_process_holds_a_lease_until_it_gives_it_back(catalogue: Catalogue, tmp_path: Path, place: CatalogueSettings) -> None:
    other = Catalogue.open(tmp_path, place)
    with catalogue.leases.hold("index", 600) as mine, other.leases.hold("index", 600) as theirs, other.leases.hold("another", 600) as free:
        assert (mine, theirs, free) == (True, False, True)
    with other.leases.hold("index", 600) as theirs:
        assert theirs
    other.close()


def test_a_lease_is_given_back_after_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.leases.hold("index", 600):
        raise RuntimeError
    with catalogue.leases.hold("index", 600) as mine:
        assert mine


def test_a_lease_that_ran_out_gives_way_and_its_old_holder_takes_nothing_back(catalogue: Catalogue) -> None:
    with catalogue.leases.hold("index", -1) as late:
        assert late
        with catalogue.leases.hold("index", 600) as mine:
            assert mine
            with catalogue.leases.hold("index", -1) as third:
                assert not third
    with catalogue.leases.hold("index", -1) as outer:
        assert outer
        inner = catalogue.leases.hold("index", 600)
        assert inner.__enter__()
    with catalogue.leases.hold("index", 600) as mine:
        assert not mine  # the outer one, which had run out, left the inner one's alone
    inner.__exit__(None, None, None)


def test_a_lease_may_be_kept_longer_by_its_own_process_only_under_its_name(catalogue: Catalogue) -> None:
    with catalogue.leases.hold("index", -1) as mine:
        assert mine
        catalogue.leases.renew("another", 600)
        catalogue.leases.renew("index", 600)
        with catalogue.leases.hold("index", 600) as late:
            assert not late
    with catalogue.leases.hold("index", 600) as free:
        assert free
