"""Adapters with random weights: what a step costs does not depend on their values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from core.prompts import FORM
from core.settings import Models
from core.types import AdapterRef
from engines.adapter_files import MANIFEST, WEIGHTS, read_adapter
from engines.chat import ChatEncoder
from engines.models import locate

QUERY_VALUE = ("q_proj", "v_proj")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


class RandomAdapters:
    """Makes adapters of the settings' generation model, in PEFT's format."""

    def __init__(self, models: Models, cache: Path) -> None:
        self._place = locate(models.generation, cache)
        with torch.device("meta"):  # names and shapes are all that is needed
            self._skeleton: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(self._place.path))  # type: ignore[no-untyped-call]
        self._invocation = ChatEncoder(AutoTokenizer.from_pretrained(self._place.path)).invocation

    def make(
        self, folder: Path, number: int, rank: int, targets: Sequence[str], name: str = "random", *, activated: bool = True, size: float = 0.01
    ) -> AdapterRef:
        """One whose weights follow from ``number``, which is also its version.

        Args:
            size: standard deviation of its weights. At 0.05 each adapter writes something else than the base does.
        """
        torch.manual_seed(number)
        invocation = list(self._invocation) if activated else None
        config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules=list(targets), alora_invocation_tokens=invocation)
        model = get_peft_model(self._skeleton, config)
        shapes = {name: tensor.shape for name, tensor in get_peft_model_state_dict(model).items()}
        model.unload()
        config.save_pretrained(str(folder))
        save_file({name: (size * torch.randn(shape)).to(torch.bfloat16) for name, shape in shapes.items()}, folder / WEIGHTS)
        (folder / MANIFEST).write_text(
            json.dumps({"kind": "alora" if activated else "lora", "base": {"digest": self._place.digest}, "prompt_form": FORM}), encoding="utf8"
        )
        return AdapterRef(name, number, str(folder), read_adapter(folder).digest)
