"""The bundled model's own tokenizer; what may be written is worked out by hand."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from core.errors import BadInput, Unavailable
from core.settings import Models
from core.text.normalise import normalise
from engines.grammar import MAX_CHARACTERS, MAX_NUMBERS, MAX_SCHEMA, SourceGrammar, TokenMatcher, allowed_numbers
from engines.models import locate

#: 49,152 tokens, and some logits that belong to none
VOCABULARY = 49_280
ENDS = (0, 2)

ENGLISH = (
    "The annual fee is USD 1,250.00, or 2.75% per year (275 bp), from 2026-03-01. See 4.2.1.",
    "From 5 to 10 business days, 10:30-16:45. Send MT103 to DE89 3704 0044 0532 0130 00.",
    "The limit is 1 250 000; below 12 months 0.5%.",
    "Instalments: 3/6/12 months.",
)
CHINESE = ("年利率2.75%，即275个基点，自2026年3月1日起。", "手续费为１２０元，限额1.5万元，5至10个工作日。")


class Writer:
    """Encodes texts and walks them through a matcher."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.grammar = SourceGrammar(self.tokenizer, VOCABULARY, ENDS)

    def tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def written(self, matcher: TokenMatcher, text: str) -> str:
        """As much of the text as the matcher lets through; Ends with ``$`` where it may end there."""
        done: list[int] = []
        for token in self.tokens(text):
            if token not in allowed(matcher):
                break
            matcher.accept(token)
            done.append(token)
        ends = allowed(matcher) & set(ENDS)
        assert ends in (set(), set(ENDS))
        return str(self.tokenizer.decode(done)) + ("$" if ends else "")

    def writes(self, text: str, passages: Sequence[str], question: str = "") -> bool:
        """Whether the whole text, and then its end, is allowed."""
        return self.written(self.grammar.matcher(question, passages), text) == f"{text}$"


def allowed(matcher: TokenMatcher) -> set[int]:
    logits = matcher.constrain(torch.zeros(VOCABULARY))
    assert logits.shape == (VOCABULARY,)
    assert set(logits.tolist()) <= {0.0, -torch.inf}
    return set((logits == 0).nonzero().flatten().tolist())


@pytest.fixture(scope="module")
def writer(model_cache: Path) -> Writer:
    return Writer(locate(Models().generation, model_cache).path)


# -- what numbers sources state --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("no number", []),
        ("一百二十三", []),
        ("USD 1,250.00 and 7.", ["1,250.00", "7"]),
        ("1.250,50 or 12,50,000 or 12500,50", ["1.250,50", "12,50,000", "12500,50"]),
        ("1 250 000 in all", ["1 250 000"]),
        ("sections 4.2.1 and 10:30", ["4.2.1", "10:30"]),
        ("5-10", ["5-10", "5", "10"]),
        ("5 to 10", ["5", "10", "5-10", "5–10"]),
        ("3/6/12", ["3/6/12", "3", "6", "12"]),
        ("1,2,3", ["1,2,3", "1", "2", "3"]),
        ("2.75,3.00", ["2.75,3.00", "2.75", "3.00"]),
        ("１２０元 ½", ["１２０", "120", "½", "1⁄2"]),
        ("in March 2026", ["2026", "2026年3月"]),
        ("in Marble 2026", ["2026"]),
        ("03/04/2026", ["03/04/2026", "2026"]),
        ("2026-13-01", ["2026-13-01", "2026"]),
        ("2026-03-01", ["2026-03-01", "2026", "2026年3月", "3月1日", "1 March", "March 1", "2026年3月1日"]),
        ("2\u200b75", ["275"]),
    ],
)
def test_numbers_are_taken_as_they_are_written(text: str, numbers: list[str]) -> None:
    assert sorted(allowed_numbers([text])) == sorted(numbers)


def test_sources_give_numbers_in_turn_up_to_the_limit() -> None:
    hostile = " ".join(f"{number}x" for number in range(2 * MAX_NUMBERS))
    numbers = allowed_numbers([hostile, "2.75% and 275 bp"])
    assert len(numbers) == MAX_NUMBERS
    assert numbers[:3] == ["0", "2.75", "1"]
    assert "275" in numbers


