"""Parsing in a child process: whatever a file does to its reader, the parent goes on."""

from __future__ import annotations

import io
import os
import resource
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pytest

import ingest.parsing
from core.errors import DocumentRefused
from core.settings import Ingest
from ingest.parsing import ParserProcess, parse
from ingest.readers import formats
from ingest.readers.raw import Limits, RawBlock, paragraph

LIMITS = Limits(10, 1_000)


def _odd_reader(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    """Does to its process what the file says."""
    match content.decode().split():
        case ["crash"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["hang"]:
            while True:
                pass
        case ["memory"]:
            bytearray(3 * 1024**3)
        case ["nest"]:
            _nest()
        case ["fail"]:
            raise KeyError("word/styles.xml")
        case ["write", path]:
            Path(path).write_text("x")
        case ["limits"]:
            for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_CPU):
                yield paragraph(str(resource.getrlimit(kind)[0]))
    yield paragraph(content.decode())


def _nest() -> NoReturn:
    _nest()


def _serve_odd(pipe: Connection, seconds: int) -> None:
    """What the child runs in these tests: the real loop with a reader that misbehaves."""
    formats.FORMATS = {**formats.FORMATS, ".txt": formats.Format("odd", "text/odd", _odd_reader)}
    _SERVE(pipe, seconds)


_SERVE = ingest.parsing._serve


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[ParserProcess]:
    monkeypatch.setattr(ingest.parsing, "_serve", _serve_odd)
    with ParserProcess(Ingest(max_file_mb=1)) as parser:
        yield parser


def refusal(parser: ParserProcess, content: bytes) -> tuple[str, str]:
    with pytest.raises(DocumentRefused) as refused:
        parser.parse("odd.txt", content)
    return refused.value.code, refused.value.message


def test_a_child_reads_one_file_after_another_and_reports_what_is_wrong_with_each() -> None:
    with ParserProcess(Ingest(max_file_mb=1)) as parser:
        document = parser.parse("fees.md", "# 收费表\n\n年费120元。".encode())
        assert document.text == "收费表\n年费120元。"
        assert [block.level for block in document.blocks] == [1, 0]
        assert document.media_type == "text/markdown"
        for name, content, code in [
            ("fees.pdf", b"# Fees", "wrong_type"),
            ("fees.rtf", b"# Fees", "unsupported_format"),
            ("fees.txt", b" \n ", "no_text"),
            ("fees.docx", b"PK\x03\x04", "unreadable"),
            ("fees.txt", b"x" * (1024 * 1024 + 1), "too_large"),
        ]:
            with pytest.raises(DocumentRefused) as refused:
                parser.parse(name, content)
            assert (name, refused.value.code) == (name, code)
        child = parser._child
        assert parser.parse("fees.txt", b"Fee: 4").text == "Fee: 4"
        assert parser._child is child is not None


def test_what_a_reader_does_wrong_is_the_files_fault_and_the_child_goes_on(odd: ParserProcess, tmp_path: Path) -> None:
    *others, cpu_seconds, _ = odd.parse("odd.txt", b"limits").text.split()
    assert others == [str(2 * 1024**3), "0", "0"]
    assert 65 <= int(cpu_seconds) < 200  # the 60 s of the settings, 5 more, and what the imports took
    assert refusal(odd, b"memory") == ("unreadable", "the file needs more memory to read than a document may")
    assert refusal(odd, b"nest") == ("unreadable", "the file is nested too deeply to read")
    assert refusal(odd, b"fail") == ("unreadable", "the file cannot be read (KeyError: 'word/styles.xml')")
    code, message = refusal(odd, f"write {tmp_path / 'planted'}".encode())
    assert (code, "File too large" in message) == ("unreadable", True)
    assert (tmp_path / "planted").read_text() == ""
    child = odd._child
    assert child is not None
    assert child.is_alive()

    assert refusal(odd, b"crash") == ("unreadable", "the file made its reader crash or run out of memory")
    assert odd.parse("odd.txt", b"next").text == "next"
    assert odd._child is not child


def test_a_reader_that_takes_too_long_is_ended(odd: ParserProcess) -> None:
    odd.parse("odd.txt", b"first")  # the imports are done
    odd._seconds = 0
    child = odd._child
    assert child is not None
    assert refusal(odd, b"hang") == ("unreadable", "reading the file took longer than 0 s")
    assert not _exists(child.pid)


def _exists(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_died_between_files_is_replaced_and_none_is_left_behind(odd: ParserProcess) -> None:
    odd.parse("odd.txt", b"first")
    first = odd._child
    assert first is not None
    first.kill()
    first.join()
    assert odd.parse("odd.txt", b"second").text == "second"
    second = odd._child
    assert second is not None
    odd.close()
    assert not _exists(second.pid)


@pytest.mark.parametrize(
    ("name", "content", "limits", "code", "says"),
    [
        pytest.param("a.txt", b"", LIMITS, "no_text", "the file is empty", id="empty"),
        pytest.param("a.html", b"<script>x</script><p></p>", LIMITS, "no_text", "needs text recognition", id="nothing visible"),
        pytest.param("a.txt", "年费".encode() * 501, LIMITS, "too_large", "1,002 characters", id="long text"),
        pytest.param(
            "a.md", f"|{'h' * 300}|b|\n|--|--|\n".encode() + b"|1|2|\n" * 4, LIMITS, "too_large", "more than the limit of 1,000", id="long header in each row"
        ),
    ],
)
def test_parsing_in_this_process_refuses_the_same(name: str, content: bytes, limits: Limits, code: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as refused:
        parse(name, content, limits)
    assert refused.value.code == code


def test_a_bomb_in_a_workbook_is_refused_before_it_is_opened() -> None:
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(20 * 1024 * 1024))
    with pytest.raises(DocumentRefused, match="unpacks to more than") as refused:
        parse("a.xlsx", file.getvalue(), LIMITS)
    assert refused.value.code == "too_large"
