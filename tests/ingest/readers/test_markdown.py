"""Markdown: structure, nesting, tables, raw HTML."""

from __future__ import annotations

from ingest.readers.markdown import read_markdown
from tests.ingest.readers.lines import lines


def test_structure_becomes_blocks_in_reading_order() -> None:
    content = """\
# Savings *account*

Interest is **2.75%** a year,
paid on [31 December](https://bank.example/x).

## 利率表

| 产品 | 年利率 |
|:-----|------:|
| 活期 | 0.2% |
| 定期 \\| 一年 | 1.5% |

> Rates may change.

---

    CODE = 7
"""
    assert lines(read_markdown, content.encode()) == [
        "h1 Savings account",
        "p Interest is 2.75% a year, paid on 31 December.",
        "h2 利率表",
        "t 产品: 活期 | 年利率: 0.2% / 产品: 定期 | 一年 | 年利率: 1.5%",
        "p Rates may change.",
        "p CODE = 7",
    ]


def test_nested_lists_give_an_item_each() -> None:
    content = "- one\n  - inner one\n    1. deepest\n  - inner two\n- two\n  goes on\n\n  and on\n"
    assert lines(read_markdown, content.encode()) == ["li one", "li inner one", "li deepest", "li inner two", "li two goes on and on"]


def test_what_stands_in_a_list_item_is_kept_as_what_it_is() -> None:
    content = "- Rates:\n\n  | Term | Rate |\n  |---|---|\n  | 1 year | 1.5% |\n\n  ```\n  FORM 12-A\n  ```\n\n  > quoted\n"
    assert lines(read_markdown, content.encode()) == ["li Rates:", "t Term: 1 year | Rate: 1.5%", "p FORM 12-A", "p quoted"]


def test_raw_html_is_left_out_and_escapes_are_undone() -> None:
    content = "<div>hidden</div>\n\nA\\_B &amp; <script>alert(1)</script>C <b>D</b>\n\n<!-- note -->\n"
    assert lines(read_markdown, content.encode()) == ["p A_B & alert(1)C D"]


def test_deep_nesting_ends_instead_of_crashing() -> None:
    assert len(lines(read_markdown, b"before\n\n" + b"> " * 5_000 + b"x\n\n" + b"- " * 5_000 + b"y")) >= 1
