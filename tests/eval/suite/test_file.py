"""A suite is read as it was written, or not at all: every line that is not of the form is told, with its number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from core.errors import BadInput
from eval.suite.file import items_digest, read_draft, read_suite
from eval.suite.item import Item
from tests.eval.suite.suites import changed, write


def test_what_is_written_is_read_and_counted(tmp_path: Path) -> None:
    written = write(tmp_path / "small")
    assert read_suite(tmp_path / "small") == written
    manifest = written.manifest
    assert (manifest.n, manifest.counts.lang, manifest.counts.reason) == (4, {"en": 2, "zh": 2}, {"not_permitted": 1})
    assert manifest.counts.task == {"as_of": 1, "lookup": 2, "refuse": 1}
    assert manifest.sha256 == hashlib.sha256((tmp_path / "small" / "suite.jsonl").read_bytes()).hexdigest()
    assert manifest.personal_data.items == 0


def test_the_digest_knows_items_and_not_their_order() -> None:
    items = changed()
    assert items_digest(items) == items_digest(items[::-1])
    assert items_digest(items) != items_digest(changed(0, topic="cards"))
    # by hand: over the sorted digests of what each item says, keys in order, defaults left out
    item = Item.model_validate({"id": "a", "group_id": "g", "lang": "en", "task": "routing", "question": "Why?", "expect": {"adapter": "base"}})
    said = '{"expect":{"adapter":"base"},"group_id":"g","id":"a","lang":"en","question":"Why?","task":"routing"}'
    assert items_digest([item]) == hashlib.sha256(hashlib.sha256(said.encode()).hexdigest().encode()).hexdigest()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"id": "fee"', "line 5: not JSON"),
        (b"\xff\xfe", "line 5: not UTF-8: byte 1 of the line is 0xff"),
        ('{"id": "cafe", "group_id": "g", "lang": "en", "task": "routing", "question": "cafe\u0301?"}'.encode(), "line 5 (cafe): a text is not in Unicode's normal form NFC"),
        (b'{"id": "fee", "group_id": "g", "lang": "en", "task": "routing", "question": "Why?"}', "line 5 (fee): the id is that of line 1"),
        (b'{"id": "x", "group_id": "g", "lang": "fr", "task": "lookup", "question": ""}', "line 5 (x): lang: Input should be 'en', 'zh' or 'mixed', got 'fr'"),
        (b'{"id": "x", "lang": "en", "task": "lookup", "question": "Why?"}', "line 5 (x): group_id: Field required"),
        (b'{"id": "x", "group_id": "g", "lang": "en", "task": "lookup", "question": "Why?", "tags": []}', "line 5 (x): tags: Extra inputs are not permitted, got []"),
        (b"", "line 5: the line is empty"),
    ],
    ids=["no json", "no utf8", "no nfc", "id twice", "other language", "no group", "unknown key", "empty"],
)  # fmt: skip
def test_a_line_that_is_not_of_the_form_is_told(tmp_path: Path, line: bytes, says: str) -> None:
    path = write(tmp_path / "small").path
    with (path / "suite.jsonl").open("ab") as file:
        file.write(line + b"\n")
    draft = read_draft(path)
    assert draft.suite is None
    assert any(str(problem).startswith(says) for problem in draft.problems), draft.problems
    with pytest.raises(BadInput, match="cannot be used"):
        read_suite(path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "small").path
    lines = (path / "suite.jsonl").read_bytes().splitlines()
    (path / "suite.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join([lines[0], b"{}", lines[2], b"[]"]) + b"\n")
    told = [str(problem) for problem in read_draft(path).problems]
    assert told[0] == "line 1: the file begins with a byte order mark; store it as UTF-8 without one"
    assert "line 2: question: Field required" in told
    assert any(text.startswith("line 4: the line: Input should be") for text in told)


def test_a_manifest_of_other_items_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "small").path
    (path / "suite.jsonl").write_bytes(b"".join((path / "suite.jsonl").read_bytes().splitlines(keepends=True)[:3]))
    told = "; ".join(str(problem) for problem in read_draft(path).problems)
    assert "manifest.json: n is 4, and the items' is 3" in told
    assert "manifest.json: sha256 is" in told


def test_a_manifest_with_an_unknown_key_or_without_a_primary_metric_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "small").path
    said = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**said, "primary": [], "colour": "red"}))
    told = [str(problem) for problem in read_draft(path).problems]
    assert len(told) == 2
    assert told[0].startswith("manifest.json: primary:")
    assert "colour" in told[1]


def test_what_is_no_suite_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a suite is a folder with suite.jsonl and manifest.json"):
        read_suite(tmp_path)


def test_two_items_of_one_id_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="two items have the id 'fee'"):
        write(tmp_path / "small", [*changed(), changed()[0]])
    assert not (tmp_path / "small").exists()
