"""Parsing in a child process that may be killed: a hostile file can hurt nobody but itself.

The child has no more memory, CPU time and file size than it needs; the parent gives it a file, waits, and starts a new one
when it died or took too long.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType

from core.errors import DocumentRefused
from core.settings import Ingest
from ingest.blocks import ParsedDocument, assemble
from ingest.readers.raw import Limits

_MEMORY = 2 * 1024**3


def parse(name: str, content: bytes, limits: Limits) -> ParsedDocument:
    """Parse in this process.

    Raises:
        DocumentRefused: the file is of no supported format, damaged, encrypted, over a limit, or holds no text.
    """
    from ingest.readers.formats import format_of

    found = format_of(name, content)
    document = assemble(found.read(content, limits), found.media_type)
    if len(document.text) > limits.max_text:  # a table repeats its header in every row
        raise DocumentRefused(f"the text has {len(document.text):,} characters, more than the limit of {limits.max_text:,}", code="too_large")
    if not document.text.strip():
        raise DocumentRefused("the file holds no text (a scanned document needs text recognition first)", code="no_text")
    return document


class ParserProcess:
    """A child that parses one file after another. Use it as a context."""

    def __init__(self, settings: Ingest) -> None:
        self._limits = Limits(settings.max_pages, settings.max_text)
        self._seconds = settings.parse_seconds
        self._max_bytes = settings.max_file_mb * 1024 * 1024
        self._context = multiprocessing.get_context("spawn")  # forking a process with threads and models can deadlock
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._fresh = True

    def __enter__(self) -> ParserProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def parse(self, name: str, content: bytes) -> ParsedDocument:
        """Parse a file.

        Raises:
            DocumentRefused: as :func:`parse`, or the parser died or took too long.
        """
        self.check_size(len(content))
        pipe = self._start()
        try:
            pipe.send((name, content, self._limits))
            if not pipe.poll(self._seconds + 15 if self._fresh else self._seconds):
                self.close()
                raise DocumentRefused(f"reading the file took longer than {self._seconds} s", code="unreadable")
            self._fresh = False
            answer = pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise DocumentRefused("the file made its reader crash or run out of memory", code="unreadable") from None
        if isinstance(answer, ParsedDocument):
            return answer
        message, code = answer
        raise DocumentRefused(message, code=code)

    def check_size(self, size: int) -> None:
        """Raises DocumentRefused for a file of more bytes than the settings allow, before anything of it is read."""
        if size > self._max_bytes:
            raise DocumentRefused(f"the file has {size:,} bytes, more than the limit of {self._max_bytes:,}", code="too_large")

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None

    def _start(self) -> Connection:
        if self._pipe is None or self._child is None or not self._child.is_alive():
            self.close()
            self._pipe, other = self._context.Pipe()
            self._child = self._context.Process(target=_serve, args=(other, self._seconds), daemon=True)
            self._child.start()
            other.close()
            self._fresh = True  # the first file waits for the imports too
        return self._pipe


def _serve(pipe: Connection, seconds: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            name, content, limits = pipe.recv()
        except (EOFError, OSError):
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + seconds + 5
        resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            pipe.send(parse(name, content, limits))
        except DocumentRefused as error:
            pipe.send((error.message, error.code))
        except MemoryError:
            pipe.send(("the file needs more memory to read than a document may", "unreadable"))
        except RecursionError:
            pipe.send(("the file is nested too deeply to read", "unreadable"))
        except Exception as error:  # a parser's own exception says that the file is bad, not that the program is
            pipe.send((f"the file cannot be read ({type(error).__name__}: {str(error)[:200]})", "unreadable"))
