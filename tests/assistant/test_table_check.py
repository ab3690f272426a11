"""Answers out of tables: the row and the column that were asked about."""

from __future__ import annotations

import pytest

from assistant.ground import Checker
from assistant.table_check import check, corrected
from core.types import Passage


def passage(*lines: str) -> Passage:
    text = "\n".join(lines)
    return Passage(1, "c", "d", 1, "Rates", (), None, 0, len(text), text)


RATES = passage(
    "Term: 6 months | Standard rate: 2.50% | Rate for large deposits: 2.64%", "Term: 12 months | Standard rate: 2.70% | Rate for large deposits: 2.84%"
)
CARDS = passage(
    "Card: Regent Platinum | Annual fee: USD 405 | Foreign currency: 0.95% | Cash withdrawal: USD 5",
    "Card: Alder Debit | Annual fee: USD 12 | Foreign currency: 1.95% | Cash withdrawal: USD 3",
)
CHINESE = passage("期限: 六个月 | 标准利率: 1.20% | 大额利率: 1.35%", "期限: 一年 | 标准利率: 1.45% | 大额利率: 1.60%")
BOXES = passage("箱型: 小型 | 年租金: 90.00港元 | 押金: 245港元", "箱型: 中型 | 年租金: 243港元 | 押金: 395港元")
TERMS = passage("The rate for 6 months is 2.50%. The rate for 12 months is 2.70%.")


@pytest.mark.parametrize(
    ("question", "cited", "right", "wrong"),
    [
        pytest.param("Which standard rate does a 12-month deposit earn?", RATES, "2.70%", "2.50%", id="row by a figure"),
        pytest.param("Which standard rate does a deposit of one year earn?", RATES, "2.70%", "2.50%", id="row by the same figure in another unit"),
        pytest.param("What is the annual fee of the Regent Platinum?", CARDS, "USD 405", "USD 12", id="row by a name"),
        pytest.param("What is the foreign currency surcharge of the Alder Debit?", CARDS, "1.95%", "USD 12", id="column by its name"),
        pytest.param("How much is a cash withdrawal with the Alder Debit?", CARDS, "USD 3", "USD 5", id="row before column"),
        pytest.param("存一年定期，标准利率是多少？", CHINESE, "1.45%", "1.20%", id="Chinese row by a figure"),
        pytest.param("12个月存款的标准利率是多少？", CHINESE, "1.45%", "1.60%", id="Chinese column"),
    ],
)
def test_only_the_row_and_column_asked_about_support_an_answer(question: str, cited: Passage, right: str, wrong: str) -> None:
    assert check(right, [cited], question).passed
    found = check(wrong, [cited], question)
    assert not found.passed
    assert found.detail.startswith("from the ")


def test_a_word_that_names_the_whole_table_names_no_column_of_it() -> None:
    """The question has "rate" and "deposit" of either column, as any question about the table would."""
    rates = Passage(1, "c", "d", 1, "Term deposit rates", (), None, 0, len(RATES.text), RATES.text)
    question = "Which standard rate applied to a 12-month term deposit on 1 January 2025?"
    assert check("2.70%", [rates], question).passed
    assert check("2.84%", [rates], question).detail == "from the column Rate for large deposits; the question names standard, as the column Standard rate does"
    assert check("2.70%", [rates], "Which term deposit pays how much for 12 months?").passed


def test_the_complaint_names_both_rows() -> None:
    found = check("2.50%", [RATES], "What do 12 months earn?")
    assert found.detail == "from the row of 6 months; the question names 12, 12 months, as the row of 12 months does"


@pytest.mark.parametrize(
    ("question", "cited", "text"),
    [
        pytest.param("Which standard rate applies for more than 6 months?", RATES, "2.70%", id="a question that compares means another row than it names"),
        pytest.param("Which card but the Regent Platinum has no high fee, outside promotions?", CARDS, "USD 12", id="one that excludes"),
        pytest.param("超过六个月的标准利率是多少？", CHINESE, "1.45%", id="a Chinese one that compares"),
        pytest.param("Which card has the lower annual fee?", CARDS, "Alder Debit", id="the first column names its rows"),
        pytest.param("For which standard rate of 2.70% is the term 12 months?", RATES, "2.70%", id="a value that the question gives"),
        pytest.param("What do 12 months earn?", TERMS, "2.50%", id="running text is not a table"),
        pytest.param("What do 12 months earn?", RATES, "at most 2.50 per cent", id="words that stand nowhere to the letter"),
        pytest.param("What applies?", RATES, "2.50%", id="a question that names no row"),
        pytest.param(
            "Which standard rate does a 12-month deposit earn?",
            RATES,
            "Term: 12 months | Standard rate: 2.70% | Rate for large deposits: 2.84%",
            id="whole row",
        ),
        pytest.param("What do 12 months earn?", RATES, "", id="nothing"),
    ],
)
def test_what_cannot_be_told_passes(question: str, cited: Passage, text: str) -> None:
    assert check(text, [cited], question).passed


def test_one_fitting_passage_is_enough() -> None:
    assert check("2.50%", [RATES, TERMS], "What do 12 months earn?").passed
    assert not check("2.50%", [RATES], "What do 12 months earn?").passed


@pytest.mark.parametrize(
    ("question", "cited", "written", "right"),
    [
        pytest.param("Which standard rate does a 12-month deposit earn?", RATES, "2.50%", "2.70%", id="by a figure"),
        pytest.param("What is the annual fee of the Alder Debit?", CARDS, "USD 405", "USD 12", id="by a name"),
        pytest.param("存一年定期，标准利率是多少？", CHINESE, "1.20%", "1.45%", id="Chinese"),
        pytest.param("中型保管箱一年租金多少？", BOXES, "245港元", "243港元", id="row and column"),
        pytest.param("What is the foreign currency surcharge of the Alder Debit?", CARDS, "USD 405", "1.95%", id="row and column in English"),
    ],
)
def test_a_slip_by_a_row_is_corrected_and_said(question: str, cited: Passage, written: str, right: str) -> None:
    sentence = Checker([cited], question).check(f"{written} [1]")
    assert (sentence.text, sentence.citations, sentence.passed) == (right, (1,), True)
    assert sentence.checks[-1].name == "correction"
    assert sentence.checks[-1].detail.startswith(f"the model wrote {written}, from the row of ")


