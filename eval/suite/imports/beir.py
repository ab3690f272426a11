"""A BEIR folder: `corpus.jsonl`, `queries.jsonl` and judgements in `qrels/*.tsv` (arXiv 2104.08663). Its suites measure retrieval: nobody wrote answers."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.metadata import DOCUMENT_ID, default_document_id
from core.text.language import language_of
from eval.suite.imports.rows import Bad, Found, Read, Row, SourceDocument, lang_of, value_of

_HEADER = ["query-id", "corpus-id", "score"]


def read_beir(paths: Sequence[Path]) -> Read:
    """Raises BadInput for a folder without the three parts; what is wrong in a line is told with its number."""
    read = Read()
    for folder in paths:
        judgements = sorted(folder.glob("qrels/*.tsv")) or sorted(folder.glob("qrels.tsv"))
        missing = [name for name in ("corpus.jsonl", "queries.jsonl") if not (folder / name).is_file()]
        if missing or not judgements:
            raise BadInput(f"{folder}: no {missing[0] if missing else 'qrels/*.tsv'}; expected a folder as BEIR has it", param="FILE")
        texts = dict(_lines(folder / "corpus.jsonl", read))
        queries = dict(_lines(folder / "queries.jsonl", read))
        judged: dict[str, dict[str, int]] = {}
        for path in judgements:
            for place, query, document, score in _judgements(path, read):
                if query not in queries or document not in texts:
                    what = f"no query {query!r}" if query not in queries else f"no document {document!r}"
                    read.bad.append(Bad(place, f"there is {what}"))
                elif score > 0:
                    judged.setdefault(query, {})[document] = score
        highest = max((score for scores in judged.values() for score in scores.values()), default=1)
        ids = {name: name if re.fullmatch(DOCUMENT_ID, name) else default_document_id(f"{name}.txt") for name in texts}
        for name, (_, values) in texts.items():
            text = str(values["text"])
            read.documents[ids[name]] = SourceDocument(str(values.get("title") or text[:60]), (text,), language_of(text))
        for query, scores in judged.items():
            place, values = queries[query]
            found = tuple(Found(ids[name], suffices=score == highest or score > 1) for name, score in sorted(scores.items()))
            question = str(values["text"]).strip()
            read.rows.append(Row(place, query, f"query:{query}", question, found=found, lang=lang_of(question)))
    return read


def _lines(path: Path, read: Read) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"{path.name} line {number}"
            try:
                values = json.loads(line.decode())
                value_of(values, "text")
                yield value_of(values, "_id"), (place, values)
            except (ValueError, TypeError) as error:
                read.bad.append(Bad(place, str(error)))


def _judgements(path: Path, read: Read) -> Iterator[tuple[str, str, str, int]]:
    with path.open(encoding="utf8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if not row or (number == 1 and row == _HEADER):
                continue
            place = f"{path.name} line {number}"
            # TREC's own form has a second column that nobody uses
            columns = [row[0], *row[-2:]] if len(row) in (3, 4) else []
            if not columns or not re.fullmatch(r"-?\d+", columns[2]):
                read.bad.append(Bad(place, f"expected a query, a document and a whole score between tabs, got {row!r}"))
                continue
            yield place, columns[0], columns[1], int(columns[2])
