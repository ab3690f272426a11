"""What the outside engines read is the same model and the same adapters. Expected values are the weights as they were packaged, in GGUF's order of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors import safe_open
from safetensors.torch import save_file

from bench.outside.files import adapter_gguf, base_gguf
from engines.bundled import smollm2
from engines.models import locate

pytestmark = pytest.mark.models
_ATTENTION = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
_LAYER = 7


def _tensors(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(path).tensors}


@pytest.fixture(scope="module")
def packaged() -> dict[str, np.ndarray]:
    return _tensors(smollm2.source())


@pytest.mark.parametrize(("kind", "share"), [("BF16", 2**-8), ("Q8_0", 1 / 254 + 2**-11)])
def test_the_base_in_another_format_has_the_packaged_weights(tmp_path: Path, packaged: dict[str, np.ndarray], kind: str, share: float) -> None:
    """bf16 rounds to 8 bits of each number, Q8_0 to 127 steps of the largest of 32, the step itself to 11 bits: within that share of the
    largest of a row."""
    made = _tensors(base_gguf(tmp_path, kind))  # type: ignore[arg-type]
    assert made.keys() == packaged.keys()
    for name in ("token_embd.weight", f"blk.{_LAYER}.attn_q.weight", f"blk.{_LAYER}.ffn_down.weight", "output_norm.weight"):
        largest = np.abs(packaged[name]).max(axis=-1, keepdims=True)
        assert (np.abs(made[name] - packaged[name]) <= 1.01 * share * largest).all(), name


def test_the_base_keeps_tokenizer_and_settings(tmp_path: Path) -> None:
    made, packaged = (GGUFReader(path).fields for path in (base_gguf(tmp_path, "BF16"), smollm2.source()))
    for name in ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "llama.attention.head_count_kv", "llama.rope.freq_base", "tokenizer.ggml.eos_token_id"):
        assert made[name].contents() == packaged[name].contents()


def test_an_adapters_rows_stand_in_the_order_of_the_base(tmp_path: Path, model_cache: Path, packaged: dict[str, np.ndarray]) -> None:
    """The base's own matrices as the B of an adapter: converted, they must be what the packaged GGUF holds."""
    model = locate("bundled:smollm2-135m-instruct", model_cache).path
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    with safe_open(model / "model.safetensors", framework="pt") as tensors:
        weights = {}
        for module in _ATTENTION:
            place = f"model.layers.{_LAYER}.self_attn.{module}"
            weights[f"base_model.model.{place}.lora_B.weight"] = tensors.get_tensor(f"{place}.weight")[:, :8].contiguous()
            weights[f"base_model.model.{place}.lora_A.weight"] = torch.ones(8, 576, dtype=torch.bfloat16)
    save_file(weights, adapter / "adapter_model.safetensors")
    path = adapter_gguf(adapter, model)
    made = _tensors(path)
    for name in _ATTENTION.values():
        np.testing.assert_allclose(made[f"blk.{_LAYER}.{name}.weight.lora_b"], packaged[f"blk.{_LAYER}.{name}.weight"][:, :8], rtol=2**-8)
        assert made[f"blk.{_LAYER}.{name}.weight.lora_a"].shape == (8, 576)
    assert GGUFReader(path).fields["adapter.lora.alpha"].contents() == 8  # the rank: a scale of 1
