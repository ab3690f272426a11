"""Adapters with random weights, in the layout that the registry reads."""

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


def make_adapter(
    folder: Path,
    base: Any,
    base_digest: str,
    *,
    seed: int,
    invocation: list[int] | None = None,
    strength: float = 0.05,
    rank: int = 4,
    form: int = FORM,
    targets: Sequence[str] = ("q_proj", "v_proj", "down_proj"),
) -> AdapterRef:
    """A LoRA adapter of random weights for a model; activated when an invocation is given. The base model is left as it was."""
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=2 * rank,
        target_modules=list(targets),
        alora_invocation_tokens=invocation,
        fan_in_fan_out=base.config.model_type == "gpt2",  # its layers keep their weights the other way round
    )
    model = get_peft_model(base, config)
    weights = {name: torch.randn_like(tensor) * strength for name, tensor in get_peft_model_state_dict(model).items()}
    config.save_pretrained(str(folder))
    save_file(weights, folder / WEIGHTS)
    (folder / MANIFEST).write_text(manifest("alora" if invocation else "lora", base_digest, form), encoding="utf8")
    model.unload()
    return AdapterRef(f"random-{seed}", 1, str(folder), read_adapter(folder).digest)


def manifest(kind: str, base_digest: str, form: int = FORM) -> str:
    """What the registry reads of a manifest."""
    return json.dumps({"kind": kind, "base": {"digest": base_digest}, "prompt_form": form})
