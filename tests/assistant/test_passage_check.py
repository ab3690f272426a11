"""Does an answer cite the passage that was asked about? The words behind each case are counted by hand."""

from __future__ import annotations

from assistant.ground import Checker
from assistant.passage_check import check
from core.types import Passage


def passage(rank: int, title: str, text: str) -> Passage:
    return Passage(rank, f"c{rank}", f"d{rank}", 1, title, (), None, 0, len(text), text)


RATES = passage(1, "Term deposit rates", "Term: 12 months | Standard rate: 2.70% | Rate for large deposits: 2.83%")
BOXES = passage(2, "Safe deposit boxes", "Size: Large | Height: 20 cm | Rent per year: USD 187.50")
RENT = "What is the yearly rent of a large safe deposit box?"  # large, deposit of RATES; year, rent, large, safe, deposit, box of BOXES


def test_a_passage_that_another_fits_better_than_fails() -> None:
    found = check([RATES], [RATES, BOXES], RENT)
    assert not found.passed
    assert found.detail == "another passage, of Safe deposit boxes, has box, rent, safe, year of the question"
    sentence = Checker([RATES, BOXES], RENT).check("2.83% [1]")
    assert "passage" in [one.name for one in sentence.checks if not one.passed]


def test_what_fits_about_as_well_passes() -> None:
    assert check([BOXES], [RATES, BOXES], RENT).passed
    assert check([RATES], [RATES, BOXES], "Which deposit is safe?").passed  # one word more
    assert check([RATES, BOXES], [RATES, BOXES], RENT).passed  # one of those cited is enough
    assert check([RATES], [RATES], RENT).passed
    assert check([], [RATES, BOXES], RENT).passed
    assert check([RATES], [RATES, BOXES], "大号保管箱的年租金是多少？").passed  # nothing to compare between languages


def test_what_is_added_from_another_passage_may_be_about_anything() -> None:
    checker = Checker([RATES, BOXES], RENT)
    assert checker.check("USD 187.50 [2]").passed
    assert checker.check("Standard rate: 2.70% [1]").passed


def test_a_figure_of_the_right_passage_under_the_wrong_marker_is_cited_anew_and_said() -> None:
    sentence = Checker([RATES, BOXES], RENT).check("USD 187.50 [1]")
    assert (sentence.text, sentence.citations, sentence.passed) == ("USD 187.50", (2,), True)
    assert sentence.checks[-1].name == "correction"
    assert sentence.checks[-1].detail == "the model cited passage 1; the question fits passage 2"
    # and with the figure of the cell that the question names, where the model's stands nowhere
    nowhere = Checker([RATES, BOXES], RENT).check("USD 187.00 [1]")
    assert (nowhere.text, nowhere.citations) == ("USD 187.50", (2,))
    assert [check.detail for check in nowhere.checks if check.name == "correction"] == [
        "the model wrote USD 187.00, which stands nowhere; corrected to the row of Large",
        "the model cited passage 1; the question fits passage 2",
    ]


def test_what_the_better_passage_does_not_state_stays_refused() -> None:
    twins = [RATES, BOXES, BOXES]
    assert not Checker([RATES, BOXES], RENT).check("2.83% [1]").passed
    assert not Checker(twins, RENT).check("USD 187.50 [1]").passed  # two passages fit equally well
