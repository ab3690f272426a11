"""What an owner says of a document."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DocumentRefused
from core.metadata import DOCUMENT_ID, default_document_id, metadata_digest, parse_metadata
from core.types import Metadata


def test_everything_that_can_be_said() -> None:
    values = {
        "document_id": "fees-2026.v1",
        "title": "收费表",
        "groups": ["staff", "risk", "staff"],
        "language": "zh",
        "product": "cards",
        "data_level": "confidential",
        "valid_from": "2026-07-01",
        "valid_until": date(2027, 7, 1),
    }
    assert parse_metadata(values, "fees.pdf") == Metadata(
        "fees-2026.v1", "收费表", ("risk", "staff"), "zh", "cards", "confidential", date(2026, 7, 1), date(2027, 7, 1)
    )


def test_groups_alone_are_enough() -> None:
    assert parse_metadata({"groups": ["public"]}, "a.md") == Metadata(groups=("public",), data_level="internal")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"groups": ["staff"], "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"groups": "staff"}, "groups: Input should be a valid list"),
        ({"groups": ["Staff Members"]}, "groups.0: String should match pattern"),
        ({"groups": ["staff\n"]}, "groups.0: String should match pattern"),
        ({"groups": [f"g{number}" for number in range(65)]}, "groups: List should have at most 64 items"),
        ({"groups": ["staff"], "document_id": "../secret"}, "document_id: String should match pattern"),
        ({"groups": ["staff"], "document_id": "收费表"}, "document_id: String should match pattern"),
        ({"groups": ["staff"], "document_id": "a" * 129}, "document_id: String should match pattern"),
        ({"groups": ["staff"], "title": ""}, "title: String should have at least 1 character"),
        ({"groups": ["staff"], "title": "长" * 501}, "title: String should have at most 500 characters"),
        ({"groups": ["staff"], "language": "fr"}, "language: Input should be 'en' or 'zh'"),
        ({"groups": ["staff"], "data_level": "secret"}, "data_level: Input should be 'public', 'internal', 'confidential' or 'restricted'"),
        ({"groups": ["staff"], "title": " \u200b\n "}, "title: String should have at least 1 character"),
        ({"groups": ["staff"], "title": "\ufdfa" * 30}, "title: String should have at most 500 characters"),
        ({"groups": ["staff"], "title": 7}, "title: Input should be a valid string"),
        ({"groups": ["staff"], "product": "\u3164"}, "product: String should have at least 1 character"),
        ({"groups": ["staff"], "valid_from": "2026-02-30"}, "valid_from: Input should be a valid date"),
        *(
            ({"groups": ["staff"], "valid_from": value}, "valid_from: Value error, expected a day, YYYY-MM-DD")
            for value in (0, 0.0, "0", "1782864000", True, datetime(2026, 7, 1, tzinfo=UTC), "2026-07-01T00:00:00", "20260701", "1 July")
        ),
        (
            {"groups": ["staff"], "valid_from": "2026-07-01", "valid_until": "2026-07-01"},
            "metadata: Value error, valid_until (2026-07-01) must be later than valid_from (2026-07-01)",
        ),
        ({"groups": ["staff"], "title": "", "language": "fr"}, "title: String should have at least 1 character; language: Input should be 'en' or 'zh'"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentRefused, match=re.escape(f"metadata of fees.pdf: {says}")) as refused:
        parse_metadata(values, "fees.pdf")
    assert (refused.value.code, refused.value.param) == ("bad_metadata", "metadata")


@pytest.mark.parametrize("values", [{}, {"groups": []}, {"title": "Fees"}])
def test_a_document_that_nobody_may_read_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(DocumentRefused, match=r'nobody may read it\. Give groups, such as \["staff"\]') as refused:
        parse_metadata(values, "fees.pdf")
    assert (refused.value.code, refused.value.param) == ("bad_metadata", "groups")


def test_title_and_product_are_one_line_without_what_is_not_seen() -> None:
    found = parse_metadata({"groups": ["staff"], "title": "Fees\n\tand \u202erates\u200b", "product": " Ｃards "}, "fees.pdf")
    assert (found.title, found.product) == ("Fees and rates", "Cards")


def test_an_uploader_gives_a_document_to_his_own_groups_and_to_everybody() -> None:
    own = frozenset({"staff", "public"})
    for groups in (["staff"], ["public"], ["public", "staff"]):
        assert parse_metadata({"groups": groups}, "a.md", own).groups == tuple(groups)
    with pytest.raises(DocumentRefused, match="this key is not of the group risk; it can give public, staff") as refused:
        parse_metadata({"groups": ["staff", "risk"]}, "a.md", own)
    assert (refused.value.code, refused.value.param) == ("bad_metadata", "groups")


def test_the_digest_changes_with_every_field() -> None:
    same = Metadata("a", "b", ("staff",), "en", "c", "public", date(2026, 1, 1), date(2027, 1, 1))
    assert metadata_digest(same) == metadata_digest(Metadata("a", "b", ("staff",), "en", "c", "public", date(2026, 1, 1), date(2027, 1, 1)))
    others = [
        Metadata(),
        Metadata("A", "b", ("staff",), "en", "c", "public", date(2026, 1, 1), date(2027, 1, 1)),
        Metadata("a", "b", ("risk", "staff"), "en", "c", "public", date(2026, 1, 1), date(2027, 1, 1)),
        Metadata("a", "b", ("staff",), "en", "c", "public", date(2026, 1, 1), None),
    ]
    assert len({metadata_digest(metadata) for metadata in [same, *others]}) == 5


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("cards/Fees 2026.pdf", "cards-fees-2026-[0-9a-f]{8}"),
        ("收费表.pdf", "[0-9a-f]{8}"),
        ("政策/KYC 办法.docx", "kyc-[0-9a-f]{8}"),
        ("a" * 100 + ".md", "a{60}-[0-9a-f]{8}"),
        ("archive.tar.gz", "archive-tar-[0-9a-f]{8}"),
    ],
)
def test_a_path_makes_a_readable_id(path: str, pattern: str) -> None:
    assert re.fullmatch(pattern, default_document_id(path))


def test_paths_that_differ_anyhow_get_different_ids() -> None:
    paths = ["收费表.pdf", "利率表.pdf", "a/b.pdf", "a-b.pdf", "a b.pdf", "A/B.pdf", "a/b.docx"]
    assert len({default_document_id(path) for path in paths}) == len(paths)
    assert default_document_id("收费表.pdf") == default_document_id("收费表.pdf")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1).filter(lambda name: name not in (".", "..")))
def test_every_file_name_makes_an_id_that_metadata_accepts(name: str) -> None:
    identifier = default_document_id(f"folder/{name}")
    assert re.fullmatch(DOCUMENT_ID, identifier)
    assert parse_metadata({"document_id": identifier, "groups": ["staff"]}, name).document_id == identifier
