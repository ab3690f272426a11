"""From a task to an adapter folder: base model, training, PEFT's two files and our manifest."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters.data_digest import data_digest
from adapters.tasks import Task
from adapters.training import Progress, Trainer
from core.errors import BadInput
from core.prompts import FORM
from core.settings import Models
from core.types import AdapterRef
from engines.adapter_files import CONFIG, MANIFEST, WEIGHTS, read_adapter
from engines.chat import ChatEncoder
from engines.compute import prepare, torch_dtype
from engines.models import ModelFolder, locate


def train(
    task: Task,
    version: int,
    target: Path,
    models: Models,
    cache: Path,
    *,
    start_from: AdapterRef | None,
    notify: Callable[[Progress], None],
    count: int | None = None,
    limit_minutes: float | None = None,
) -> AdapterRef:
    """Train an adapter of a task and write it to ``target``, completely or not at all.

    Args:
        start_from: the adapter whose weights training begins with; the task says of which task it should be.
        count: groups of questions to train on, instead of the task's own number.

    Raises:
        BadInput: the start adapter has another shape, or the target exists.
    """
    if target.exists():
        raise BadInput(f"{target} exists already", param="--out")
    folder = locate(models.generation, cache)
    prepare(models.threads)
    base: Any = AutoModelForCausalLM.from_pretrained(folder.path, dtype=torch_dtype(models.dtype), use_safetensors=True, local_files_only=True)
    if torch.cuda.is_available():
        base = base.cuda()
    tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
    encoder = ChatEncoder(tokenizer)
    modules = "all-linear" if task.lora.target_modules == "all-linear" else list(task.lora.target_modules)
    torch.manual_seed(task.training.seed)
    # PEFT keeps the adapter's weights in fp32 whatever the base has
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=task.lora.r, lora_alpha=task.lora.alpha, target_modules=modules))
    model.eval()  # no dropout anywhere
    if start_from is not None:
        _load_start(model, start_from)
    trainer = Trainer(model, encoder, int(tokenizer.eos_token_id), task)
    progress = trainer.train(count or task.training.groups, notify, limit_seconds=60 * limit_minutes if limit_minutes else math.inf)
    manifest = _manifest(task, version, models, folder, start_from, progress)
    _write(model, encoder, task, models.generation, manifest, target)
    found = read_adapter(target)
    return AdapterRef(task.name, version, str(target), found.digest)


def _load_start(model: Any, start: AdapterRef) -> None:
    problems: Any = set_peft_model_state_dict(model, load_file(Path(start.path) / WEIGHTS))
    if problems.unexpected_keys:
        raise BadInput(f"adapter {start} does not fit: it has {problems.unexpected_keys[0]}", param="--init")


def _write(model: Any, encoder: ChatEncoder, task: Task, base_name: str, manifest: dict[str, Any], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        config = model.peft_config["default"]
        config.base_model_name_or_path = base_name
        config.inference_mode = True
        if task.lora.kind == "alora":
            config.alora_invocation_tokens = list(encoder.invocation)
        config.save_pretrained(made)
        weights = {
            name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
            for name, tensor in get_peft_model_state_dict(model, save_embedding_layers=False).items()
        }
        save_file(weights, made / WEIGHTS, metadata={"format": "pt"})
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
        for path in made.iterdir():
            if path.name not in (CONFIG, WEIGHTS, MANIFEST):
                path.unlink()
        made.chmod(0o755)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _manifest(task: Task, version: int, models: Models, folder: ModelFolder, start: AdapterRef | None, progress: Progress) -> dict[str, Any]:
    return {
        "schema": "bankassist-adapter/1",
        "name": task.name,
        "version": version,
        "kind": task.lora.kind,
        "prompt_form": FORM,
        "base": {"name": models.generation, "digest": folder.digest, "text_digest": folder.text_digest},
        "start": {"adapter": str(start), "digest": start.digest} if start else None,
        "task": task.model_dump(mode="json", exclude={"examples"}),
        "data_digest": data_digest(),
        "training": {
            "groups": progress.groups,
            "questions": progress.questions,
            "tokens": progress.tokens,
            "seconds": round(progress.seconds),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads",
            "base_dtype": str(torch_dtype(models.dtype)).removeprefix("torch."),
            "curve": progress.curve,
        },
        "libraries": {name: package_version(name) for name in ("torch", "transformers", "peft")},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
