"""Loan ratings: every line's comparison is computed again."""

from __future__ import annotations

import pytest

from assistant.rating import RatingChecker, before_rating, structured
from core.types import Passage

_TABLE = (
    "Measure: Debt-to-income ratio | Low: at most 31% | Medium: above 31%, at most 43% | High: above 43%\n"
    "Measure: Years in employment | Low: at least 5 | Medium: at least 2, fewer than 5 | High: fewer than 2\n"
    "Measure: Missed payments | Low: at most 0 | Medium: above 0, at most 2 | High: above 2"
)
_CLAUSES = "第五条 负债收入比：不超过31%的为低风险；超过31%但不超过43%的为中风险；超过43%的为高风险。\n第六条 工作年限：不少于5的为低风险；不少于2但少于5的为中风险；少于2的为高风险。"
_ROWS = "Rating: Low | LTV: up to 60%\nRating: Medium | LTV: over 60% and up to 80%\nRating: High | LTV: over 80%"
QUESTION = "Rate: debt-to-income ratio 46%, 5 years in employment, 1 missed payment. LTV 80%. 负债收入比40%，工作年限3年。"


def checker() -> RatingChecker:
    texts = (_TABLE, _CLAUSES, _ROWS)
    return RatingChecker([Passage(n, f"c{n}", f"d{n}", 1, "Guide", (), None, 0, len(text), text) for n, text in enumerate(texts, 1)], QUESTION)


@pytest.mark.parametrize(
    "line",
    [
        "Debt-to-income ratio 46%: high, above 43% [1]",
        "Years in employment 5: low, at least 5 [1]",
        "Missed payments 1: medium, above 0, at most 2 [1]",
        "负债收入比40%：中，超过31%但不超过43% [2]",
        "工作年限3：中，不少于2但少于5 [2]",
        "LTV 80%: medium, over 60% and up to 80% [3]",
    ],
)
def test_a_right_line_passes(line: str) -> None:
    sentence = checker().check(line)
    assert sentence.passed, sentence.checks


@pytest.mark.parametrize(
    ("line", "failed"),
    [
        pytest.param("Loan-to-value ratio 80%: low, above 43% [1]", "limit", id="a measure that has no thresholds there"),
        pytest.param("The borrower looks fine [1]", "form", id="no line of the form"),
        pytest.param("Debt-to-income ratio 46%: high, above 43%", "form", id="no citation"),
    ],
)
def test_a_wrong_line_fails(line: str, failed: str) -> None:
    sentence = checker().check(line)
    assert failed in [check.name for check in sentence.checks if not check.passed]


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        pytest.param("Debt-to-income ratio 46%: medium, above 31%, at most 43% [1]", "Debt-to-income ratio 46%: high, above 43%", id="46 is not at most 43"),
        pytest.param("Years in employment 5: medium, at least 2, fewer than 5 [1]", "Years in employment 5: low, at least 5", id="the limit itself"),
        pytest.param("Debt-to-income ratio 46%: low, above 43% [1]", "Debt-to-income ratio 46%: high, above 43%", id="the limit of another rating"),
        pytest.param("Debt-to-income ratio 46%: high, above 44% [1]", "Debt-to-income ratio 46%: high, above 43%", id="a limit that does not exist"),
        pytest.param("负债收入比40%：高，超过31%但不超过43% [2]", "负债收入比40%：中，超过31%但不超过43%", id="Chinese, the limit of another rating"),
        pytest.param("工作年限3：低，不少于5 [2]", "工作年限3：中，不少于2但少于5", id="Chinese, a wrong comparison"),
        pytest.param("Debt-to-income ratio 47%: high, above 43% [1]", "Debt-to-income ratio 46%: high, above 43%", id="a figure that was not given"),
        pytest.param("Debt-to-income ratio 80%: high, above 43% [1]", "Debt-to-income ratio 46%: high, above 43%", id="another measure's figure"),
        pytest.param("Debt-to-income ratio 46%: high, above 43% [2]", "Debt-to-income ratio 46%: high, above 43%", id="cited from another passage"),
        pytest.param("LTV 80%: high, over 80% [3]", "LTV 80%: medium, over 60% and up to 80%", id="80 is not over 80"),
        pytest.param("LTV 80%: low, over 60% and up to 80% [3]", "LTV 80%: medium, over 60% and up to 80%", id="row of another rating"),
    ],
)
def test_a_wrong_rating_of_a_right_figure_is_corrected_by_the_cited_thresholds(line: str, corrected: str) -> None:
    sentence = checker().check(line)
    assert sentence.passed, sentence.checks
    assert sentence.text == corrected
    assert sentence.checks[-1].name == "correction"
    assert sentence.checks[-1].detail.startswith("the model wrote ")