@pytest.mark.parametrize(
    ("question", "cited", "written", "right"),
    [
        pytest.param("Which standard rate do 12 months earn?", RATES, "2.55%", "2.70%", id="digits of two cells"),
        pytest.param("Which standard rate do 12 months earn?", RATES, "HKD 2.70%", "2.70%", id="a currency before a rate"),
        pytest.param("What is the annual fee of the Regent Platinum?", CARDS, "EUR 12", "USD 405", id="a currency that stands nowhere"),
    ],
)
def test_a_figure_that_stands_nowhere_is_corrected_to_the_cell_that_the_question_names(question: str, cited: Passage, written: str, right: str) -> None:
    sentence = Checker([cited], question).check(f"{written} [1]")
    assert (sentence.text, sentence.citations, sentence.passed) == (right, (1,), True)
    assert sentence.checks[-1].detail.startswith(f"the model wrote {written}, which stands nowhere; corrected to the row of ")
    assert sentence.unsupported == 0  # of what is shown


@pytest.mark.parametrize(
    ("question", "cited", "written"),
    [
        pytest.param("What do 12 months earn?", RATES, "2.55%", id="no column is named"),
        pytest.param("Which standard rate is paid?", RATES, "2.55%", id="no row is named"),
        pytest.param("Which standard rate do 12 months earn?", RATES, "about 2.55%", id="more than a figure"),
        pytest.param("Which standard rate do 12 months earn?", TERMS, "2.55%", id="no table"),
    ],
)
def test_a_figure_that_stands_nowhere_is_refused_where_the_cell_is_not_plain(question: str, cited: Passage, written: str) -> None:
    assert not Checker([cited], question).check(f"{written} [1]").passed


@pytest.mark.parametrize(
    ("question", "cited", "written"),
    [
        pytest.param("Which standard rate applies for longer than 6 months?", RATES, "2.50%", id="a question that compares"),
        pytest.param("What do deposits earn?", RATES, "2.50%", id="no row fits best"),
        pytest.param("How long does the Alder Debit take?", CARDS, "USD 405", id="no column is named: it may be wrong too"),
        pytest.param("大型以外的中型要等多久？", BOXES, "90.00港元", id="Chinese, no column is named"),
        pytest.param("What do 6 months earn?", RATES, "2.50%", id="the row is right"),
        pytest.param("What do 12 months earn?", RATES, "Standard rate: 2.50%", id="no whole cell"),
        pytest.param(
            "What do 12 months earn?", passage("Term: 6 months | Rate: 2%", "Term: 9 months | Rate: 2%", "Term: 12 months | Rate: 3%"), "2%", id="two cells"
        ),
        pytest.param("What is the fee of the Regent Platinum Alder Debit?", CARDS, "USD 405", id="two rows"),
    ],
)
def test_what_is_not_plain_is_not_corrected(question: str, cited: Passage, written: str) -> None:
    assert corrected(written, cited, question) is None


def test_a_corrected_sentence_passes_every_check_or_is_left_as_it_was() -> None:
    cited = passage("Term: 6 months | Standard rate: 2.50%", "Term: 12 months | Standard rate: none")
    sentence = Checker([cited], "Which standard rate do 12 months earn?").check("2.50% [2]")
    assert (sentence.text, sentence.passed) == ("2.50%", False)


GUIDE = passage(
    "第三条 各项指标的评级标准如下表。",
    "指标: 负债收入比 | 低风险: 不超过32% | 中风险: 超过32%，不超过39% | 高风险: 超过39%",
    "指标: 抵押率 | 低风险: 不超过60% | 中风险: 超过60%，不超过71% | 高风险: 超过71%",
)


@pytest.mark.parametrize(
    ("question", "cited", "written", "right"),
    [
        pytest.param(
            "抵押率超过多少就属于高风险？",
            GUIDE,
            "指标: 抵押率 | 低风险: 不超过32% | 中风险: 超过32%，不超过39% | 高风险: 超过39%",
            GUIDE.text.split("\n")[2],
            id="Chinese",
        ),
        pytest.param("What do 12 months earn?", RATES, "Term: 12 months | Standard rate: 2.50%", RATES.text.split("\n")[1], id="English, cut off"),
    ],
)
def test_the_name_of_one_row_before_the_figures_of_another_is_seen_and_corrected(question: str, cited: Passage, written: str, right: str) -> None:
    found = check(written, [cited], question)
    assert (found.passed, found.detail) == (False, "its cells stand in no row together")
    better = corrected(written, cited, question)
    assert better is not None
    assert better.text == right
    shown = Checker([cited], question).check(f"{written} [1]")
    assert (shown.text, shown.passed) == (right, True)


def test_a_row_of_which_cells_are_left_out_is_that_row() -> None:
    assert check("指标: 抵押率 | 高风险: 超过71%", [GUIDE], "抵押率超过多少就属于高风险？").passed
    assert check("Term: 12 months | Rate for large deposits: 2.84%", [RATES], "What do 12 months earn on large deposits?").passed
    assert not check("Term: 6 months | Standard rate: 2.50%", [RATES], "What do 12 months earn?").passed
    assert corrected("指标: 年限 | 高风险: 超过39%", GUIDE, "年限？") is None