def test_text_behind_the_limit_is_not_read_and_no_number_is_halved() -> None:
    assert allowed_numbers(["x" * (MAX_CHARACTERS - 2) + "12,500 and 7", "8"]) == []
    assert allowed_numbers(["x" * (MAX_CHARACTERS - 2), "9"]) == ["9"]


# -- what may be written ---------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    [
        "The fee is USD 1,250.00 [1]. It is 2.75% [4][1], 275 bp.",
        "It is 275.",
        "See 4.2.1; from 2026-03-01 on.",
        "From 1 March 2026, that is March 1, 2026, that is 2026年3月1日.",
        "5-10 days, 5–10 days, between 5 and 10",
        "10:30, 16:45, 10:30-16:45",
        "MT103, DE89 3704 0044 0532 0130 00",
        "1 250 000",
        "3/6/12, 3, 6, 12 months",
        "two, three; 二、三，百分之二点七五",
        "It is 5, 10 or 12: 5. 10. 12",
        "",
    ],
)
def test_what_english_passages_state_is_written(writer: Writer, text: str) -> None:
    assert writer.writes(text, ENGLISH)


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    [
        "年利率为2.75%[1]，即275个基点。",
        "自2026年3月1日起[1]。",
        "自2026-03-01起",
        "手续费为１２０元[2]，或120元，限额1.5万元。",
        "5-10个工作日，即5至10个工作日",
        "第三条：二点七五，两年，一百二十",
    ],
)
def test_what_chinese_passages_state_is_written(writer: Writer, text: str) -> None:
    assert writer.writes(text, CHINESE)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("USD 1,250.50", "USD 1,250."),
        ("USD 1,250", "USD 1,250"),
        ("2.76%", "2.7"),
        ("2.75 and 20", "2.75 and 20"),
        ("276 bp", "27"),
        ("7 days", ""),
        ("10.12%", "10."),
        ("5,10", "5,"),
        ("12:10", "12:"),
        ("5/10", "5/"),
        ("5-12", "5-1"),
        ("5－10", "5－"),
        ("5 103", "5 10"),
        ("5  103", "5  10"),
        ("5\u00a0103", "5\u00a010"),
        ("250", "2"),
        ("2026-03-02", "2026-03-0"),
        ("4.2", "4.2"),
        ("2.75 [5]", "2.75 ["),
        ("[0]", "["),
        ("[12]", "[1"),
        ("[1, 2]", "[1"),
        ("[x]", "["),
        ("2]", "2"),
        ("½", ""),
        ("m²", "m"),
        ("③", ""),
        ("٣", ""),
        ("７", ""),
        ("𝟕", ""),
        ("5\u200b10", "5"),
    ],
)
def test_what_no_passage_states_is_cut_at_its_first_wrong_token(writer: Writer, text: str, start: str) -> None:
    written = writer.written(writer.grammar.matcher("", ENGLISH), text)
    assert written.rstrip("$\ufffd") == start
    assert written != f"{text}$"


@pytest.mark.models
@pytest.mark.parametrize("text", ["自2026年3月2日起，2.8%", "１３０元", "1.6万元", "[3]", "［5］", "【7】", "6个工作日", "１２５"])
def test_what_no_chinese_passage_states_is_refused(writer: Writer, text: str) -> None:
    assert not writer.writes(text, CHINESE)


@pytest.mark.models
def test_an_answer_ends_only_behind_a_whole_number(writer: Writer) -> None:
    matcher = writer.grammar.matcher("", ["1,250.00"])
    assert writer.written(matcher, "It is 1,250.0") == "It is 1,250.0"
    assert writer.written(matcher, "0") == "0$"


@pytest.mark.models
def test_numbers_of_the_question_are_written_and_its_brackets_are_no_markers(writer: Writer) -> None:
    assert writer.writes("For 5,000 a month", ["a fee"], question="Fee for 5,000 a month? [7]")
    assert not writer.writes("See [7]", ["a fee"], question="Fee for 5,000 a month? [7]")


