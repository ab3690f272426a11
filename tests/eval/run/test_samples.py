"""Records on disk: a chain that shows every change, and a last line that a crash may have cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput, Conflict
from eval.run.record import Record
from eval.run.samples import Samples, chain_problems, read_samples


def record(number: int) -> Record:
    return Record(item=f"i{number}", arm="rag", kind="answered", text=f"答案 {number}")


def write(path: Path, count: int) -> None:
    with Samples(path) as samples:
        for number in range(len(samples.there), count):
            samples.append(record(number))


def test_a_line_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    write(whole, 4)
    content = whole.read_bytes()
    start = content[:-1].rindex(b"\n") + 1
    for length in (start, start + 1, len(content) - 1):  # the line break alone is missing in the last
        torn.write_bytes(content[:length])
        assert len(read_samples(torn).records) == 3
        write(torn, 4)
        assert torn.read_bytes() == content


def test_what_was_changed_removed_or_moved_shows(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 4)
    records = list(read_samples(path).records)
    assert chain_problems(records) == []
    changed = [records[0], records[1].model_copy(update={"text": "nicer"}), *records[2:]]
    assert chain_problems(changed) == ["line 2 (i1, rag) was changed after it was written"]
    assert len(chain_problems([records[0], *records[2:]])) == 1
    assert len(chain_problems([records[1], records[0], *records[2:]])) == 3
    path.write_bytes(path.read_bytes().replace("答案 1".encode(), "答案 9".encode()))
    with pytest.raises(BadInput, match="was changed after it was written"):
        Samples(path)


def test_a_broken_line_in_the_middle_is_no_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 3)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:40], *lines[2:]]))
    with pytest.raises(BadInput, match="line 2 is no record"):
        read_samples(path)


def test_one_process_writes(tmp_path: Path) -> None:
    with Samples(tmp_path / "samples.jsonl"), pytest.raises(Conflict, match="written by another process"):
        Samples(tmp_path / "samples.jsonl")
