"""Plain text files: charsets, headings, bullets, clauses."""

from __future__ import annotations

import codecs

import pytest

from core.errors import DocumentRefused
from ingest.readers.raw import Limits
from ingest.readers.text import decode, read_text
from tests.ingest.readers.lines import LIMITS, lines

ZH = "第一条 本办法适用于全行各分支机构。\n第二条 贷款年利率不得低于百分之三点五。"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("Fee: CHF 4.00 – 存款".encode(), "Fee: CHF 4.00 – 存款", id="utf-8"),
        pytest.param(codecs.BOM_UTF8 + b"Fee", "Fee", id="utf-8 with mark"),
        pytest.param(ZH.encode("gb18030"), ZH, id="gb18030"),
        pytest.param("利率".encode("gb18030"), "利率", id="gb18030, two characters"),
        pytest.param("个人住房贷款".encode("gbk"), "个人住房贷款", id="gbk, a title"),
        pytest.param("年费120元。Annual fee.".encode("gb18030"), "年费120元。Annual fee.", id="gb18030, both languages"),
        pytest.param(ZH.encode("utf-16"), ZH, id="utf-16 with mark"),
        pytest.param("Gebühr für Auslandszahlungen: 5 €".encode("cp1252"), "Gebühr für Auslandszahlungen: 5 €", id="windows-1252"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_a_file_is_read_in_the_charset_that_it_is_in(content: bytes, text: str) -> None:
    assert decode(content, LIMITS) == text


@pytest.mark.parametrize(
    ("content", "limits", "code", "says"),
    [
        pytest.param(b"MZ\x00\x01binary", LIMITS, "wrong_type", "zero bytes", id="zero bytes"),
        pytest.param("贷款利率".encode(), Limits(1, 3), "too_large", "4 characters, more than the limit of 3", id="too long"),
        pytest.param(bytes(range(128, 256)) * 3, LIMITS, "unreadable", "save it as UTF-8", id="no charset"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, limits: Limits, code: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        decode(content, limits)
    assert refused.value.code == code


def test_a_limit_is_the_longest_text_that_passes() -> None:
    assert decode("贷款利率".encode(), Limits(1, 4)) == "贷款利率"


def test_headings_bullets_and_clauses_begin_blocks() -> None:
    content = """\
Fee schedule
============

These fees apply
from 1 July 2026.

Cards
-----
- Standard card: CHF 30.00
  per year
* Gold card: CHF 90.00

LATE PAYMENT

4.1 A reminder costs CHF 20.00.
4.2 Interest is 12%
per year.
(a) from the due date;
NOT A HEADING.

第一章 总则
第一条 本办法适用于
全行。
• 自动还款
"""
    assert lines(read_text, content.encode()) == [
        "h1 Fee schedule",
        "p These fees apply from 1 July 2026.",
        "h2 Cards",
        "li Standard card: CHF 30.00 per year",
        "li Gold card: CHF 90.00",
        "h2 LATE PAYMENT",
        "p 4.1 A reminder costs CHF 20.00.",
        "p 4.2 Interest is 12% per year.",
        "p (a) from the due date; NOT A HEADING.",
        "p 第一章 总则",
        "p 第一条 本办法适用于 全行。",
        "li 自动还款",
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"=====\n-----\n"], ids=["empty", "blank", "rules only"])
def test_a_file_without_words_has_no_blocks(content: bytes) -> None:
    assert lines(read_text, content) == []


def test_hidden_characters_do_not_ride_along() -> None:
    assert lines(read_text, "Fee\u200b: CHF\u00a04\u202e.00\ue0041".encode()) == ["p Fee: CHF 4.00\ue0041"]
    assert lines(read_text, "１２％ 的年利率，".encode()) == ["p 12% 的年利率，"]
