"""The fit of the evidence judgement, and the judgement itself."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from assistant.evidence import EvidenceJudge, Weights, coverage, probability
from eval.evidence import Example, fit, write


@pytest.mark.parametrize(
    ("question", "passages", "expected"),
    [
        (["fee", "card"], [["fee", "card"], ["fee"]], 1.0),
        (["fee", "card"], [["fee"], ["card"]], 0.5),  # in one passage, not spread over several
        (["what", "is", "the", "fee"], [["fee"]], 1.0),  # how one asks does not count
        (["fee"], [], 0.0),
        (["what", "is"], [["fee"]], 1.0),  # nothing telling was asked
        (["年费", "多少"], [["年费"]], 1.0),
    ],
)
def test_coverage(question: list[str], passages: list[list[str]], expected: float) -> None:
    assert coverage(question, passages) == expected


def test_a_probability_by_hand() -> None:
    assert probability(Weights(0.0, 0.0, 0.0, 0.5), 0.9, 1.0) == 0.5
    # e to the power of -(-1 + 2 * 0.5 + 3 * 1/3) is 1/e
    assert probability(Weights(-1.0, 2.0, 3.0, 0.5), 0.5, 1 / 3) == pytest.approx(1 / (1 + 2.718281828**-1))


def test_the_fit_separates_what_can_be_separated_and_lets_answerable_questions_pass() -> None:
    rng = random.Random(1)
    examples = [Example(language, True, rng.uniform(0.86, 0.95), rng.uniform(0.5, 1.0)) for language in ("en", "zh") for _ in range(400)]
    examples += [Example(language, False, rng.uniform(0.74, 0.87), rng.uniform(0.0, 0.5)) for language in ("en", "zh") for _ in range(200)]
    fits = fit(examples)
    for language in ("en", "zh"):
        found = fits[language]
        assert found.over_refusal <= 0.01
        assert found.refusal >= 0.9
        assert found.count == 600


def test_weights_written_are_weights_read(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text('{"other": {}}', encoding="utf8")
    fits = fit([Example(language, good, 0.9 if good else 0.7, 0.9 if good else 0.1) for language in ("en", "zh") for good in (True, False) for _ in range(10)])
    write(fits, "abcdef0123456789" + "0" * 48, path)
    known = json.loads(path.read_text("utf8"))
    assert set(known) == {"other", "abcdef0123456789"}
    judge = EvidenceJudge({language: Weights(**values) for language, values in known["abcdef0123456789"].items()})
    assert judge.sufficient(0.9, 0.9, "en")
    assert not judge.sufficient(0.7, 0.1, "zh")


def test_an_embedder_that_was_never_fitted_leaves_the_judgement_to_the_model() -> None:
    judge = EvidenceJudge.for_embedder("f" * 64)
    assert judge.sufficient(0.1, 0.0, "en")


def test_the_word_leg_alone_is_judged_by_coverage() -> None:
    judge = EvidenceJudge({}, word_only=0.5)
    assert judge.sufficient(None, 0.5, "zh")
    assert not judge.sufficient(None, 0.4, "zh")
