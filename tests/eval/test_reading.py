"""Third-party formats, on small files of the same shape written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from eval.reading import cmrc2018, squad2, tatqa
from eval.table import third_party


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")
    return path


def squad_like(articles: int) -> dict[str, Any]:
    def paragraph(article: int, number: int) -> dict[str, Any]:
        questions = [
            {
                "id": f"{article}-{number}-a",
                "question": f"Which number has town {article}{number}?",
                "answers": [{"text": f"{article}{number}77", "answer_start": 0}],
            },
            {"id": f"{article}-{number}-u", "question": f"Who is mayor of town {article}{number}?", "answers": []},
        ]
        return {"context": f"Town {article}{number} has the number {article}{number}77.", "qas": questions}

    return {"data": [{"title": f"Towns_{article}", "paragraphs": [paragraph(article, number) for number in range(3)]} for article in range(articles)]}


def test_squad_questions_stand_among_two_distractors(tmp_path: Path) -> None:
    items = squad2(write(tmp_path / "s.json", squad_like(4)), 12, 5)
    assert len(items) == 12
    assert sum(not item.answers for item in items) == 4  # a third cannot be answered
    for item in items:
        texts = [passage.text for passage in item.passages]
        assert len(set(texts)) == 3
        holding = {number for number, text in enumerate(texts, start=1) if item.answers and item.answers[0] in text}
        assert item.gold == holding
        assert len(item.gold) == bool(item.answers)
        # one distractor is of the same article
        assert max([passage.heading for passage in item.passages].count(passage.heading) for passage in item.passages) >= 2
    assert items == squad2(tmp_path / "s.json", 12, 5)
    assert items != squad2(tmp_path / "s.json", 12, 6)


def test_chinese_questions(tmp_path: Path) -> None:
    data = {"data": [{"title": f"题{n}", "paragraphs": [{"context": f"第{n}座桥建于{1900 + n}年。", "qas": [{"id": f"q{n}", "question": f"第{n}座桥建于哪一年？", "answers": [{"text": f"{1900 + n}年", "answer_start": 5}]}]}]} for n in range(6)]}  # fmt: skip
    items = cmrc2018(write(tmp_path / "c.json", data), 6, 1)
    assert {item.language for item in items} == {"zh"}
    assert all(item.answers[0] in item.passages[next(iter(item.gold)) - 1].text for item in items)


def test_tables_become_lines_and_arithmetic_is_left_out(tmp_path: Path) -> None:
    def entry(number: int) -> dict[str, Any]:
        return {
            "table": {"table": [["", "Year ended", ""], ["", "2019", "2018"], ["Sales", f"1,{number}44", "900"], ["Other", "7", "8"]]},
            "paragraphs": [{"text": f"Note {number}."}],
            "questions": [
                {"uid": f"{number}-a", "question": "Sales in 2019?", "answer": [f"1,{number}44"], "answer_type": "span", "answer_from": "table"},
                {"uid": f"{number}-b", "question": "Change?", "answer": 12, "answer_type": "arithmetic", "answer_from": "table"},
                {"uid": f"{number}-c", "question": "Text?", "answer": ["Note"], "answer_type": "span", "answer_from": "text"},
                {"uid": f"{number}-d", "question": "Both?", "answer": ["7", "8"], "answer_type": "multi-span", "answer_from": "table"},
            ],
        }

    items = tatqa(write(tmp_path / "t.json", [entry(number) for number in range(1, 7)]), 6, 2)
    assert {item.id.split("-")[1] for item in items} == {"a"}
    gold = items[0].passages[next(iter(items[0].gold)) - 1].text.split("\n")
    assert gold[0].startswith("Sales | Year ended 2019: 1,")
    assert gold[1] == "Other | Year ended 2019: 7 | 2018: 8"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"dev_part\.json does not exist"):
        third_party(tmp_path, 3)
