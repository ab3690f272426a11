"""A table that stays in its file computes what the same table in memory does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engines import table_in_file
from engines.table_in_file import RowsInFile, leave_in_file


class Words(torch.nn.Module):
    def __init__(self, rows: int = 50) -> None:
        super().__init__()
        self.before = torch.nn.Linear(3, 3)
        self.words = torch.nn.Embedding(rows, 8)


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_in_file, "_LARGE_BYTES", 1)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("used", [torch.float32, torch.bfloat16])
def test_rows_are_the_same_to_the_bit(tmp_path: Path, stored: torch.dtype, used: torch.dtype) -> None:
    torch.manual_seed(0)
    model = Words().to(stored)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    model = model.to(used).requires_grad_(False)
    ids = torch.tensor([[0, 7, 49], [7, 1, 0]])
    expected = model.words(ids)
    leave_in_file(model, tmp_path / "model.safetensors")
    assert isinstance(model.words, RowsInFile)
    found = model.words(ids)
    assert found.dtype == used
    assert torch.equal(found, expected)
    assert all(parameter.shape != (50, 8) for parameter in model.parameters())


def test_what_the_file_does_not_hold_stays_in_memory(tmp_path: Path) -> None:
    save_file(Words(49).state_dict(), tmp_path / "model.safetensors")
    model = Words(50)
    leave_in_file(model, tmp_path / "model.safetensors")
    assert type(model.words) is torch.nn.Embedding
    leave_in_file(model, tmp_path / "there-is-none.safetensors")
    assert type(model.words) is torch.nn.Embedding


def test_a_small_table_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_in_file, "_LARGE_BYTES", 10_000)
    save_file(Words().state_dict(), tmp_path / "model.safetensors")
    model = Words()
    leave_in_file(model, tmp_path / "model.safetensors")
    assert type(model.words) is torch.nn.Embedding