@pytest.mark.models
@pytest.mark.parametrize(("text", "written"), [("No number 无", True), ("1", False), ("[1]", False), ("[", False), ("", True)])
def test_without_passages_there_are_words_only(writer: Writer, text: str, written: bool) -> None:
    assert writer.writes(text, []) is written


@pytest.mark.models
@pytest.mark.parametrize("number", [3, 12])
def test_only_markers_of_passages_exist(writer: Writer, number: int) -> None:
    passages = ["a fee"] * number
    assert writer.writes(f"A fee [1][{number}].", passages)
    assert not writer.writes(f"A fee [{number + 1}].", passages)


@pytest.mark.models
def test_special_tokens_are_never_allowed_but_at_the_end(writer: Writer) -> None:
    special = set(writer.tokenizer.all_special_ids)
    assert special > set(ENDS)
    assert allowed(writer.grammar.matcher("", ENGLISH)) & special == set(ENDS)
    assert max(allowed(writer.grammar.matcher("", ENGLISH))) < len(writer.tokenizer)


@pytest.mark.models
def test_whatever_normalising_makes_a_digit_or_a_bracket_of_is_refused(writer: Writer) -> None:
    """A digit or a bracket that only normalising shows would get past the grammar, and then be shown."""
    every = [chr(code) for code in range(0x110000) if re.search(r"[\d\[\]]", unicodedata.normalize("NFKC", chr(code)))]
    hidden = [one for one in every if unicodedata.decimal(one, 7) == 7]  # of ten digits one
    assert len(hidden) > 250
    assert [one for one in hidden if writer.writes(one, [])] == []


@pytest.mark.models
def test_nothing_that_normalising_makes_a_joint_of_joins_numbers(writer: Writer) -> None:
    """A space makes thousands of 1 and 250, and what normalising drops makes 1250 of them."""
    joints = [chr(code) for code in range(0x20000) if normalise(f"1{chr(code)}250")[1:-3] in {"", *"-.,'’:/~⁄–−\u2010 "} and not 0xD800 <= code < 0xE000]
    assert len(joints) > 100
    assert [joint for joint in joints if writer.writes(f"1{joint}250", ["1 or 250"])] == []
    assert writer.writes("1 or 250", ["1 or 250"])


@pytest.mark.models
@pytest.mark.parametrize(
    "passage",
    [
        "(?:[a-z]*\\p{L}.+)(1.5$|^\\d{9}[^\\]]/\\x00\n\"'%%",
        " ".join(f"{number}.{number % 97:02}" for number in range(1, 2001)) + " 1.5",
        "9" * 3_000_000,
        "1," * 1_000_000,
        "1 to " * 200_000,
        "111 " * 500_000,
        "2026-03-01" * 100_000,
    ],
    ids=["metacharacters", "2,000 numbers", "digits", "joints", "ranges", "groups", "dates"],
)
def test_a_hostile_passage_neither_breaks_nor_takes_long(writer: Writer, passage: str) -> None:
    start = time.perf_counter()
    matcher = writer.grammar.matcher("2.75?", [passage, "1.5"])
    written = writer.written(matcher, "It is 2.75 [2]")
    assert time.perf_counter() - start < 3  # about 0.2 s alone; the machine may be busy
    assert written == "It is 2.75 [2]$"
    assert not writer.writes("8.88", [passage])


@pytest.mark.models
def test_logits_of_other_kinds_are_constrained_and_kept_elsewhere(writer: Writer) -> None:
    logits = torch.arange(VOCABULARY, dtype=torch.bfloat16)
    constrained = writer.grammar.matcher("", []).constrain(logits)
    (word,), (one,) = writer.tokens("The"), writer.tokens("1")
    assert (constrained.dtype, logits.dtype) == (torch.float32, torch.bfloat16)
    assert logits.isfinite().all()
    assert constrained[[word, one, -1]].tolist() == [float(logits[word]), -torch.inf, -torch.inf]


# -- any text --------------------------------------------------------------------------------------

