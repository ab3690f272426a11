"""From rows to a suite: documents are written and parsed as ingest will parse them, answers found in what that gives, and all is put there at once."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from core.errors import BadInput
from core.settings import Ingest
from core.text.normalise import normalise, one_line
from eval.suite.corpus import Corpus, CorpusVersion, corpus_of_folders
from eval.suite.file import DOCUMENTS, Suite, write_suite
from eval.suite.imports.rows import Bad, Found, Read, Row, SourceDocument
from eval.suite.item import Evidence, Expect, Expected, Item, Meta
from eval.suite.manifest import CorpusNeeds
from eval.suite.spans import sentence_around

_MOST_SHOWN = 20


class Imported(NamedTuple):
    suite: Suite
    skipped: list[Bad]


def build(
    read: Read,
    out: Path,
    *,
    name: str,
    licence: str,
    primary: Sequence[str],
    settings: Ingest,
    catalogue: Callable[[Sequence[str]], Corpus],
    today: date,
    limit: int | None = None,
    seed: int = 1,
    skip_bad: bool = False,
) -> Imported:
    """Write the suite and its documents into a new folder, all of it or nothing.

    Args:
        catalogue: gives the documents that the rows name and do not bring.
        limit: take so many questions, drawn by the seed, and the documents that they need.

    Raises:
        BadInput: the folder exists, or rows are bad and are not to be skipped; all are named.
    """
    if out.exists():
        raise BadInput(f"{out} exists already; name a new folder", param="--out")
    bad = list(read.bad)
    places = range(len(read.rows)) if limit is None or limit >= len(read.rows) else sorted(random.Random(seed).sample(range(len(read.rows)), limit))
    rows = [read.rows[place] for place in places]
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        needed = {found.document_id for row in rows for found in row.found} | {row.group_id.partition("#")[0] for row in rows}
        own = {document_id: document for document_id, document in read.documents.items() if limit is None or document_id in needed}
        _write_documents(own, made / DOCUMENTS)
        corpus = corpus_of_folders([made / DOCUMENTS], settings) if own else Corpus(())
        elsewhere = sorted({found.document_id for row in rows for found in row.found} - set(own))
        corpus = Corpus([*corpus.versions.values(), *(catalogue(elsewhere).versions.values() if elsewhere else ())])
        items: list[Item] = []
        seen: dict[str, str] = {}
        for row in rows:
            try:
                item = _item(row, corpus, row.as_of or today)
                if item.id in seen:
                    raise ValueError(f"the id {item.id!r} is that of {seen[item.id]}")
            except ValueError as error:
                text = "; ".join(cause["msg"] for cause in error.errors()) if isinstance(error, ValidationError) else str(error)
                bad.append(Bad(row.place, text))
                continue
            seen[item.id] = row.place
            items.append(item)
        if bad and not skip_bad:
            shown = "\n  ".join(map(str, bad[:_MOST_SHOWN]))
            more = f"\n  and {len(bad) - _MOST_SHOWN} more" if len(bad) > _MOST_SHOWN else ""
            raise BadInput(
                f"{len(bad)} rows cannot be used, and nothing was written; --skip-bad leaves them out:\n  {shown}{more}", code="bad_rows", param="FILE"
            )
        if not items:
            raise BadInput("no row is left that could be used", code="bad_rows", param="FILE")
        used = {(span.document_id, span.version) for item in items for span in item.evidence}
        documents = sorted(
            (one for place, one in corpus.versions.items() if one.document_id in own or place in used), key=lambda one: (one.document_id, one.version)
        )
        needs = CorpusNeeds(documents=tuple(one.named for one in documents))
        refused = sum(item.expect.refuse for item in items) / len(items)
        written = write_suite(made, items, name=name, version=1, licence=licence, primary=primary, corpus=needs, general=0.15 <= refused <= 0.40)
        made.chmod(0o755)
        made.rename(out)
        return Imported(Suite(written.manifest, written.items, out), bad)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_documents(documents: Mapping[str, SourceDocument], folder: Path) -> None:
    if not documents:
        return
    folder.mkdir()
    entries = []
    for document_id, document in sorted(documents.items()):
        (folder / f"{document_id}.txt").write_text("\n\n".join(one_line(paragraph) for paragraph in document.paragraphs) + "\n", encoding="utf8")
        values = {
            "path": f"{document_id}.txt",
            "document_id": document_id,
            "title": one_line(document.title)[:500],
            "groups": ["public"],
            "language": document.language,
        }
        entries.append("[[documents]]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()))
    (folder / "documents.toml").write_text("\n".join(entries), encoding="utf8")


def _item(row: Row, corpus: Corpus, day: date) -> Item:
    answers = tuple(dict.fromkeys(normalise(answer).strip() for answer in row.answers))
    refuse = row.reason is not None
    return Item.model_validate(
        {
            "id": row.id, "group_id": row.group_id, "lang": row.lang, "task": "refuse" if refuse else "lookup", "topic": row.topic,
            "question": normalise(row.question).strip(), "as_of": row.as_of, "caller": {"groups": row.groups},
            "answer": Expected(texts=answers, facts=(answers,) if answers else ()),
            "evidence": tuple(_evidence(found, corpus, day) for found in row.found),
            "expect": Expect(refuse=refuse, reason=row.reason, adapter=row.adapter, must_not_cite=row.must_not_cite),
            "meta": Meta(source="imported"),
        }
    )  # fmt: skip


def _evidence(found: Found, corpus: Corpus, day: date) -> Evidence:
    version = corpus.in_force(found.document_id, day)
    if version is None:
        raise ValueError(f"no version of the document {found.document_id!r} is in force on {day}; give its text, or ingest it before")
    start, end = sentence_around(version.text, *_place(found, version)) if found.words else (0, len(version.text))
    return Evidence(
        document_id=found.document_id, version=version.version, start=start, end=end, quote=version.text[start:end], grade=2 if found.suffices else 1
    )


def _place(found: Found, version: CorpusVersion) -> tuple[int, int]:
    """The words nearest to where they were said to stand: normalising moves them a little."""
    words, text = one_line(found.words), version.text
    paragraph = text.find(one_line(found.paragraph)) if found.paragraph else -1
    expected = paragraph + len(one_line(found.before)) if paragraph >= 0 and found.before is not None else 0
    places: list[int] = []
    at = text.find(words) if words else -1
    while at >= 0:
        places.append(at)
        at = text.find(words, at + 1)
    if not places:
        raise ValueError(f"{found.words!r} does not stand in {found.document_id!r}")
    start = min(places, key=lambda at: abs(at - expected))
    return start, start + len(words)
