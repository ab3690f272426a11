"""Hand-written training passages: what is read from a file, and what is refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.data import passages
from adapters.data.passages import PassageTemplate, Question, RenderedPassage, load_all, parse
from adapters.data.slots import Language

_ENTRY: dict[str, Any] = {
    "id": "canal",
    "heading": "The {place} Canal > Opening",
    "slots": {"place": "choice Aster | Birch", "opened": "choice 1811 | 1822", "fee": "choice 5 | 6"},
    "text": "The canal opened in {opened}.\n\n| Boat | Fee |\n|---|---|\n| Barge | {fee} |\n| Punt | |\n\nIt lies at {place}.",
    "questions": [
        {"ask": ["When did the {place} Canal open?", "opening year"], "answer": "{opened}"},
        {"ask": ["Fee for a barge?"], "answer": "{fee}"},
        {"ask": ["Where is it?"], "answer": "{place}"},
    ],
    "unanswerable": ["Who built the {place} Canal?"],
}


def _parse(entry: object, language: Language = "en") -> list[PassageTemplate]:
    return list(parse(yaml.safe_dump([entry], allow_unicode=True), language, "x.yaml"))


def test_a_template_is_rendered_with_one_value_per_slot_and_tables_as_lines() -> None:
    (template,) = _parse(_ENTRY)
    seen = set()
    for seed in range(40):
        rendered = template.render(random.Random(seed))
        year, fee, place = (question.answer for question in rendered.questions)
        assert rendered == RenderedPassage(
            "canal",
            "en",
            f"The {place} Canal > Opening",
            f"The canal opened in {year}.\nBoat: Barge | Fee: {fee}\nBoat: Punt\nIt lies at {place}.",
            (
                Question((f"When did the {place} Canal open?", "opening year"), year),
                Question(("Fee for a barge?",), fee),
                Question(("Where is it?",), place),
            ),
            (f"Who built the {place} Canal?",),
        )
        seen.add((year, fee, place))
    assert len(seen) == 8


def test_chinese_and_what_may_be_left_out() -> None:
    entry = {
        "id": "存款",
        "text": "起存金额为10元，年利率为0.5%，按季结息。",
        "questions": [{"ask": ["起存多少？"], "answer": "10元"}, {"ask": ["利率？"], "answer": "0.5%"}, {"ask": ["何时结息？"], "answer": "按季"}],
    }
    (template,) = _parse(entry, "zh")
    rendered = template.render(random.Random(1))
    assert (rendered.heading, rendered.text, rendered.unanswerable) == ("", entry["text"], ())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, r"passage canal: expected the keys \['heading', 'id'.*got \['colour'"),
        ({"questions": _ENTRY["questions"][:2]}, "passage canal: needs at least three questions"),
        ({"slots": {**_ENTRY["slots"], "spare": "person"}}, r"passage canal: slots never used in the text: \['spare'\]"),
        ({"heading": "The {lake}"}, r"passage canal: unknown slot \{lake\}; declared are \['fee', 'opened', 'place'\]"),
        ({"text": _ENTRY["text"] + " {Not-a-slot}"}, r"passage canal: not a slot: \['\{Not-a-slot\}'\]"),
        ({"questions": [*_ENTRY["questions"], {"ask": ["?"], "answer": "1833"}]}, r"passage canal: the answer '1833' does not stand in the text to the letter"),
        ({"questions": [*_ENTRY["questions"], {"ask": [], "answer": "{fee}"}]}, "passage canal: a question without a wording"),
        ({"questions": [*_ENTRY["questions"], {"ask": ["?"]}]}, "passage canal: 'answer'"),
        ({"slots": {**_ENTRY["slots"], "fee": "coins 5"}}, "passage canal: slot fee: unknown kind 'coins'"),
    ],
    ids=["unknown key", "few questions", "unused slot", "unknown slot", "no slot", "answer not in the text", "no wording", "no answer", "bad slot"],
)
def test_a_bad_passage_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"x.yaml, {says}"):
        _parse(_ENTRY | change)


def test_a_passage_without_an_id_is_named_by_its_number() -> None:
    with pytest.raises(ValueError, match="passage number 1: expected the keys"):
        _parse({key: value for key, value in _ENTRY.items() if key != "id"})


def test_an_empty_file_holds_nothing() -> None:
    assert list(parse("", "en", "x.yaml")) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_committed_passages_hold_their_answers(language: Language) -> None:
    templates = load_all(language)  # parse() has tried each with five seeds
    assert len(templates) > 100
    assert len({template.id for template in templates}) == len(templates)
    for template in templates:
        rendered = template.render(random.Random(template.id))
        assert all(question.answer in rendered.text for question in rendered.questions), template.id
        asks = [ask for question in rendered.questions for ask in question.ask]
        assert len({*asks, *rendered.unanswerable}) == len(asks) + len(rendered.unanswerable), template.id


def test_the_check_prints_what_is_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump([_ENTRY]), encoding="utf8")
    assert passages._main([str(file)]) == 0
    assert f"{file}: 1 passages, 3 questions in 4 wordings, 1 unanswerable" in capsys.readouterr().out
