"""Other forms become suites: answers found in what ingest will parse, bad rows told with their place, nothing half written."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.settings import Ingest
from eval.suite.corpus import Corpus, corpus_of_folders
from eval.suite.file import Suite, read_draft
from eval.suite.imports.beir import read_beir
from eval.suite.imports.build import Imported, build
from eval.suite.imports.rows import Read
from eval.suite.imports.squad import read_squad
from eval.suite.imports.table import read_table
from eval.suite.spans import sentence_around
from eval.suite.validate import check_items
from tests.eval.suite.suites import CORPUS, TODAY

CARD = "The Alder card is blue.  It costs CHF 45 a year, and CHF 45 more for a second one. A lost card is replaced within 9 days."
LOAN = "云杉贷款的年利率为3.5%。提前还款收取1%的手续费。"
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Alder_card",
            "paragraphs": [
                {"context": "An introduction."},
                {
                    "context": CARD,
                    "qas": [
                        {"id": "q1", "question": "Price of a second card?", "answers": [{"text": "CHF 45", "answer_start": 53}, {"text": "CHF 45 more", "answer_start": 53}]},
                        {"id": "q2", "question": "Who designed it?", "answers": [], "is_impossible": True},
                    ],
                },
            ],
        },
        {"paragraphs": [{"id": "DEV_0", "context": LOAN, "qas": [{"id": "q3", "question": "云杉贷款提前还款要付多少？", "answers": [{"text": "1%", "answer_start": 0}]}]}]},
    ],
}  # fmt: skip


def squad(path: Path, content: Any = SQUAD) -> Read:
    (path / "squad.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")
    return read_squad([path / "squad.json"])


def made(read: Read, out: Path, **values: Any) -> Imported:
    known = {"name": "made", "licence": "CC0-1.0", "primary": ("correct",), "settings": Ingest(), "catalogue": lambda _: CORPUS, "today": TODAY}
    return build(read, out, **{**known, **values})


def sound(suite: Suite, corpus: Corpus | None = None) -> None:
    """The suite has no problems against what ingesting its own documents would give."""
    folder = suite.documents
    draft = read_draft(suite.path)
    assert draft.problems == []
    assert check_items(draft, corpus or (corpus_of_folders([folder], Ingest()) if folder else Corpus(())), TODAY) == []


def test_squad_gives_documents_and_the_sentence_of_the_answer_that_was_meant(tmp_path: Path) -> None:
    suite, skipped = made(squad(tmp_path), tmp_path / "out")
    assert skipped == []
    sound(suite)
    second, impossible, chinese = suite.items
    # the second CHF 45 of the sentence; the paragraph's two blanks are one in the document
    (span,) = second.evidence
    assert span.quote == "It costs CHF 45 a year, and CHF 45 more for a second one."
    assert second.answer.texts == ("CHF 45", "CHF 45 more")
    assert (impossible.task, impossible.expect.reason, impossible.evidence) == ("refuse", "no_evidence", ())
    assert second.group_id == impossible.group_id
    assert (chinese.lang, chinese.evidence[0].quote) == ("zh", "提前还款收取1%的手续费。")
    assert suite.manifest.counts.lang == {"en": 2, "zh": 1}
    assert suite.manifest.general  # a third is to be refused
    assert len(suite.manifest.corpus.documents) == 2


def test_the_occurrence_that_was_meant_is_the_nearest(tmp_path: Path) -> None:
    text = "Rate 3%. Then a fee of 3% is due."
    content = {
        "data": [{"title": "t", "paragraphs": [{"context": text, "qas": [{"id": "q", "question": "Fee?", "answers": [{"text": "3%", "answer_start": 23}]}]}]}]
    }
    (item,) = made(squad(tmp_path, content), tmp_path / "out").suite.items
    assert item.evidence[0].quote == "Then a fee of 3% is due."


def test_bad_rows_are_told_with_their_place_and_nothing_is_written(tmp_path: Path) -> None:
    content = json.loads(json.dumps(SQUAD))
    asked = content["data"][0]["paragraphs"][1]["qas"]
    asked += [{"id": "q4", "question": "Colour?", "answers": [{"text": "green", "answer_start": 3}]}, {"id": "q5"}, {"id": "q1", "question": "Which colour?"}]
    content["data"].append({"title": "empty"})
    read = squad(tmp_path, content)
    with pytest.raises(BadInput) as caught:
        made(read, tmp_path / "out")
    for text in (
        "4 rows cannot be used, and nothing was written",
        "squad.json data[0].paragraphs[1].qas[2]: the answer 'green' does not stand in the paragraph",
        "squad.json data[0].paragraphs[1].qas[3]: question is missing",
        "squad.json data[0].paragraphs[1].qas[4]: the id 'q1' is that of squad.json data[0].paragraphs[1].qas[0]",
        "squad.json data[2]: no paragraphs with a context",
    ):
        assert text in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["squad.json"]
    suite, skipped = made(read, tmp_path / "out", skip_bad=True)
    assert (len(suite.items), len(skipped)) == (3, 4)


def test_a_limit_draws_the_same_questions_and_only_their_documents(tmp_path: Path) -> None:
    read = squad(tmp_path)
    suite, _ = made(read, tmp_path / "one", limit=1, seed=3)
    assert suite.items == made(read, tmp_path / "again", limit=1, seed=3).suite.items
    assert len(suite.items) == len(suite.manifest.corpus.documents) == 1
    sound(suite)


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="exists already"):
        made(squad(tmp_path), tmp_path)


def test_beir_gives_retrieval_items_graded_by_their_judgements(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "Card", "text": "The card is blue."}\n{"_id": "贷款", "title": "", "text": "年利率为3.5%。"}\n{"_id": "d3"}\n', encoding="utf8"
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "card colour"}\n{"_id": "2", "text": "利率"}\n', encoding="utf8")
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t2\n1\t贷款\t1\n2\t贷款\t0\n2\td9\t1\n2\tx\n", encoding="utf8")
    read = read_beir([tmp_path])
    assert [str(bad) for bad in read.bad] == [
        "corpus.jsonl line 3: text is missing",
        "test.tsv line 5: there is no document 'd9'",
        "test.tsv line 6: expected a query, a document and a whole score between tabs, got ['2', 'x']",
    ]
    suite, _ = made(read, tmp_path / "out", primary=("ndcg@10",), skip_bad=True)
    sound(suite)
    (item,) = suite.items  # nothing is relevant to the second query
    assert [(span.quote, span.grade) for span in item.evidence] == [("The card is blue.", 2), ("年利率为3.5%。", 1)]


def test_a_table_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text(
        "question,answer,document_id,text,reason,groups,lang\n"
        "Out?,x,../out,x,,,\n"
        'What is it?,blue|dark blue,card,"The card\nis blue.",,,\n'
        "多久复核高风险客户？,每6个月,manual,,,staff|risk,\n"
        "谁负责复核？,,manual,,not_permitted,,\n"
        "Who won?,,,,out_of_scope,,\n"
        "And this?,red,card,,,,\n"
        "Too few\n",
        encoding="utf8",
    )
    read = read_table([path])
    assert [str(bad) for bad in read.bad] == [
        "faq.csv line 2: there is a text, and document_id '../out' is none: letters, digits and . _ - after the first",
        "faq.csv line 9: the row has not as many values as there are columns",
    ]
    with pytest.raises(BadInput, match=r"faq.csv line 8: 'red' does not stand in 'card'"):
        made(read, tmp_path / "out")
    suite, _ = made(read, tmp_path / "out", skip_bad=True)
    own = corpus_of_folders([tmp_path / "out" / "documents"], Ingest())
    sound(suite, Corpus([*own.versions.values(), *CORPUS.versions.values()]))
    first, second, third, fourth = suite.items
    assert (first.id, first.answer.texts, first.evidence[0].quote) == ("faq-3", ("blue", "dark blue"), "The card is blue.")
    assert (second.evidence[0].document_id, second.caller.groups) == ("manual", ("staff", "risk"))
    assert (third.expect.reason, third.expect.must_not_cite) == ("not_permitted", ("manual",))
    assert fourth.expect.reason == "out_of_scope"


@pytest.mark.parametrize(
    ("header", "says"), [("frage,answer", "unknown columns 'frage'"), ("answer", "no column 'question'")], ids=["unknown", "missing"]
)  # fmt: skip
def test_a_table_with_other_columns_is_refused(tmp_path: Path, header: str, says: str) -> None:
    (tmp_path / "faq.csv").write_text(f"{header}\n")
    with pytest.raises(BadInput, match=says):
        read_table([tmp_path / "faq.csv"])


@pytest.mark.parametrize("read", [read_squad, read_beir, read_table])
def test_a_file_of_no_such_form_is_wrong_input(tmp_path: Path, read: Any) -> None:
    with pytest.raises(BadInput):
        read([tmp_path / "gone"])


def test_evidence_is_the_sentence_or_the_row() -> None:
    text = "第一条 甲。第二句话说了乙。\nCard: Gold. Extra | Fee: CHF 90\nOne. Two three. Four."
    for words, says in (
        ("乙", "第二句话说了乙。"),
        ("CHF 90", "Card: Gold. Extra | Fee: CHF 90"),
        ("three", "Two three."),
        ("three. Four", "Two three. Four."),
    ):
        start, end = sentence_around(text, text.index(words), text.index(words) + len(words))
        assert text[start:end] == says


def test_a_catalogue_is_asked_for_documents_that_do_not_come_with_the_rows(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer,document_id,as_of\nPrice?,CHF 40,fees,2025-05-01\nPrice now?,CHF 45,fees,\n")
    suite, _ = made(read_table([tmp_path / "faq.csv"]), tmp_path / "out")
    assert [(item.evidence[0].version, item.as_of) for item in suite.items] == [(1, date(2025, 5, 1)), (2, None)]
    assert suite.documents is None
    sound_ids = [(one.document_id, one.version) for one in suite.manifest.corpus.documents]
    assert sound_ids == [("fees", 1), ("fees", 2)]