@pytest.mark.parametrize(
    ("line", "echo"),
    [
        ("风险评级应是多少：低，不少于2 [1]", True),
        ("抵押率：低，不超过36% [1]", False),
        ("风险评级应是多少46%：低，不少于2 [1]", False),
        ("Years: low, at least 2 [1]", False),
        ("Rating: low", False),
    ],
)
def test_a_line_that_only_repeats_the_application_is_told_apart(line: str, echo: bool) -> None:
    text = "指标: 抵押率 | 低风险: 不超过36% | 高风险: 超过36%"
    ratings = RatingChecker([Passage(1, "c", "d", 1, "指引", (), None, 0, len(text), text)], "抵押率30%，风险评级应是多少？")
    assert ratings.echoes(line) is echo


def test_a_rating_behind_corrected_reasons_follows_them_and_says_so() -> None:
    ratings = checker()
    for line in ("Debt-to-income ratio 46%: low, at most 31% [1]", "Years in employment 5: low, at least 5 [1]", "Missed payments 1: low, at most 0 [1]"):
        assert ratings.check(line).passed
    rating = ratings.check("Rating: low")
    assert (rating.text, ratings.rating) == ("Rating: high", "high")
    assert rating.checks[-1].detail == "the model wrote low; the worst of the corrected reasons is high"
    draft = " Debt-to-income ratio 46%: low, at most 31% [1]\nYears in employment 5: low, at least 5 [1]\nMissed payments 1: low, at most 0 [1]\nRating: low"
    assert before_rating(ratings.as_corrected(draft)) == (
        " Debt-to-income ratio 46%: high, above 43% [1]\nYears in employment 5: low, at least 5 [1]\nMissed payments 1: medium, above 0, at most 2 [1]\nRating:",
        (" low", " medium", " high"),
    )


def test_a_figure_stands_for_one_measure_and_every_named_measure_is_rated() -> None:
    table = "Measure: Ratio | Low: at most 31% | High: above 31%\nMeasure: Cover | Low: at most 60% | High: above 60%"
    passages = [Passage(1, "c", "d", 1, "Guide", (), None, 0, len(table), table)]
    ratings = RatingChecker(passages, "Ratio of 28%, cover 85%")
    assert ratings.check("Ratio 28%: low, at most 31% [1]").passed
    taken = ratings.check("Cover 28%: low, at most 60% [1]")
    assert taken.text == "Cover 85%: high, above 60%"
    assert (
        taken.checks[-1].detail == "the model wrote Cover 28%: low, at most 60% [1]; by the application and the thresholds it is Cover 85%: high, above 60% [1]"
    )
    otherwise = RatingChecker(passages, "28% of income, 85% of the value")
    unnamed = otherwise.check("Ratio 28%: low, at most 31% [1]")
    assert [(check.name, check.detail) for check in unnamed.checks if not check.passed] == [("input", "the application names no figure for Ratio")]
    missing = RatingChecker(passages, "Ratio of 28%, cover 85%")
    assert missing.check("Ratio 28%: low, at most 31% [1]").passed
    assert [(check.name, check.detail) for check in missing.check("Rating: low").checks if not check.passed] == [
        ("complete", "Cover is in the thresholds, and is not rated")
    ]
    twice = RatingChecker(passages, "Ratio of 28%, 28 months")
    for _ in range(2):
        twice.check("Ratio 28%: low, at most 31% [1]")
    assert [(check.name, check.detail) for check in twice.check("Rating: low").checks if not check.passed] == [("complete", "ratio is rated twice")]


