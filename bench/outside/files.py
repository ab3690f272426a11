"""What the outside engines read, made once from the bundled model: GGUF for llama.cpp, OpenVINO's own form for OpenVINO."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file
from transformers import AutoConfig

from engines.adapter_files import WEIGHTS
from engines.bundled import smollm2

_ARCHITECTURE = "llama"
_GGUF_NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}


def base_gguf(folder: Path, kind: Literal["BF16", "Q8_0"]) -> Path:
    """The bundled model's own GGUF with its matrices in another number format; tokenizer and settings stay as they are."""
    made = folder / f"base-{kind.lower()}.gguf"
    if made.exists():
        return made
    reader = GGUFReader(smollm2.source())
    writer = GGUFWriter(unfinished := made.with_suffix(".tmp"), _ARCHITECTURE)
    for field in reader.fields.values():
        if field.name != "general.architecture" and not field.name.startswith("GGUF."):  # the writer's own
            sub_type = field.types[-1] if field.types[0] is GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub_type)
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type)
        stored = GGMLQuantizationType[kind] if weights.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, quantize(weights, stored), raw_dtype=stored)
    _write(writer)
    return unfinished.rename(made)


def adapter_gguf(adapter: Path, model: Path) -> Path:
    """An adapter of the attention's matrices, scale 1, as llama.cpp's `convert_lora_to_gguf.py` writes it: rows of query and key in the order of GGUF."""
    config: Any = AutoConfig.from_pretrained(model)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    writer = GGUFWriter(made := adapter.with_suffix(".gguf"), _ARCHITECTURE)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    for name, weights in load_file(adapter / WEIGHTS).items():
        tensor = weights.float().numpy()
        *_, layer, _, module, side, _ = name.split(".")  # base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
        if side == "lora_B" and module in heads:
            tensor = tensor.reshape(heads[module], 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
        writer.add_tensor(f"blk.{layer}.{_GGUF_NAMES[module]}.weight.{side.lower()}", np.ascontiguousarray(tensor))
        rank = min(tensor.shape)
    writer.add_float32("adapter.lora.alpha", rank)
    _write(writer)
    return made


def openvino_model(folder: Path, model: Path, kind: Literal["fp16", "int8"], python: Path) -> Path:
    """The model as optimum-intel exports it."""
    made = folder / f"openvino-{kind}"
    if not made.exists():
        unfinished = made.with_suffix(".tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        export = ["-m", "optimum.commands.optimum_cli", "export", "openvino", "--task", "text-generation-with-past"]
        command: list[str | Path] = [python, *export, "--model", model, "--weight-format", kind, unfinished]
        ran = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"optimum-intel could not export the model with {python}:\n{ran.stderr[-2000:]}")
        unfinished.rename(made)
    return made


def _write(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
