"""Models of several families with a few thousand random weights each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers


@dataclass(frozen=True)
class Family:
    """``targets`` are the linear modules that adapters change; ``fused`` says whether the fast path takes it."""

    make: Callable[[], Any]
    targets: tuple[str, ...]
    fused: bool
    activates: bool = True  # PEFT knows activated adapters on plain linear layers only


_SMALL = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 2048}
_GROUPED = {**_SMALL, "num_key_value_heads": 2}
_ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def _of(kind: str, config: str, **settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        torch.manual_seed(0)
        # larger than the usual start: two words of about the same likelihood would make every comparison end early
        made = getattr(transformers, config)(**settings, initializer_range=0.3, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        model: Any = getattr(transformers, kind)(made)
        return model.eval().requires_grad_(False)

    return make


FAMILIES: Mapping[str, Family] = {
    "llama": Family(_of("LlamaForCausalLM", "LlamaConfig", **_GROUPED), _ALL, fused=True),
    "llama with biases, untied, a wide head": Family(
        _of("LlamaForCausalLM", "LlamaConfig", **_GROUPED, attention_bias=True, mlp_bias=True, head_dim=16, tie_word_embeddings=False),
        ("q_proj", "o_proj", "up_proj"),
        fused=True,
    ),
    "qwen2": Family(_of("Qwen2ForCausalLM", "Qwen2Config", **_GROUPED), _ALL, fused=True),
    "mistral": Family(_of("MistralForCausalLM", "MistralConfig", **_GROUPED, sliding_window=None), ("q_proj", "v_proj", "gate_proj"), fused=True),
    "mistral with a window": Family(_of("MistralForCausalLM", "MistralConfig", **_GROUPED, sliding_window=16), _ALL, fused=False),
    "qwen3": Family(_of("Qwen3ForCausalLM", "Qwen3Config", **_GROUPED, head_dim=8), _ALL, fused=False),
    "gpt2": Family(
        _of("GPT2LMHeadModel", "GPT2Config", vocab_size=300, n_embd=32, n_layer=3, n_head=4, n_positions=2048), ("c_attn", "c_fc"), fused=False, activates=False
    ),
    "gpt-neox": Family(_of("GPTNeoXForCausalLM", "GPTNeoXConfig", **_SMALL), ("query_key_value", "dense_h_to_4h"), fused=False),
    "gemma2": Family(_of("Gemma2ForCausalLM", "Gemma2Config", **_GROUPED, head_dim=8, sliding_window=2048), ("q_proj", "down_proj"), fused=False),
}
