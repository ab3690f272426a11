"""One file after another into the catalogue: whole or not at all, and nothing is done twice."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.settings import Ingest
from core.types import FileState
from engines.catalogue import Catalogue
from engines.files import FileStore
from ingest.pipeline import Pipeline, SourceFile
from tests.embedder import HashedEmbedder
from tests.ingest.here import ParserHere


class _Counting(HashedEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed_passages(self, texts: Sequence[str], progress: Any = None) -> Any:
        self.texts += texts
        return self.embed_queries(texts)


def source(name: str, content: bytes, place: str = "here", *, uploaded: bool = False, **metadata: Any) -> SourceFile:
    return SourceFile(name, lambda: content, {"groups": ["staff"]} | metadata, place, uploaded)


class Bench:
    """A pipeline over real storage."""

    def __init__(self, home: Path) -> None:
        self.catalogue = Catalogue.open(home)
        self.files = FileStore(home / "files")
        self.embedder = _Counting()
        self.loads = 0
        self.parser = ParserHere(Ingest())
        self.pipeline = self.run()

    def run(self, readable: frozenset[str] | None = None) -> Pipeline:
        return Pipeline(self.catalogue, self.files, self._load, self.parser, Ingest(chunk_characters=60), lambda: self.embedder.digest, readable=readable)

    def _load(self) -> Any:
        self.loads += 1
        return self.embedder

    def ingest(self, name: str, content: bytes, **metadata: Any) -> tuple[str, str | None, int | None, int]:
        result = self.pipeline.ingest(source(name, content, **metadata))
        return result.state.value, result.code or result.document_id, result.version, result.chunks


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.catalogue.close()


FEES = b"# Fees\n\nA card costs CHF 45.00 a year.\n\n## Abroad\n\nTwo per cent of the amount.\n"


def test_a_file_becomes_a_version_with_chunks_vectors_and_its_bytes(bench: Bench) -> None:
    assert bench.ingest("cards/fees.md", FEES, document_id="fees", valid_from="2026-07-01", product="cards") == ("indexed", "fees", 1, 2)
    info = bench.catalogue.documents.version("fees", 1)
    assert (info.title, info.language, info.product, info.groups, info.valid_from, info.file_name, info.media_type, info.chunks) == (
        "Fees", "en", "cards", ("staff",), date(2026, 7, 1), "fees.md", "text/markdown", 2,
    )  # fmt: skip
    assert bench.files.path(info.content_digest).read_bytes() == FEES
    text = bench.catalogue.documents.text("fees", 1)
    assert text == "Fees\nA card costs CHF 45.00 a year.\nAbroad\nTwo per cent of the amount."
    embedded = ["Fees\nA card costs CHF 45.00 a year.", "Fees > Abroad\nTwo per cent of the amount."]
    assert bench.embedder.texts == embedded
    entries = list(bench.catalogue.documents.index_entries(bench.embedder.digest))
    expected = {vector.tobytes() for vector in bench.embedder.embed_queries(embedded)}
    assert {np.asarray(entry.vector, np.float32).tobytes() for entry in entries} == expected


def test_title_and_language_come_from_the_metadata_the_headings_or_the_name(bench: Bench) -> None:
    bench.ingest("收费/年费.txt", "年费为每年120元。".encode(), document_id="a")
    bench.ingest("b.txt", "年费为每年120元。".encode(), document_id="b", title="Card fees", language="en")
    bench.ingest("c.md", "# 收费表\n\n年费为每年120元。".encode(), document_id="c")
    shown = [(info.title, info.language) for info in bench.catalogue.documents.newest()]
    assert shown == [("年费", "zh"), ("Card fees", "en"), ("收费表", "zh")]


def test_an_unchanged_file_is_neither_parsed_nor_embedded_and_needs_no_model(bench: Bench) -> None:
    bench.ingest("fees.md", FEES, document_id="fees")
    counts = (bench.parser.count, bench.loads)
    assert bench.ingest("other-name.md", FEES, document_id="fees") == ("unchanged", "fees", 1, 2)
    assert (bench.parser.count, bench.loads) == counts == (1, 1)


def test_what_was_withdrawn_stays_out_until_somebody_wants_it_back(bench: Bench) -> None:
    """A folder taken in every night must not undo a withdrawal."""
    bench.ingest("fees.md", FEES, document_id="fees")
    bench.catalogue.documents.withdraw("fees")
    result = bench.pipeline.ingest(source("fees.md", FEES, document_id="fees"))
    assert (result.state, result.code) == (FileState.REFUSED, "withdrawn")
    assert result.reason == "fees was withdrawn with these bytes, as version 1, and stays so; `bankassist ingest --restore` takes it in again"
    assert [info.state for info in bench.catalogue.documents.versions("fees")] == ["withdrawn"]
    restoring = Pipeline(bench.catalogue, bench.files, bench._load, bench.parser, Ingest(chunk_characters=60), lambda: bench.embedder.digest, restore=True)
    again = restoring.ingest(source("fees.md", FEES, document_id="fees"))
    assert (again.state, again.version) == (FileState.INDEXED, 2)
    assert bench.ingest("fees.md", FEES, document_id="fees") == ("unchanged", "fees", 2, 2)


def test_what_was_withdrawn_does_not_keep_other_bytes_out(bench: Bench) -> None:
    bench.ingest("fees.md", FEES, document_id="fees")
    bench.catalogue.documents.withdraw("fees")
    assert bench.ingest("fees.md", FEES + b"\nMore.", document_id="fees")[:3] == ("indexed", "fees", 2)


def test_a_file_over_the_limit_is_refused_before_it_is_read(bench: Bench) -> None:
    def read() -> bytes:
        pytest.fail("it was read")

    result = bench.pipeline.ingest(SourceFile("huge.md", read, {"groups": ["staff"]}, "here", size=lambda: 50 * 1024 * 1024 + 1))
    assert (result.state, result.code) == (FileState.REFUSED, "too_large")
    assert result.reason == "the file has 52,428,801 bytes, more than the limit of 52,428,800"


@pytest.mark.parametrize(
    ("content", "metadata"),
    [(FEES + b"\nMore.", {}), (FEES, {"groups": ["public"]}), (FEES, {"valid_until": "2030-01-01"})],
    ids=["bytes", "groups", "validity"],
)
def test_another_byte_or_another_word_of_the_owner_is_a_new_version(bench: Bench, content: bytes, metadata: Mapping[str, Any]) -> None:
    bench.ingest("fees.md", FEES, document_id="fees")
    assert bench.ingest("fees.md", content, document_id="fees", **metadata)[:3] == ("indexed", "fees", 2)


def test_a_new_version_embeds_only_what_changed(bench: Bench) -> None:
    bench.ingest("fees.md", FEES, document_id="fees")
    bench.embedder.texts.clear()
    bench.ingest("fees.md", FEES.replace(b"Two", b"Three"), document_id="fees")
    assert bench.embedder.texts == ["Fees > Abroad\nThree per cent of the amount."]
    entries = list(bench.catalogue.documents.index_entries(bench.embedder.digest))
    assert len(entries) == 2
    assert all(abs(float(np.linalg.norm(entry.vector)) - 1) < 1e-5 for entry in entries)


def test_documents_without_an_id_get_one_of_their_path(bench: Bench) -> None:
    first = bench.ingest("a/收费表.txt", b"A fee.")
    second = bench.ingest("b/收费表.txt", b"A fee.")
    assert first[0] == second[0] == "indexed"
    assert first[1] != second[1]
    assert bench.ingest("a/收费表.txt", b"Another fee.")[1:3] == (first[1], 2)


def test_two_files_of_one_run_are_not_made_one_document_by_their_name(bench: Bench) -> None:
    first, second = (bench.pipeline.ingest(source("fees.md", content, place)) for content, place in ((FEES, "/a/fees.md"), (b"Other.", "/b/fees.md")))
    assert (first.state, second.state, second.code) == (FileState.INDEXED, FileState.REFUSED, "document_taken")
    assert second.reason == (
        "/a/fees.md and /b/fees.md have the same name and would be one document; give one of them a document_id, in documents.toml or the metadata"
    )
    assert bench.pipeline.ingest(source("fees.md", b"Other.", "/b/fees.md", document_id="other")).state is FileState.INDEXED
    assert bench.run().ingest(source("fees.md", b"Newer.", "/a/fees.md")).version == 2  # found again by a later run


def test_an_upload_is_a_new_version_only_of_a_document_that_it_names(bench: Bench) -> None:
    first = bench.run().ingest(source("fees.md", FEES, uploaded=True))
    assert bench.run().ingest(source("fees.md", FEES, uploaded=True)).state is FileState.UNCHANGED
    refused = bench.run().ingest(source("fees.md", b"Others' fees.", uploaded=True))
    assert (refused.state, refused.code) == (FileState.REFUSED, "document_taken")
    assert "give that document_id to make this a new version of it" in (refused.reason or "")
    assert bench.run().ingest(source("fees.md", b"Others' fees.", uploaded=True, document_id=first.document_id)).version == 2


def test_an_uploader_replaces_nothing_that_he_may_not_read_and_gives_nothing_to_other_groups(bench: Bench) -> None:
    bench.ingest("fees.md", FEES, document_id="fees", groups=["risk"])
    staff = bench.run(frozenset({"staff", "public"}))
    taken = staff.ingest(source("mine.md", b"Mine.", document_id="fees"))
    assert (taken.code, taken.reason, taken.document_id) == ("document_taken", "document_id fees is not free for this key; give another document_id", None)
    foreign = staff.ingest(source("mine.md", b"Mine.", groups=["risk"]))
    assert (foreign.code, "not of the group risk" in (foreign.reason or "")) == ("bad_metadata", True)
    assert staff.ingest(source("mine.md", b"Mine.", document_id="mine", groups=["public"])).version == 1
    assert [(info.document_id, info.number) for info in bench.catalogue.documents.newest()] == [("fees", 1), ("mine", 1)]


def test_with_another_model_the_same_files_are_embedded_and_no_versions_made(bench: Bench) -> None:
    bench.ingest("fees.md", FEES, document_id="fees")
    bench.embedder.digest = "f" * 64
    assert bench.ingest("fees.md", FEES, document_id="fees") == ("indexed", "fees", 1, 2)
    assert bench.ingest("fees.md", FEES, document_id="fees") == ("unchanged", "fees", 1, 2)
    assert len(bench.embedder.texts) == 4
    assert len(list(bench.catalogue.documents.index_entries("f" * 64))) == 2


def test_a_name_that_is_no_utf8_is_refused_and_can_be_printed(bench: Bench) -> None:
    said: list[dict[str, Any]] = [{}, {"document_id": "fees"}]
    for metadata in said:
        result = bench.pipeline.ingest(source("a/\udcffees.md", FEES, **metadata))
        assert (result.state, result.path, result.code) == (FileState.REFUSED, "a/\\udcffees.md", "unreadable")
        assert "not in UTF-8" in (result.reason or "")


@pytest.mark.parametrize(
    ("name", "content", "metadata", "code", "says"),
    [
        pytest.param("a.md", b"text", {"groups": []}, "bad_metadata", "nobody may read it", id="no groups"),
        pytest.param("a.md", b"text", {"owner": "me"}, "bad_metadata", "owner", id="unknown key"),
        pytest.param("a.md", b"text", {"valid_from": "2026-13-01"}, "bad_metadata", "valid_from", id="no date"),
        pytest.param("a.rtf", b"text", {}, "unsupported_format", "ending in .rtf", id="format"),
        pytest.param("a.pdf", b"text", {}, "wrong_type", "ends in .pdf", id="mislabelled"),
        pytest.param("a.md", b"", {}, "no_text", "empty", id="empty"),
        pytest.param("a.txt", b"x" * 10_001, {}, "too_large", "10,001 characters", id="too long"),
    ],
)
def test_a_file_that_cannot_be_taken_in_is_a_result_and_stores_nothing(
    bench: Bench, name: str, content: bytes, metadata: Mapping[str, Any], code: str, says: str
) -> None:
    result = bench.pipeline.ingest(source(name, content, **metadata))
    assert (result.state, result.code, result.document_id, result.chunks) == (FileState.REFUSED, code, None, 0)
    assert says in (result.reason or "")
    assert bench.catalogue.documents.counts() == {"documents": 0, "versions": 0, "chunks": 0}
    assert bench.catalogue.documents.head() == 0


def test_a_file_that_cannot_be_opened_is_a_result(bench: Bench, tmp_path: Path) -> None:
    result = bench.pipeline.ingest(SourceFile("gone.md", (tmp_path / "gone.md").read_bytes, {"groups": ["staff"]}, "gone.md"))
    assert (result.state, result.code, result.reason) == (FileState.REFUSED, "unreadable", "the file cannot be opened: No such file or directory")


def test_a_full_disk_is_not_the_files_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(content: bytes) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bench.files, "put", full)
    with pytest.raises(OSError, match="No space left"):
        bench.ingest("fees.md", FEES)
    assert bench.catalogue.documents.counts()["versions"] == 0


def test_the_seconds_of_every_stage_are_kept(bench: Bench) -> None:
    bench.ingest("fees.md", FEES)
    assert list(bench.pipeline.stages.timings) == ["read", "parse", "cut", "load model", "embed", "store"]
