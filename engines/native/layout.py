"""Models, adapters and steps as `step.cpp` reads them: structures of addresses and numbers (`step.h` has the same lists), and packed weights.

A packed matrix is laid out by blocks of 16 outputs, in each by steps of 32 inputs, in each 16 rows of 16 pairs (outputs by two neighbouring inputs):
what AMX tiles and AVX-512's bf16 products read. Outputs and inputs are filled up with zeros to multiples of 32.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int64, c_void_p
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

#: outputs and inputs come in multiples of this
UNIT = 32


class Matrix(ctypes.Structure):
    _fields_ = [("weights", c_void_p), ("bias", c_void_p), ("n", c_int64), ("k", c_int64)]


class Layer(ctypes.Structure):
    _fields_ = [("attention_norm", c_void_p), ("mlp_norm", c_void_p), ("qkv", Matrix), ("out", Matrix), ("gate_up", Matrix), ("down", Matrix)]


class Model(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.POINTER(Layer)), ("embedding", c_void_p), ("norm", c_void_p), ("cos", c_void_p), ("sin", c_void_p), ("head", Matrix),
        ("layer_count", c_int64), ("hidden", c_int64), ("heads", c_int64), ("kv_heads", c_int64), ("head_size", c_int64), ("inner", c_int64),
        ("epsilon", c_double), ("scale", c_double),
    ]  # fmt: skip


class Pair(ctypes.Structure):
    _fields_ = [("a", c_void_p), ("b", c_void_p), ("rank", c_int64)]


class Span(ctypes.Structure):
    _fields_ = [("first", c_int64), ("count", c_int64), ("start", c_int64), ("place", c_int64)]


class Step(ctypes.Structure):
    _fields_ = [
        ("tokens", c_void_p), ("positions", c_void_p), ("places", c_void_p), ("owners", c_void_p), ("wanted", c_void_p), ("spans", c_void_p),
        ("adapters", c_void_p), ("memory", c_void_p), ("logits", c_void_p), ("room", c_void_p),
        ("rows", c_int64), ("span_count", c_int64), ("adapter_count", c_int64), ("wanted_count", c_int64), ("layer_places", c_int64),
        ("room_bytes", c_int64), ("threads", c_int64), ("tiles", c_int64),
    ]  # fmt: skip


SIZES = tuple(ctypes.sizeof(structure) for structure in (Matrix, Layer, Model, Pair, Span, Step))


def packed(weight: torch.Tensor) -> torch.Tensor:
    """Weights of shape (outputs, inputs) in bf16 as products read them."""
    full = F.pad(weight, (0, -weight.shape[1] % UNIT, 0, -weight.shape[0] % UNIT)).to(torch.bfloat16)
    return full.view(len(full) // 16, 16, -1, 2).transpose(1, 2).contiguous()


def filled(vector: torch.Tensor) -> torch.Tensor:
    """A vector in fp32, filled up with zeros."""
    return F.pad(vector.float(), (0, -len(vector) % UNIT)).contiguous()


def address(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else tensor.data_ptr()
