"""The sample bank's documents, their facts filled in."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest

from core.metadata import parse_metadata
from examples.samplebank.facts import Fact, Facts
from examples.samplebank.sources import Element, Source, _source, load

_BANK = Facts(
    1,
    "CHF",
    {
        "bank.name": Fact("name", names=("Alder Bank", "安德银行")),
        "a.fee": Fact("money", Decimal("4")),
        "a.from": Fact("day", day=date(2026, 7, 1)),
    },
)

_TEXT = """---
id: zh-fees
file: zh/fees.docx
title: "{bank.name}收费表"
groups: [public]
language: zh
valid_from: a.from
valid_until: 2027-01-01
---
## 账户

月费为{a.fee}，
按月收取。

- 开户免费
- 销户免费

1. 第一

| 项目 | 费用 |
|---|---|
| 月费 | {a.fee} |
| 其他 | |
"""


def test_a_source_is_filled_and_taken_apart() -> None:
    source = _source("zh-fees.md", _TEXT, _BANK)
    assert (source.title, source.language, source.file) == ("安德银行收费表", "zh", "zh/fees.docx")
    assert source.metadata == {
        "id": "zh-fees",
        "title": "安德银行收费表",
        "groups": ["public"],
        "language": "zh",
        "valid_from": date(2026, 7, 1),
        "valid_until": date(2027, 1, 1),
    }
    assert source.elements == (
        Element("heading", "账户", level=2),
        Element("paragraph", "月费为4.00瑞士法郎， 按月收取。"),
        Element("item", "开户免费"),
        Element("item", "销户免费"),
        Element("item", "第一"),
        Element("table", rows=(("项目", "费用"), ("月费", "4.00瑞士法郎"), ("其他", ""))),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no front matter", r"x\.md: expected a front matter"),
        (_TEXT.replace("id: zh-fees", "colour: red\nid: zh-fees"), r"x\.md: unknown keys \['colour'\]; known are"),
        (_TEXT.replace("language: zh\n", ""), r"x\.md: the keys \['language'\] are missing"),
        (_TEXT.replace("id: zh-fees\nfile: zh/fees.docx\n", ""), r"x\.md: the keys \['file', 'id'\] are missing"),
        (_TEXT.replace("{a.fee}", "{a.fea}"), r"x\.md: unknown fact 'a\.fea'"),
    ],
    ids=["no front matter", "unknown key", "missing key", "two missing keys", "unknown fact"],
)
def test_a_bad_source_is_named(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _source("x.md", text, _BANK)


def test_a_kind_of_text_that_no_writer_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="headings, paragraphs, lists and tables, not blockquote"):
        _ = Source({}, "x.md", "> quoted\n").elements


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_document_is_complete(seed: int) -> None:
    sources = load(Facts.draw(seed))
    assert len({source.file for source in sources}) == len(sources)
    for source in sources:
        assert not re.search(r"[{}]", source.markdown + source.title + source.file), source.file
        assert source.elements
        metadata = {("document_id" if key == "id" else key): value for key, value in source.metadata.items()}
        parse_metadata(metadata, source.file)
    assert {source.language for source in sources} == {"en", "zh"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_later_versions_of_a_document_apply_later_to_the_same_readers(seed: int) -> None:
    versions: dict[str, list[Source]] = {}
    for source in load(Facts.draw(seed)):
        versions.setdefault(source.metadata["id"], []).append(source)
    several = [each for each in versions.values() if len(each) > 1]
    assert several
    for each in several:
        days = [source.metadata["valid_from"] for source in each]
        assert days == sorted(set(days))
        assert all(source.metadata["groups"] == each[0].metadata["groups"] and source.title == each[0].title for source in each)
