"""A large table of a model (its word embeddings) read where it lies on disk: of a quarter of a million rows a bank's texts use a few thousand.

The file's pages are the page cache's: rows that nobody asked for take no memory, and several processes share the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

#: tables that are worth it
_LARGE_BYTES = 64 * 1024 * 1024
_DTYPES: dict[str, tuple[Any, torch.dtype]] = {"F32": (np.float32, torch.float32), "F16": (np.float16, torch.float16), "BF16": (np.int16, torch.bfloat16)}


class RowsInFile(torch.nn.Module):
    """Looks rows of a mapped table up and gives them in the model's number format."""

    def __init__(self, table: torch.Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self._table = table  # no buffer: whoever moves the model to another format would read all of it
        self._dtype = dtype

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return F.embedding(ids, self._table).to(self._dtype)


def leave_in_file(model: torch.nn.Module, weights: Path) -> None:
    """Have the model's large embeddings read from its safetensors file, if they are in it under their names; nothing changes in what is computed."""
    if not weights.is_file():
        return
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Embedding and module.weight.nbytes >= _LARGE_BYTES and module.max_norm is None:
            table = _mapped(weights, name, module.weight.shape)
            if table is not None:
                parent, _, own = name.rpartition(".")
                setattr(model.get_submodule(parent), own, RowsInFile(table, module.weight.dtype))


def _mapped(weights: Path, module: str, shape: torch.Size) -> torch.Tensor | None:
    """The format is that of safetensors: eight bytes with the header's length, the header in JSON, the numbers."""
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    found = header.get(f"{module}.weight")
    if found is None or found["dtype"] not in _DTYPES or found["shape"] != list(shape):
        return None
    stored, dtype = _DTYPES[found["dtype"]]
    # copy-on-write: torch knows no tensors that cannot be written
    rows = np.memmap(weights, stored, mode="c", offset=8 + length + found["data_offsets"][0], shape=tuple(shape))
    return torch.from_numpy(rows).view(dtype)
