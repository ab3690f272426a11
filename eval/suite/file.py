"""Suites on disk: a folder with `suite.jsonl` (an item a line), `manifest.json` and, for documents of its own, `documents/`."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.errors import BadInput
from eval.suite.item import Item
from eval.suite.manifest import CorpusNeeds, Counts, LeakCheck, Manifest
from eval.suite.personal import personal_data

ITEMS, MANIFEST, DOCUMENTS = "suite.jsonl", "manifest.json", "documents"
_BOM = b"\xef\xbb\xbf"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Suite:
    manifest: Manifest
    items: tuple[Item, ...]
    path: Path

    @property
    def documents(self) -> Path | None:
        """The folder of the suite's own documents, if it has any."""
        folder = self.path / DOCUMENTS
        return folder if folder.is_dir() else None


class Problem(NamedTuple):
    """``line`` is of `suite.jsonl`, from 1; None is of the suite as a whole."""

    line: int | None
    item: str
    text: str

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}{f' ({self.item})' if self.item else ''}: "
        return f"{place}{self.text}"


@dataclass
class Draft:
    """All that could be read of a suite, right or wrong."""

    path: Path
    manifest: Manifest | None = None
    items: list[tuple[int, Item]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def suite(self) -> Suite | None:
        """The suite, unless something stands in its way."""
        return None if self.manifest is None or self.problems else Suite(self.manifest, tuple(item for _, item in self.items), self.path)


def read_suite(path: Path) -> Suite:
    """The suite in a folder.

    Raises:
        BadInput: it is not there, an item is not of the form, or the manifest is not of these items.
    """
    draft = read_draft(path)
    if (suite := draft.suite) is not None:
        return suite
    more = f"; and {len(draft.problems) - _SHOWN} more" if len(draft.problems) > _SHOWN else ""
    shown = "; ".join(map(str, draft.problems[:_SHOWN]))
    raise BadInput(f"{path} cannot be used: {shown}{more}. `bankassist eval validate` shows all", code="invalid_suite", param="SUITE")


def read_draft(path: Path) -> Draft:
    """The suite with every problem of its form.

    Raises:
        BadInput: the folder or one of its two files cannot be opened.
    """
    try:
        content, declared = (path / ITEMS).read_bytes(), (path / MANIFEST).read_bytes()
    except OSError as error:
        raise BadInput(f"{error.filename or path}: {error.strerror}; a suite is a folder with {ITEMS} and {MANIFEST}", param="SUITE") from error
    draft = Draft(path)
    _read_items(content, draft)
    try:
        draft.manifest = Manifest.model_validate_json(declared)
    except ValidationError as error:
        draft.problems += [Problem(None, "", f"{MANIFEST}: {text}") for text in _causes(error)]
        return draft
    draft.problems += _differences(draft.manifest, content, [item for _, item in draft.items])
    return draft


def write_suite(
    path: Path,
    items: Iterable[Item],
    *,
    name: str,
    version: int,
    licence: str,
    primary: Sequence[str],
    corpus: CorpusNeeds,
    description: str = "",
    general: bool = True,
    leaks: LeakCheck | None = None,
) -> Suite:
    """Write the items and a manifest of them into a folder. The manifest is written last: without its items it is not believed.

    Raises:
        BadInput: two items have one id.
    """
    items = tuple(items)
    if twice := [one for one, count in Counter(item.id for item in items).items() if count > 1]:
        raise BadInput(f"two items have the id {twice[0]!r}", param="items")
    content = b"".join(_line(item) for item in items)
    manifest = Manifest(
        name=name,
        version=version,
        licence=licence,
        description=description,
        general=general,
        primary=tuple(primary),
        corpus=corpus,
        n=len(items),
        sha256=hashlib.sha256(content).hexdigest(),
        digest=items_digest(items),
        counts=counts(items),
        personal_data=personal_data(items),
        leaks=leaks,
    )
    path.mkdir(parents=True, exist_ok=True)
    _replace(path / ITEMS, content)
    _replace(path / MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode())
    return Suite(manifest, items, path)


def items_digest(items: Iterable[Item]) -> str:
    """One digest over the items in whatever order."""
    return hashlib.sha256("".join(sorted(item_digest(item) for item in items)).encode()).hexdigest()


def item_digest(item: Item) -> str:
    """Over what the item says; a field that it leaves out does not count, so that new fields do not change old items."""
    return hashlib.sha256(json.dumps(_content(item), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def counts(items: Iterable[Item]) -> Counts:
    items = tuple(items)

    def by(values: Iterable[str]) -> dict[str, int]:
        return dict(sorted(Counter(values).items()))

    return Counts(
        split=by(item.split for item in items),
        lang=by(item.lang for item in items),
        task=by(item.task for item in items),
        reason=by(item.expect.reason or "none given" for item in items if item.expect.refuse),
    )


def _content(item: Item) -> dict[str, Any]:
    return item.model_dump(mode="json", exclude_defaults=True)


def _line(item: Item) -> bytes:
    return (json.dumps(_content(item), ensure_ascii=False) + "\n").encode()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read_items(content: bytes, draft: Draft) -> None:
    if content.startswith(_BOM):
        draft.problems.append(Problem(1, "", "the file begins with a byte order mark; store it as UTF-8 without one"))
        content = content.removeprefix(_BOM)
    if not content.strip():
        draft.problems.append(Problem(None, "", f"{ITEMS} holds no items"))
    first: dict[str, int] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            if line or number <= content.count(b"\n"):
                draft.problems.append(Problem(number, "", "the line is empty"))
            continue
        item, problems = _read_line(number, line)
        draft.problems += problems
        if item is None:
            continue
        if item.id in first:
            draft.problems.append(Problem(number, item.id, f"the id is that of line {first[item.id]}"))
        first.setdefault(item.id, number)
        draft.items.append((number, item))


def _read_line(number: int, line: bytes) -> tuple[Item | None, list[Problem]]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return None, [Problem(number, "", f"not UTF-8: byte {error.start + 1} of the line is {line[error.start]:#04x}")]
    try:
        values = json.loads(text)
    except ValueError as error:
        return None, [Problem(number, "", f"not JSON: {error}")]
    name = str(values.get("id", "")) if isinstance(values, dict) else ""
    problems = []
    if not all(unicodedata.is_normalized("NFC", part) for part in _texts(values)):
        problems.append(Problem(number, name, "a text is not in Unicode's normal form NFC; normalise the file"))
    try:
        return Item.model_validate(values), problems
    except ValidationError as error:
        return None, problems + [Problem(number, name, cause) for cause in _causes(error)]


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)


def _causes(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in cause['loc']) or 'the line'}: {cause['msg']}"
        + (f", got {_short(cause['input'])}" if cause["type"] != "missing" else "")
        for cause in error.errors(include_url=False)
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _differences(manifest: Manifest, content: bytes, items: Sequence[Item]) -> Iterator[Problem]:
    """What the manifest says of the items that is not so."""
    found = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "digest": items_digest(items),
        "n": len(items),
        "counts": counts(items),
        "personal_data": personal_data(items),
    }
    for name, value in found.items():
        said = getattr(manifest, name)
        if said != value:
            shown = (said, value) if name in ("sha256", "digest", "n") else (said.model_dump(), value.model_dump())  # type: ignore[attr-defined]
            yield Problem(None, "", f"{MANIFEST}: {name} is {shown[0]}, and the items' is {shown[1]}")
