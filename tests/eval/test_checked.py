"""What the checks make of answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import BadInput
from core.prompts import PromptPassage
from eval.checked import Counts, count
from eval.reading import ReadingItem

RATES = PromptPassage("Term deposit rates", "Term: 6 months | Standard rate: 2.50%\nTerm: 12 months | Standard rate: 2.70%")
ITEM = ReadingItem("q", "en", "Which standard rate do 12 months earn?", (RATES,), frozenset({1}), ("2.70%",))


def test_right_wrong_and_corrected_answers_are_counted(tmp_path: Path) -> None:
    answers = [("2.70%", [1], False), ("2.50%", [1], False), ("3.10%", [], False), ("anything", [1], False), ("", [], True)]
    file = tmp_path / "answers.jsonl"
    lines = [{"set": "squad2", "arm": "a", "id": "q", "answer": text, "citations": marks, "refused": refused} for text, marks, refused in answers]
    other = {**lines[0], "set": "bank, compliance, en", "id": "another"}
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, other]), "utf8")
    # the second is a slip by a row and corrected; the third cites nothing and the fourth says words from nowhere
    assert count(file, {"squad2": [ITEM]}) == {("squad2", "a"): Counts(right=1, wrong=3, right_after=2, corrected=1, wrong_after=0)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"set": "squad2"}', "line 1 of .* is no answer"),
        ("nonsense", "line 1 of .* is no answer"),
        (
            '{"set": "squad2", "arm": "a", "id": "x", "answer": "y", "citations": [], "refused": false}',
            "answers question 'x', which is not among those of squad2",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(line, "utf8")
    with pytest.raises(BadInput, match=said):
        count(file, {"squad2": [ITEM]})
    with pytest.raises(BadInput, match="cannot be read"):
        count(tmp_path / "none", {})
