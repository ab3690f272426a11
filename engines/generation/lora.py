"""A LoRA adapter's weights by module, read from its folder once and checked against what PEFT itself would make of it.

Hu et al., "LoRA" (arXiv 2106.09685): a linear module's output grows by ``scale * (x @ A.T) @ B.T``. The scale is folded into B here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer

from core.errors import BankassistError, Unavailable
from core.prompts import FORM
from core.types import AdapterRef
from engines.adapter_files import AdapterFiles, read_adapter

_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class Lora:
    """One module's pair. ``a`` has shape (rank, inputs); ``b`` (rank, outputs) is B transposed, with the scale in it."""

    a: torch.Tensor
    b: torch.Tensor


class ReadyAdapter(Protocol):
    """An adapter in the form in which a decoder's steps use it. ``activated`` ones act from the invocation on, plain ones on every token. ``digest`` names
    its weights."""

    @property
    def digest(self) -> str: ...

    @property
    def activated(self) -> bool: ...

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """An adapter as it was read, in fp32; a :class:`ReadyAdapter` where modules are wrapped one by one."""

    digest: str
    activated: bool
    modules: Mapping[str, Lora]

    @property
    def nbytes(self) -> int:
        return sum(lora.a.nbytes + lora.b.nbytes for lora in self.modules.values())


def load_adapter(adapter: AdapterRef, base_digest: str, skeleton: Any) -> LoadedAdapter:
    """Read an adapter's folder.

    Args:
        base_digest: of the base model that it is to run on.
        skeleton: a module tree like the base model's, on the meta device; it is changed and of no use afterwards.

    Raises:
        Unavailable: the folder was changed since it was registered, or the adapter was trained on another base or other prompts, or does not fit the base.
    """
    files = read_adapter(Path(adapter.path))
    if files.digest != adapter.digest:
        raise Unavailable(
            f"adapter {adapter} was changed after it was registered: its digest is {files.digest[:12]}, expected {adapter.digest[:12]}", code="adapter_changed"
        )
    if files.base_digest != base_digest:
        raise Unavailable(
            f"adapter {adapter} was trained on another base model ({files.base_digest[:12]}) than the one loaded ({base_digest[:12]})",
            code="adapter_wrong_base",
        )
    if (form := files.manifest.get("prompt_form")) != FORM:
        raise Unavailable(
            f"adapter {adapter} was trained on prompts of form {form}, this program writes form {FORM}; train it again, or take the released one",
            code="adapter_wrong_prompt",
        )
    try:
        return LoadedAdapter(files.digest, files.kind == "alora", _modules(adapter, files, skeleton))
    except BankassistError:
        raise
    except Exception as error:
        raise Unavailable(f"adapter {adapter} does not fit the base model: {error}", code="adapter_wrong_base") from error


def _modules(adapter: AdapterRef, files: AdapterFiles, skeleton: Any) -> dict[str, Lora]:
    """PEFT says which modules the configuration means, with which scale and in which shapes; the weights must be exactly those."""
    # when it acts is the engine's to keep: for PEFT every adapter is a plain one
    model = PeftModel(skeleton, LoraConfig(task_type="CAUSAL_LM", inference_mode=True, **files.lora), low_cpu_mem_usage=True)
    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = files.weights
    if unknown := sorted(weights.keys() - expected.keys()):
        raise Unavailable(f"adapter {adapter} has weights for modules that the base model lacks: {unknown[0]}", code="adapter_wrong_base")
    if missing := sorted(expected.keys() - weights.keys()):
        raise Unavailable(
            f"adapter {adapter} names modules without having weights for them: {len(missing)} of {len(expected)} are missing, the first is {missing[0]}",
            code="adapter_unreadable",
        )
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise Unavailable(
                f"adapter {adapter} does not fit the base model: size mismatch for {name}: it has {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}",
                code="adapter_wrong_base",
            )
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and module.lora_A:
            scale = float(module.scaling["default"])
            b = weights[f"{name}.lora_B.weight"].float() * scale
            found[name.removeprefix(_PREFIX)] = Lora(weights[f"{name}.lora_A.weight"].float().contiguous(), b.t().contiguous())
    if len(found) * 2 != len(weights):
        raise Unavailable(f"adapter {adapter} changes modules that are not linear layers; only those are served", code="adapter_unreadable")
    return found