@pytest.mark.parametrize(
    ("passage", "line"),
    [
        pytest.param("Measure: Ratio | High: above 43%\nTerm 4 years", "Quota 46%: high, above 4 [1]", id="fewer digits"),
        pytest.param("Measure: Ratio | High: above 43%\nTerm 43 years", "Quota 46%: high, above 43 [1]", id="no per cent"),
        pytest.param("Measure: Ratio | High: above 4.5\nTerm 4 years", "Quota 46%: high, above 4 [1]", id="no fraction"),
        pytest.param("Measure: Ratio | High: no more than 5%", "Quota 46%: high, more than 5% [1]", id="its opposite"),
        pytest.param("不超过31%的为低风险。", "配额46%：低，超过31% [1]", id="its opposite in Chinese"),
    ],
)
def test_a_piece_of_a_limit_is_not_the_limit(passage: str, line: str) -> None:
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(passage), passage)], "Quota 46%, 配额46%")  # whose thresholds are not there
    assert "limit" in [check.name for check in ratings.check(line).checks if not check.passed]


def test_a_limit_behind_letters_stands_for_itself() -> None:
    text = "LTV超过80%的为高风险。"
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(text), text)], "LTV 85%")
    assert ratings.check("LTV 85%：高，超过80% [1]").passed


@pytest.mark.parametrize("words", ["above 1.2.3", "above 1.2.3, at most 80%", "above 1,2", "above 1,2,3"])
def test_a_number_that_is_none_is_no_limit(words: str) -> None:
    text = f"Ratio: High: {words}"
    ratings = RatingChecker([Passage(1, "c", "d", 1, "Guide", (), None, 0, len(text), text)], "Ratio 46%")
    assert "comparison" in [check.name for check in ratings.check(f"Ratio 46%: high, {words} [1]").checks if not check.passed]


def test_the_rating_is_the_worst_of_its_reasons() -> None:
    ratings = RatingChecker(checker().passages, "5 years in employment, missed payments: 1")
    ratings.check("Years in employment 5: low, at least 5 [1]")
    ratings.check("Missed payments 1: medium, above 0, at most 2 [1]")
    assert not ratings.check("Rating: low").passed
    assert not ratings.check("Rating: high").passed
    assert ratings.check("Rating: medium").passed
    assert structured(ratings, {"low": 0.125, "medium": 0.75, "high": 0.125}) == {
        "rating": "medium",
        "probabilities": {"low": 0.125, "medium": 0.75, "high": 0.125},
        "reasons": [
            {"measure": "Years in employment", "value": "5", "rating": "low", "limit": "at least 5", "citation": 1},
            {"measure": "Missed payments", "value": "1", "rating": "medium", "limit": "above 0, at most 2", "citation": 1},
        ],
        "decision_support": True,
    }


def test_nothing_may_follow_the_rating() -> None:
    """Else a proposal could be low and name a high risk below."""
    ratings = RatingChecker(checker().passages, "5 years in employment")
    ratings.check("Years in employment 5: low, at least 5 [1]")
    assert ratings.check("Rating: low").passed
    late = ratings.check("Debt-to-income ratio 46%: high, above 43% [1]")
    assert [check.name for check in late.checks if not check.passed] == ["form"]
    assert len(ratings.reasons) == 1


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("负债收入比30%：低，不超过36% [1]", True),
        ("负债收入比40%：中，超过36%，不超过43% [1]", True),
        ("负债收入比46%：高，超过43% [1]", True),
        ("负债收入比30%：中，不超过36% [1]", False),
        ("负债收入比46%：中，超过43% [1]", False),
    ],
)
def test_a_limit_in_a_chinese_table_belongs_to_its_own_column(line: str, passes: bool) -> None:
    text = "指标: 负债收入比 | 低风险: 不超过36% | 中风险: 超过36%，不超过43% | 高风险: 超过43%"
    ratings = RatingChecker([Passage(1, "c", "d", 1, "指引", (), None, 0, len(text), text)], line.partition("：")[0])
    sentence = ratings.check(line)
    assert sentence.passed
    assert (sentence.text == line.removesuffix(" [1]")) is passes  # else corrected


def test_a_rating_without_reasons_fails() -> None:
    assert not checker().check("Rating: low").passed


def test_the_labels_that_could_follow() -> None:
    assert before_rating(" DTI 46%: high, above 43% [1]\nRating: high") == (" DTI 46%: high, above 43% [1]\nRating:", (" low", " medium", " high"))
    assert before_rating("负债收入比40%：中，超过31% [1]\n评级：中") == ("负债收入比40%：中，超过31% [1]\n评级：", ("低", "中", "高"))
    assert before_rating(" Not in the documents.") is None
