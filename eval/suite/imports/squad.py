"""SQuAD 1.1 and 2.0, and what has their form (CMRC2018): articles of paragraphs, questions with answers at an offset, or without an answer.

A question marked as impossible, or without answers, is to be refused for lack of evidence; that another article answers it is not ruled out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.metadata import default_document_id
from core.text.language import language_of
from eval.suite.imports.rows import Bad, Found, Read, Row, SourceDocument, lang_of, text_of, value_of


def read_squad(paths: Sequence[Path]) -> Read:
    """Raises BadInput for a file that is not JSON with a list ``data``; what is wrong in it is told with its place."""
    read = Read()
    for path in paths:
        try:
            content = json.loads(path.read_text("utf8"))
            articles = content["data"]
            assert isinstance(articles, list)
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            raise BadInput(f"{path}: expected JSON with a list `data`, as SQuAD has it ({type(error).__name__}: {error})", param="FILE") from error
        for number, article in enumerate(articles):
            _article(f"{path.name} data[{number}]", article, read)
    return read


def _article(place: str, article: Any, read: Read) -> None:
    try:
        paragraphs = [value_of(paragraph, "context") for paragraph in article["paragraphs"]]
    except (KeyError, TypeError, ValueError) as error:
        read.bad.append(Bad(place, f"no paragraphs with a context ({error})"))
        return
    if not paragraphs:
        return
    title = str(article.get("title") or paragraphs[0][:60]).replace("_", " ")
    document_id = default_document_id(f"{title} {paragraphs[0][:200]}.txt")
    read.documents[document_id] = SourceDocument(title, tuple(paragraphs), language_of(paragraphs[0]))
    for number, paragraph in enumerate(article["paragraphs"]):
        for at, asked in enumerate(paragraph.get("qas") or ()):
            spot = f"{place}.paragraphs[{number}].qas[{at}]"
            try:
                read.rows.append(_row(spot, asked, document_id, number, paragraph["context"]))
            except ValueError as error:
                read.bad.append(Bad(spot, str(error)))


def _row(place: str, asked: Any, document_id: str, number: int, context: str) -> Row:
    if not isinstance(asked, Mapping):
        raise ValueError(f"expected a question with its answers, got {asked!r}"[:120])
    question = value_of(asked, "question")
    name = str(asked.get("id") or place)
    group = f"{document_id}#{number}"
    lang = lang_of(question)
    answers = list(_answers(asked.get("answers") or []))
    if asked.get("is_impossible") or not answers:
        return Row(place, name, group, question, reason="no_evidence", lang=lang)
    words, start = answers[0]
    if words not in context:
        raise ValueError(f"the answer {words!r} does not stand in the paragraph")
    found = Found(document_id, words, context, None if start is None else context[:start])
    return Row(place, name, group, question, tuple(dict.fromkeys(text for text, _ in answers)), (found,), lang=lang)


def _answers(answers: Any) -> Iterator[tuple[str, int | None]]:
    if not isinstance(answers, list):
        raise ValueError(f"answers must be a list, got {answers!r}"[:120])
    for answer in answers:
        start = answer.get("answer_start") if isinstance(answer, Mapping) else None
        if not isinstance(answer, Mapping):
            raise ValueError(f"an answer must have a text, got {answer!r}"[:120])
        yield text_of(answer.get("text"), "an answer's text"), start if isinstance(start, int) and start >= 0 else None
