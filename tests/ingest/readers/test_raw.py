"""How a table becomes lines that each carry their column names."""

from __future__ import annotations

import pytest

from ingest.readers.raw import heading, list_item, paragraph, table


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        pytest.param([["Account", "Fee"], ["Basic", "4"], ["Plus", "0"]], ["Account: Basic | Fee: 4", "Account: Plus | Fee: 0"], id="one header row"),
        pytest.param([["only", "row"]], ["only | row"], id="one row has no header"),
        pytest.param([["产品", "利率"], ["活期", ""], ["", "1%"]], ["产品: 活期", "利率: 1%"], id="empty cells are left out"),
        pytest.param([["A", "B"], ["1", "2", "3"], ["4"]], ["A: 1 | B: 2 | 3", "A: 4"], id="rows of other lengths"),
        pytest.param([["A", "B"], ["A", "2"]], ["A | B: 2"], id="a cell that repeats its name"),
        pytest.param([["", "2025", "2026"], ["Income", "1", "2"]], ["Income | 2025: 1 | 2026: 2"], id="an empty corner"),
        pytest.param(
            [["", "CHF", "CHF"], ["", "2025", "2026"], ["Income", "1", "2"]], ["Income | CHF 2025: 1 | CHF 2026: 2"], id="two header rows below an empty corner"
        ),
        pytest.param(
            [["Product", "Rate", "Rate"], ["Product", "2025", "2026"], ["Loan", "3%", "4%"]],
            ["Product: Loan | Rate 2025: 3% | Rate 2026: 4%"],
            id="merged corner",
        ),
        pytest.param(
            [["产品", "年利率", "年利率"], ["", "个人", "企业"], ["活期", "1%", "2%"]],
            ["产品: 活期 | 年利率 个人: 1% | 年利率 企业: 2%"],
            id="merged corner, shown once",
        ),
        pytest.param([["Fees", "Fees"], ["Account", "Monthly"], ["Basic", "4"]], ["Fees Account: Basic | Fees Monthly: 4"], id="a title over all columns"),
        pytest.param(
            [["Item", "Amount", "Amount"], ["Basic", "4", "5"], ["Plus", "1", "2"]],
            ["Item: Basic | Amount: 4 | Amount: 5", "Item: Plus | Amount: 1 | Amount: 2"],
            id="two columns of one name",
        ),
    ],
)
def test_each_row_becomes_a_line_with_its_column_names(cells: list[list[str]], text: list[str]) -> None:
    assert table(cells).text.splitlines() == text


def test_texts_are_normalised_and_on_one_line() -> None:
    assert paragraph("  １２％\r\n of\u200b it ", 3).text == "12% of it"
    assert list_item("a\nb").text == "a b"
    assert [heading("x", level).level for level in (-1, 0, 1, 6, 9)] == [1, 1, 1, 6, 6]
    assert table([["A\nB", "C"], ["1\n2", "3"]], 7).text == "A B: 1 2 | C: 3"
