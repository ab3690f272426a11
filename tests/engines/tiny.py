"""A generator over a model of a few thousand random weights, made in a moment, for what does not depend on what a model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.settings import Generation
from engines.local_generator import LocalGenerator
from engines.models import ModelFolder

DIGEST = "7" * 64
_TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


def tiny_model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=2048
    )
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    model: Any = LlamaForCausalLM(config)
    return model.eval().requires_grad_(False)


def tiny_tokenizer() -> Any:
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=_TEMPLATE)  # type: ignore[no-untyped-call]
    return fast


def tiny_generator(settings: Generation, model: Any = None) -> LocalGenerator:
    return LocalGenerator(model or tiny_model(), tiny_tokenizer(), ModelFolder("tiny", Path(), DIGEST, ""), settings)
