"""The folder of a run: `run.json`, `samples.jsonl`, a copy of the suite's items, and whatever is made of them later, with `SHA256SUMS` over all."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from core.errors import BadInput, Conflict
from eval.run.digests import file_digest
from eval.run.document import RunDocument
from eval.run.record import Record
from eval.run.samples import NAME as SAMPLES
from eval.run.samples import chain_problems, read_samples
from eval.suite.file import ITEMS, MANIFEST, Suite, read_suite
from eval.suite.item import Item

RUN, SUITE, SUMS = "run.json", "suite", "SHA256SUMS"
#: never changed once the run is complete
_FIXED = (RUN, SAMPLES, f"{SUITE}/{ITEMS}", f"{SUITE}/{MANIFEST}")


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it lies on disk. ``suite`` is the whole one, :attr:`items` those that were asked."""

    path: Path
    document: RunDocument
    suite: Suite
    records: tuple[Record, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        wanted = frozenset(self.document.items)
        return tuple(item for item in self.suite.items if item.id in wanted)

    @property
    def complete(self) -> bool:
        return self.document.status == "complete"


def open_run(path: Path) -> Run:
    """Read a run, complete or not.

    Raises:
        BadInput: the folder holds none, or not the one that it was.
    """
    document = read_document(path)
    return Run(path, document, read_suite(path / SUITE), read_samples(path / SAMPLES).records)


def read_document(path: Path) -> RunDocument:
    """`run.json` alone. Raises like :func:`open_run`."""
    file = path / RUN
    try:
        return RunDocument.model_validate_json(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} is no run: {file} cannot be read ({error.strerror}); `bankassist eval run` makes one", param="RUN") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadInput(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}", code="broken_run", param="RUN") from error


def make_folder(path: Path, document: RunDocument, suite: Suite) -> None:
    """A new run's folder.

    Raises:
        Conflict: there is something in it already.
    """
    if path.exists() and any(path.iterdir()):
        there = "a run; go on with it by `bankassist eval resume`" if (path / RUN).exists() else "something else"
        raise Conflict(f"{path} holds {there}, or name another folder with --out", code="folder_taken")
    (path / SUITE).mkdir(parents=True, exist_ok=True)
    for name in (ITEMS, MANIFEST):
        shutil.copyfile(suite.path / name, path / SUITE / name)
    write_document(path, document)


def write_document(path: Path, document: RunDocument) -> None:
    """All of it, or what was there."""
    temporary = path / f".{RUN}.new"
    with temporary.open("wb") as file:
        file.write((document.model_dump_json(indent=2) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path / RUN)


def finish(path: Path, document: RunDocument) -> None:
    """Write the complete run's document; from here on it and the records are read only."""
    write_document(path, document)
    for name in _FIXED:
        (path / name).chmod(0o444)
    write_sums(path)


def write_sums(path: Path, names: Iterable[str] = ()) -> None:
    """Add the digests of files that were made of a complete run, such as `scores.jsonl`; those of the run itself stay as they were."""
    file = path / SUMS
    sums = read_sums(path) | {name: file_digest(path / name) for name in names}
    for name in _FIXED:
        sums.setdefault(name, file_digest(path / name))
    temporary = path / f".{SUMS}.new"
    temporary.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())), "utf8")
    temporary.replace(file)


def read_sums(path: Path) -> dict[str, str]:
    """Digests by name, in the form of sha256sum(1); none where the file is not there."""
    file = path / SUMS
    lines = file.read_text("utf8").splitlines() if file.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def problems_of(path: Path) -> list[str]:
    """What is wrong with a run: records that are not as they were written, too few or too many, files that were changed.

    Raises:
        BadInput: it cannot be read at all.
    """
    run = open_run(path)
    document, records = run.document, run.records
    problems = chain_problems(records)
    if run.suite.manifest.sha256 != document.suite.sha256:
        problems.append(f"{SUITE}/{ITEMS} is not the suite that was run")
    keys = Counter(record.key for record in records)
    planned = {(item, arm, rep) for item in document.items for arm in document.arms for rep in range(document.reps)}
    problems += [f"{SAMPLES} answers {key[0]} under {key[1]} twice" for key, count in sorted(keys.items()) if count > 1]
    problems += [f"{SAMPLES} answers {key[0]} under {key[1]}, which was not to be run" for key in sorted(set(keys) - planned)]
    if not run.complete:
        return problems
    if len(records) != document.total:
        problems.append(f"{SAMPLES} has {len(records)} records, and the complete run had {document.total}")
    elif document.head != (records[-1].digest if records else ""):
        problems.append(f"the last record of {SAMPLES} is not the one that the run ended with")
    sums = read_sums(path)
    problems += [f"{name} is not in {SUMS}" for name in _FIXED if name not in sums]
    for name, digest in sorted(sums.items()):
        if not (path / name).is_file():
            problems.append(f"{name} is in {SUMS}, and not there")
        elif file_digest(path / name) != digest:
            problems.append(f"{name} was changed: its digest is not the one in {SUMS}")
    return problems
