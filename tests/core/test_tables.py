"""Tables as lines of text."""

from __future__ import annotations

import pytest

from core.text.tables import header_and_rows, is_pipe_table, pipe_rows, table_lines


def test_every_cell_stands_beside_its_column() -> None:
    header = ["Account", "Monthly  fee"]
    assert list(table_lines(header, [["Basic", "CHF\n4.00"], ["Youth", "free"]])) == [
        "Account: Basic | Monthly fee: CHF 4.00",
        "Account: Youth | Monthly fee: free",
    ]
    assert list(table_lines(["账户", "月费"], [["基本账户", "4.00元"]])) == ["账户: 基本账户 | 月费: 4.00元"]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (["A", "B"], ["", "x"], ["B: x"]),
        (["A", "B"], [" ", ""], []),
        (["A"], ["x", "y"], ["A: x | y"]),
        (["A", "B"], ["x"], ["A: x"]),
        (["", "B"], ["x", "B"], ["x | B"]),
        ([], ["x"], ["x"]),
        ([], [], []),
    ],
    ids=["empty cell", "empty row", "long row", "short row", "no name or the name again", "no header", "nothing"],
)
def test_uneven_rows(header: list[str], row: list[str], expected: list[str]) -> None:
    assert list(table_lines(header, [row])) == expected


@pytest.mark.parametrize(
    ("cells", "header", "rows"),
    [
        ([], [], []),
        ([["A", "B"]], ["A", "B"], []),
        ([["A", "B"], ["1", "2"]], ["A", "B"], [["1", "2"]]),
        ([["", "Fee"], ["", "monthly"], ["Basic", "4"]], ["", "Fee monthly"], [["Basic", "4"]]),
        ([["", "费用"], ["", "每月", "每年"], ["基本", "4", "40"]], ["", "费用 每月", "每年"], [["基本", "4", "40"]]),
        ([["", "Fee"], ["Basic", "4"], ["", "5"]], ["", "Fee"], [["Basic", "4"], ["", "5"]]),
        ([["", "a"], ["", "b"]], ["", "a"], [["", "b"]]),
        ([["Account", "Fee", "Fee"], ["Account", "monthly", "yearly"], ["Basic", "4", "40"]], ["Account", "Fee monthly", "Fee yearly"], [["Basic", "4", "40"]]),
        ([["账户", "费用", "费用"], ["", "每月", "每年"], ["基本", "4", "40"]], ["账户", "费用 每月", "费用 每年"], [["基本", "4", "40"]]),
        ([["Year", "Fee", "Fee"], ["Basic", "4", "5"], ["Plus", "6", "7"]], ["Year", "Fee", "Fee"], [["Basic", "4", "5"], ["Plus", "6", "7"]]),
        ([[], ["A"], ["1"]], ["A"], [["1"]]),
    ],
    ids=[
        "nothing",
        "header only",
        "plain",
        "two header rows",
        "Chinese and uneven",
        "one header row",
        "a row is left",
        "a spanning name",
        "a Chinese spanning name",
        "figures are no header",
        "an empty row",
    ],
)
def test_a_header_may_have_several_rows(cells: list[list[str]], header: list[str], rows: list[list[str]]) -> None:
    assert header_and_rows(cells) == (header, rows)


def test_a_pipe_table_is_read_without_its_separator() -> None:
    lines = ["| Account | Fee |", "|:--|--:|", r"| Basic \| Plus | CHF 4.00 |", "基本 | 4.00元", "| empty | |"]
    assert is_pipe_table(lines)
    assert pipe_rows(lines) == [["Account", "Fee"], ["Basic | Plus", "CHF 4.00"], ["基本", "4.00元"], ["empty", ""]]


@pytest.mark.parametrize(
    "lines",
    [[], ["| a | b |"], ["| a | b |", "| c | d |"], ["a", "---"], ["|---|---|", "| a | b |"]],
    ids=["none", "one line", "no separator", "a heading", "separator first"],
)
def test_no_pipe_table(lines: list[str]) -> None:
    assert not is_pipe_table(lines)


def test_a_cell_that_ends_in_an_escaped_pipe_keeps_it() -> None:
    assert pipe_rows([r"| a | b \|"]) == [["a", "b |"]]
