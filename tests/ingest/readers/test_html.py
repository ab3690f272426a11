"""HTML: visible content in reading order, tables with spans, hidden parts left out."""

from __future__ import annotations

import pytest

from core.errors import DocumentRefused
from ingest.readers.html import read_html
from ingest.readers.raw import Limits
from tests.ingest.readers.lines import lines


def read(text: str) -> list[str]:
    return lines(read_html, text.encode())


def test_visible_content_becomes_blocks_in_reading_order() -> None:
    page = """<?xml version="1.0"?><!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><body>
    <nav><ul><li>Home</ul></nav>
    <h1>Fees <small>2026</small></h1>
    <p>A transfer abroad costs <b>CHF&nbsp;4.00</b>.<br>Within the country it is free.
    <ul><li>first<ul><li>inner</ul><li>第二项<p>more</ul>
    <div>loose <span>text</span><h2>利率</h2>after</div>
    <dl><dt>Term<dd>one year</dl>
    <footer>Legal notice</footer><script>var x = 1</script></body></html>"""
    assert read(page) == [
        "h1 Fees 2026",
        "p A transfer abroad costs CHF 4.00.",
        "p Within the country it is free.",
        "li first",
        "li inner",
        "li 第二项",
        "li more",
        "p loose text",
        "h2 利率",
        "p after",
        "p Term",
        "li one year",
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>SECRET</p>",
        '<p style="color:red; display : none">SECRET</p>',
        '<div style="visibility:hidden"><p>SECRET</p></div>',
        '<p aria-hidden="true">SECRET</p>',
        '<p>seen <span style="display:none">SECRET</span></p>',
        '<div role="navigation">SECRET</div>',
        "<template><p>SECRET</p></template>",
        "<!-- SECRET -->",
        "<h2>Rates <i hidden>SECRET</i></h2>",
        '<table><tr><th>A</th><th>B</th></tr><tr style="display:none"><td>SECRET</td><td>1</td></tr><tr><td>2</td><td>3</td></tr></table>',
        "<table><tr><th>A</th><th>B</th></tr><tbody hidden><tr><td>SECRET</td><td>1</td></tr></tbody></table>",
        "<table><tr><th>A</th><th>B</th></tr><tr><td>2</td><td hidden>SECRET</td></tr></table>",
        "<table><caption hidden>SECRET</caption><tr><th>A</th><th>B</th></tr><tr><td>2</td><td>3</td></tr></table>",
        f"<main hidden>{'SECRET ' * 50}</main>",
        f'<div style="display:none"><main>{"SECRET " * 50}</main></div>',
    ],
)
def test_hidden_parts_are_left_out(hidden: str) -> None:
    found = read(f"<body><p>before</p>{hidden}<p>after</p></body>")
    assert "SECRET" not in str(found)
    assert found[0] == "p before"
    assert found[-1] == "p after"


def test_only_the_main_part_of_a_page_is_read_if_it_has_one() -> None:
    assert read(f"<p>around</p><main><p>{'main ' * 60}</p></main>") == ["p " + "main " * 59 + "main"]
    assert read("<p>around</p><main><p>short</p></main>") == ["p around", "p short"]


def test_a_cell_over_several_rows_or_columns_is_in_each_of_them() -> None:
    page = """<table><caption>Rates</caption>
    <thead><tr><th rowspan=2>Product<th colspan=2>Rate per year</tr><tr><th>private<th>business</tr></thead>
    <tr><td rowspan=2>定期存款<td>1.5%<td>1.2%</tr><tr><td>1.6%<td>1.3%</tr></table>"""
    assert read(page) == [
        "p Rates",
        "t Product: 定期存款 | Rate per year private: 1.5% | Rate per year business: 1.2%"
        " / Product: 定期存款 | Rate per year private: 1.6% | Rate per year business: 1.3%",
    ]


def test_tables_for_the_layout_are_no_tables() -> None:
    assert read("<table><tr><td>one</td></tr><tr><td>two</td></tr></table>") == ["p one", "p two"]
    assert read("<table><tr><td><table><tr><th>A<th>B<tr><td>1<td>2</table></td><td>beside</td></tr></table>") == ["t A: 1 | B: 2", "p beside"]


@pytest.mark.parametrize("span", ["²", "9" * 5_000, "-1", "0", "x", ""], ids=["superscript", "5,000 digits", "negative", "zero", "letter", "empty"])
def test_a_span_that_is_no_number_is_one(span: str) -> None:
    assert read(f"<table><tr><th colspan='{span}'>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>")[0].endswith("B: 2")


def test_a_huge_span_is_cut() -> None:
    (row,) = read("<table><tr><td colspan=1000000 rowspan=1000000>A</td></tr></table>")
    assert row.count("A") == 100


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b" \n", "empty", id="empty"),
        pytest.param(b"<p>before</p>" + b"<div>" * 300 + b"lost", "Excessive depth", id="nested blocks"),
        pytest.param(b"<p>before</p>" + b"<b>" * 3_000 + b"lost", "Excessive depth", id="nested inline"),
    ],
)
def test_what_cannot_be_read_whole_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        lines(read_html, content)
    assert refused.value.code == "unreadable"


def test_entities_of_a_document_type_are_not_expanded() -> None:
    bomb = '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><p>fee &b; &f;</p>'
    assert "aaaa" not in str(read(bomb))
    assert "root:" not in str(read(bomb))


def test_a_chinese_page_in_gb18030() -> None:
    assert lines(read_html, "<html><body><p>年费120元</p></body></html>".encode("gb18030"), Limits(1, 1_000)) == ["p 年费120元"]
