"""An adapter on disk: PEFT's two files and our manifest beside them. Everything is checked before any weight is used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import Unavailable

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MANIFEST = "manifest.json"

#: what a configuration may set; the rest of PEFT's keys must be absent, empty or at their defaults
_LORA_KEYS = ("r", "lora_alpha", "target_modules", "use_rslora", "fan_in_fan_out")
_HARMLESS = {
    "alora_invocation_tokens", "auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights", "lora_bias", "lora_dropout",
    "peft_type", "peft_version", "revision", "task_type",
}  # fmt: skip
#: PEFT writes these into every configuration; they belong to methods that others of its keys switch on
_DEFAULTS = {"megatron_core": "megatron.core", "qalora_group_size": 16}
_MAX_HEADER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """``lora`` are the arguments of PEFT's LoraConfig; ``digest`` is over configuration and ``weights``: those that were read, whatever lies on disk by now."""

    kind: Literal["alora", "lora"]
    lora: Mapping[str, Any]
    invocation: tuple[int, ...]
    weights: Mapping[str, torch.Tensor]
    digest: str
    base_digest: str
    manifest: Mapping[str, Any]


def read_adapter(folder: Path) -> AdapterFiles:
    """Read and check an adapter folder.

    Raises:
        Unavailable: a file too many or too few, or one that goes while it is read; a configuration key or value that is not allowed, or weights that are
            all zero or not numbers.
    """
    try:
        return _read(folder)
    except OSError as error:
        raise Unavailable(f"adapter {folder} cannot be read: {error}", code="adapter_unreadable") from error


def _read(folder: Path) -> AdapterFiles:
    """Each file is read once: what is checked, digested and used must be the same bytes, also where the folder is replaced meanwhile."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names != {CONFIG, WEIGHTS, MANIFEST}:
        raise Unavailable(
            f"an adapter folder holds {CONFIG}, {WEIGHTS} and {MANIFEST}; {folder} holds {', '.join(sorted(names)) or 'nothing'}", code="adapter_unreadable"
        )
    content = {name: (folder / name).read_bytes() for name in sorted(names)}
    try:
        config: dict[str, Any] = json.loads(content[CONFIG].decode("utf8"))
        manifest: dict[str, Any] = json.loads(content[MANIFEST].decode("utf8"))
        base_digest = str(manifest["base"]["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"adapter {folder}: {error!r}", code="adapter_unreadable") from error
    _refuse_config(folder, config)
    weights = _weights(folder / WEIGHTS, content[WEIGHTS], config["r"])
    digest = hashlib.sha256(content[CONFIG] + content[WEIGHTS]).hexdigest()
    invocation = tuple(config.get("alora_invocation_tokens") or ())
    lora = {key: config[key] for key in _LORA_KEYS if key in config}
    return AdapterFiles("alora" if invocation else "lora", lora, invocation, weights, digest, base_digest, manifest)


def _refuse_config(folder: Path, config: Any) -> None:
    if not isinstance(config, dict):
        raise Unavailable(f"adapter {folder}: {CONFIG} must be a JSON object, got {type(config).__name__}", code="adapter_unreadable")
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or config.get("auto_mapping"):
        raise Unavailable(f"adapter {folder}: only LoRA adapters without biases and without an automatic mapping are loaded", code="adapter_unreadable")
    modules = config.get("target_modules")
    if not isinstance(modules, list) or not modules or not all(isinstance(name, str) and name.replace("_", "").replace(".", "").isalnum() for name in modules):
        raise Unavailable(f"adapter {folder}: target_modules must be a list of module names, got {modules!r}", code="adapter_unreadable")
    for key, fits, expected in (
        ("r", lambda value: type(value) is int and value > 0, "a whole number above 0"),
        ("lora_alpha", lambda value: type(value) in (int, float) and 0 < value < math.inf, "a number above 0"),
        ("use_rslora", lambda value: type(value) is bool, "true or false"),
        ("fan_in_fan_out", lambda value: type(value) is bool, "true or false"),
        ("alora_invocation_tokens", lambda value: isinstance(value, list | None) and all(type(token) is int for token in value or ()), "a list of token ids"),
    ):
        if (key == "r" or key in config) and not fits(config.get(key)):
            raise Unavailable(f"adapter {folder}: {key} must be {expected}, got {config.get(key)!r}", code="adapter_unreadable")
    for key, value in config.items():
        unset = value is None or value is False or value in ([], {}, "", _DEFAULTS.get(key))
        if key not in _LORA_KEYS and key not in _HARMLESS and not unset:
            raise Unavailable(f"adapter {folder}: the configuration sets {key} to {value!r}, which is not supported", code="adapter_unreadable")


def _weights(path: Path, content: bytes, rank: int) -> dict[str, torch.Tensor]:
    """The tensors of a file, checked."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = int.from_bytes(content[:8], "little")
    if header > _MAX_HEADER:
        raise Unavailable(f"{path}: a header of {header} bytes is over the limit of {_MAX_HEADER}", code="adapter_unreadable")
    try:
        weights: dict[str, torch.Tensor] = load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:  # the latter for a number format that torch lacks, and for no data at all
        raise Unavailable(f"{path}: {error!r}", code="adapter_unreadable") from error
    largest = {".lora_A.": 0.0, ".lora_B.": 0.0}
    for name, tensor in weights.items():
        if tensor.ndim != 2 or rank not in tensor.shape or not torch.isfinite(tensor).all():
            raise Unavailable(f"{path}: {name} has shape {tuple(tensor.shape)}, expected rank {rank} and finite numbers", code="adapter_unreadable")
        for part in largest:
            if part in name:
                largest[part] = max(largest[part], float(tensor.abs().max()))
    if not all(largest.values()):
        raise Unavailable(f"{path}: all weights are zero, so the adapter would change nothing", code="adapter_no_op")
    return weights