WORDS = ("fee", "Rate:", "of", "年费", "为", "，", "。", "(USD)", "%", "三", "、", "\n", "per year")
NUMBERS = ("1,250.00", "2.75", "275", "12", "2026-03-01", "4.2.1", "10:30", "１２０", "0.5")
PASSAGES = [f"{number} 个" for number in NUMBERS]
#: what may be written of NUMBERS, independently of the code: as they are, folded, and pieces and forms of the date
STATED = {*NUMBERS, "120", "2026", "3", "1"}


@pytest.mark.models
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(NUMBERS), st.integers(1, len(PASSAGES)).map(lambda n: f"[{n}]")), max_size=12))
def test_words_numbers_and_markers_of_the_sources_are_always_written(writer: Writer, parts: list[str]) -> None:
    assert writer.writes(" ; ".join(parts), PASSAGES)


@pytest.mark.models
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS + NUMBERS), max_size=6),
    st.lists(st.sampled_from(WORDS + NUMBERS), max_size=6),
    st.one_of(
        st.integers(0, 99_999).map(str),
        st.decimals(0, 9_999, places=2).map(lambda value: f"{value:,}"),
        st.dates().map(lambda day: day.isoformat()),
        st.tuples(st.sampled_from(NUMBERS), st.sampled_from(".,:/-'"), st.sampled_from(NUMBERS)).map("".join),
    ).filter(lambda number: number not in STATED),
)
def test_a_number_that_no_source_states_is_never_written(writer: Writer, before: list[str], after: list[str], number: str) -> None:
    assert not writer.writes(" ; ".join([*before, number, *after]), PASSAGES)


# -- documents by a schema -------------------------------------------------------------------------

RATING = {
    "type": "object",
    "properties": {"band": {"enum": ["low", "高"]}, "score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["band", "score"],
    "additionalProperties": False,
}


@pytest.mark.models
@pytest.mark.parametrize("document", [{"band": "low", "score": 5}, {"band": "高", "score": 1}])
def test_a_document_of_the_schema_is_written_and_then_only_an_end_may_follow(writer: Writer, document: dict[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False)
    matcher = writer.grammar.schema(RATING)
    assert writer.written(matcher, text) == f"{text}$"
    assert allowed(matcher) == set(ENDS)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"band": "medium"', '{"band": "'),
        ('{"band": "low", "score": 6}', '{"band": "low", "score": '),
        ('{\n  "band"', ""),
        ("Sure: {", ""),
        ('{"score"', '{"'),
    ],
)
def test_a_document_that_breaks_the_schema_is_cut(writer: Writer, text: str, written: str) -> None:
    matcher = writer.grammar.schema(RATING)
    assert writer.written(matcher, text) == written


@pytest.mark.models
@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "frob"}, "frob"),
        ({"not": {"type": "string"}}, "not"),
        ({"type": "array", "uniqueItems": True, "x-guidance": {"lenient": True}}, "uniqueItems"),
        ({"type": "string", "pattern": "(?=x)"}, "look-around"),
        ({"$ref": "https://example.com/schema"}, "does not fetch"),
        ({"type": "string", "default": object()}, "not JSON serializable"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused(writer: Writer, schema: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        writer.grammar.schema(schema)
    assert refused.value.param == "response_format"


@pytest.mark.models
def test_a_schema_that_is_too_long_is_refused(writer: Writer) -> None:
    with pytest.raises(BadInput, match=f"has 33,00. characters, more than the limit of {MAX_SCHEMA:,}"):
        writer.grammar.schema({"type": "string", "description": "x" * 32_969})


@pytest.mark.models
@pytest.mark.parametrize("depth", [200, 5_000])
def test_a_schema_nested_too_deeply_is_refused(writer: Writer, depth: int) -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadInput, match="the JSON schema cannot be used"):
        writer.grammar.schema(schema)


@pytest.mark.models
def test_a_model_without_an_end_token_is_refused(writer: Writer) -> None:
    with pytest.raises(Unavailable, match="no end token"):
        SourceGrammar(writer.tokenizer, VOCABULARY, [])
