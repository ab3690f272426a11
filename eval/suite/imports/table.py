"""CSV with named columns, a question a row.

question      required
answer        accepted answers, separated by |; empty: to be refused, for `reason`
document_id   the document that answers, or that the caller may not read; its text in `text`, or in the catalogue of the settings
text          the document, on any row that names it
quote         the words that the answer rests on; default: the first accepted answer
reason        no_evidence (default), out_of_scope, not_permitted
id, group_id, lang (en, zh, mixed), topic, adapter, groups (separated by |), as_of (YYYY-MM-DD)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import get_args

from core.errors import BadInput
from core.metadata import DOCUMENT_ID
from core.text.language import language_of
from eval.suite.imports.rows import Bad, Found, Read, Row, SourceDocument, lang_of, value_of
from eval.suite.item import RefusalReason

COLUMNS = ("question", "answer", "document_id", "text", "quote", "reason", "id", "group_id", "lang", "topic", "adapter", "groups", "as_of")
_REASONS: Mapping[str, RefusalReason] = {name: name for name in get_args(RefusalReason)}


def read_table(paths: Sequence[Path]) -> Read:
    """Raises BadInput for a file that cannot be read, or with columns that nobody knows; what is wrong in a row is told with its line."""
    read = Read()
    for path in paths:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file, strict=True)
                columns = list(rows.fieldnames or ())
                if (unknown := [name for name in columns if name not in COLUMNS]) or "question" not in columns:
                    problem = f"unknown columns {', '.join(map(repr, unknown))}" if unknown else "no column 'question'"
                    raise BadInput(f"{path}: {problem}; known are {', '.join(COLUMNS)}", param="FILE")
                while True:
                    line = rows.line_num + 1  # where the row begins: a quoted text may have several lines
                    values = next(rows, None)
                    if values is None:
                        break
                    _row(f"{path.name} line {line}", path.stem, line, values, read)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadInput(f"{path}{f', line {rows.line_num}' if isinstance(error, csv.Error) else ''}: {error}", param="FILE") from error
    return read


def _row(place: str, stem: str, line: int, values: Mapping[str | None, str | None], read: Read) -> None:
    try:
        if None in values or None in values.values():
            raise ValueError("the row has not as many values as there are columns")
        given = {name: value.strip() for name, value in values.items() if name is not None and value is not None and value.strip()}
        document_id = given.get("document_id", "")
        if text := given.get("text"):
            if not re.fullmatch(DOCUMENT_ID, document_id):
                raise ValueError(f"there is a text, and document_id {document_id!r} is none: letters, digits and . _ - after the first")
            document = SourceDocument(document_id, (text,), language_of(text))
            if read.documents.setdefault(document_id, document) != document:
                raise ValueError(f"document {document_id!r} has another text in a row before")
        read.rows.append(_question(place, f"{stem}-{line}", document_id, given))
    except ValueError as error:
        read.bad.append(Bad(place, str(error)))


def _question(place: str, name: str, document_id: str, given: Mapping[str, str]) -> Row:
    question = value_of(given, "question")
    answers = tuple(part.strip() for part in given.get("answer", "").split("|") if part.strip())
    reason: RefusalReason | None = None
    found: tuple[Found, ...] = ()
    if answers:
        if not document_id:
            raise ValueError("there is an answer, and no document_id says where it stands")
        if "reason" in given:
            raise ValueError("there is an answer, and a reason to refuse")
        found = (Found(document_id, given.get("quote", answers[0])),)
    else:
        said = given.get("reason", "no_evidence")
        if said not in _REASONS:
            raise ValueError(f"reason must be one of {', '.join(_REASONS)}, got {said!r}")
        reason = _REASONS[said]
    lang = given.get("lang", lang_of(question))
    if lang not in ("en", "zh", "mixed"):
        raise ValueError(f"lang must be en, zh or mixed, got {lang!r}")
    as_of = date.fromisoformat(given["as_of"]) if "as_of" in given else None
    groups = tuple(part.strip() for part in given.get("groups", "").split("|") if part.strip())
    group_id = given.get("group_id") or (f"doc:{document_id}" if document_id else given.get("id", name))
    hidden = (document_id,) if reason == "not_permitted" and document_id else ()
    return Row(
        place, given.get("id", name), group_id, question, answers, found, reason, lang, given.get("topic", ""), given.get("adapter"), groups, as_of, hidden
    )
