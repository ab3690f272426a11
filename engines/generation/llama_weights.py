"""The weights of a Llama-shaped model, taken out of the modules of transformers: RMS norms, rotary positions, grouped queries, a gated MLP.

Linear modules that read the same input are one matrix (query, key and value; gate and up).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

#: classes of transformers whose forward this is
_SHAPED = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
#: rotary positions that do not depend on the length of the sequence
_ROTATIONS = ("default", "linear", "llama3", "yarn")


def is_llama_shaped(model: Any) -> bool:
    """Whether the forward of this module is the one that :mod:`engines.generation.llama` computes."""
    config = model.config
    if type(model).__name__ not in _SHAPED:
        return False
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    rotation = config.rope_parameters["rope_type"]
    whole = window is None or window >= config.max_position_embeddings
    return whole and rotation in _ROTATIONS and getattr(config, "pretraining_tp", 1) == 1


@dataclass(frozen=True, slots=True)
class Matrix:
    """Linear modules one behind the other: weight (outputs, inputs), bias (outputs,) or None; ``widths`` are the modules' outputs."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    modules: tuple[str, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Norms have shape (hidden,)."""

    attention_norm: torch.Tensor
    qkv: Matrix
    out: Matrix
    mlp_norm: torch.Tensor
    gate_up: Matrix
    down: Matrix


class LlamaWeights:
    """Sizes and weights. The model's own modules are emptied layer by layer, so that nothing is held twice: do not use it afterwards."""

    def __init__(self, model: Any) -> None:
        config, self._body = model.config, model.model
        attention = self._body.layers[0].self_attn
        self.hidden: int = config.hidden_size
        self.inner: int = config.intermediate_size
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_size: int = attention.head_dim
        self.layer_count = len(self._body.layers)
        self.positions: int = config.max_position_embeddings
        self.scale: float = attention.scaling
        self.epsilon: float = config.rms_norm_eps
        self.activation: str = config.hidden_act
        self.act: Any = self._body.layers[0].mlp.act_fn
        # copies: one tensor of the loaded file would keep all of its pages in memory
        self.embedding: torch.Tensor = self._body.embed_tokens.weight.data.clone()
        head = model.get_output_embeddings().weight.data
        self.head: torch.Tensor = self.embedding if head.data_ptr() == self._body.embed_tokens.weight.data_ptr() else head.clone()
        self.norm: torch.Tensor = self._body.norm.weight.data.clone()

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    def layers(self) -> Iterator[Layer]:
        """Each once, in order."""
        for number, layer in enumerate(self._body.layers):
            yield Layer(
                layer.input_layernorm.weight.data.clone(),
                _joined(number, layer, "self_attn", "q_proj", "k_proj", "v_proj"),
                _joined(number, layer, "self_attn", "o_proj"),
                layer.post_attention_layernorm.weight.data.clone(),
                _joined(number, layer, "mlp", "gate_proj", "up_proj"),
                _joined(number, layer, "mlp", "down_proj"),
            )

    def rotations(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines by position, shape (positions, head); the first half of the sines is negative, for a product with the halves exchanged."""
        rotary = self._body.rotary_emb
        where = rotary.inv_freq.device
        cos, sin = rotary(torch.empty(0, dtype=dtype, device=where), torch.arange(self.positions, device=where)[None])
        sin = sin[0].clone()
        sin[:, : sin.shape[-1] // 2] *= -1
        return cos[0].contiguous(), sin


def _joined(number: int, layer: Any, part: str, *names: str) -> Matrix:
    parent = getattr(layer, part)
    modules = [getattr(parent, name) for name in names]
    weight = torch.cat([module.weight.data for module in modules])
    biases = [module.bias.data if module.bias is not None else weight.new_zeros(module.out_features) for module in modules]
    for module in modules:
        module.weight.data = weight.new_empty(0)
    return Matrix(
        weight,
        torch.cat(biases) if any(module.bias is not None for module in modules) else None,
        tuple(f"model.layers.{number}.{part}.{name}" for name in names),
        tuple(module.out_features for module in modules),
    )
