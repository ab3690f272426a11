"""Adapters with random weights: what a step costs does not depend on their values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from core.prompts import FORM
from core.types import AdapterRef
from engines.adapter_files import MANIFEST, WEIGHTS, read_adapter


def make(
    folder: Path, base: Any, base_digest: str, invocation: Sequence[int], number: int, rank: int, targets: Sequence[str], size: float = 0.01
) -> AdapterRef:
    """An adapter in PEFT's format, activated by the invocation or, without any, a plain one; the base model is left as it was.

    Args:
        size: standard deviation of its weights. At 0.05 each writes something else than the base does.
    """
    torch.manual_seed(number)
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules=list(targets), alora_invocation_tokens=list(invocation) or None)
    model = get_peft_model(base, config)
    weights = {name: (size * torch.randn_like(tensor)).to(torch.bfloat16) for name, tensor in get_peft_model_state_dict(model).items()}
    config.save_pretrained(str(folder))
    save_file(weights, folder / WEIGHTS)
    (folder / MANIFEST).write_text(
        json.dumps({"kind": "alora" if invocation else "lora", "base": {"digest": base_digest}, "prompt_form": FORM}), encoding="utf8"
    )
    model.unload()
    return AdapterRef(f"random-{number}", 1, str(folder), read_adapter(folder).digest)
