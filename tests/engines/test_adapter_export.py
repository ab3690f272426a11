"""Exported adapters: what another server loads, and the probe by which its copy is recognised. The expected numbers are those of the base model with the
adapter's products added to its weights by hand (LoRA, arXiv 2106.09685, 4.1), without PEFT."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.errors import Conflict, NotFound, Unavailable
from core.types import AdapterRef
from engines.adapter_export import NOTE, difference, export_adapter, model_name, read_export, read_exports, same, serve_command
from engines.models import ModelFolder
from tests.engines.make_adapter import make_adapter
from tests.engines.tiny import DIGEST, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return ModelFolder("tiny", folder, DIGEST, "")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> AdapterRef:
    return make_adapter(tmp_path_factory.mktemp("adapter"), tiny_model(), DIGEST, seed=5, strength=0.5)


def merged(adapter: AdapterRef) -> Any:
    model = copy.deepcopy(tiny_model())
    weights = load_file(Path(adapter.path) / "adapter_model.safetensors")
    for name, a in weights.items():
        if ".lora_A." in name:
            module = model.get_submodule(name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
            module.weight.data += 2.0 * weights[name.replace(".lora_A.", ".lora_B.")] @ a  # alpha is twice the rank
    return model


def test_the_probe_has_the_numbers_of_base_and_adapter(adapter: AdapterRef, base: ModelFolder, tmp_path: Path) -> None:
    export = export_adapter(adapter, tmp_path, base)
    assert export.folder == tmp_path / f"random-5@1-{adapter.digest[:12]}"
    assert sorted(path.name for path in export.folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", NOTE]
    assert (export.model, export.adapter, export.digest, export.rank, export.base_digest) == (model_name(adapter), "random-5@1", adapter.digest, 4, DIGEST)
    assert [tiny_tokenizer().decode(probe.tokens[probe.start :]) for probe in export.probes] == [" USD 45.00 [1]", "挂失手续费20元 [1]"]
    for model, numbers in ((tiny_model(), [probe.base for probe in export.probes]), (merged(adapter), [probe.adapter for probe in export.probes])):
        for probe, expected in zip(export.probes, numbers, strict=True):
            with torch.inference_mode():
                rows = torch.log_softmax(model(input_ids=torch.tensor([probe.tokens])).logits[0], -1)
            found = [float(rows[place - 1, token]) for place, token in enumerate(probe.tokens) if place >= probe.start]
            assert found == pytest.approx(expected, abs=1e-4)
    assert difference([probe.base for probe in export.probes], [probe.adapter for probe in export.probes]) > 0.02


def test_exported_again_it_is_the_same_and_another_has_another_place(adapter: AdapterRef, base: ModelFolder, tmp_path: Path) -> None:
    first = export_adapter(adapter, tmp_path, base)
    assert export_adapter(adapter, tmp_path, base) == first
    other = make_adapter(tmp_path / "files", tiny_model(), DIGEST, seed=6, rank=12)
    second = export_adapter(other, tmp_path, base)
    assert [export.adapter for export in read_exports(tmp_path)] == ["random-5@1", "random-6@1"]
    command = serve_command("/models/base", "base", [first, second])
    assert command[:5] == ["vllm", "serve", "/models/base", "--served-model-name", "base"]
    assert command[command.index("--max-lora-rank") + 1] == "16"  # the next that vLLM has above 12
    assert command[command.index("--max-loras") + 1] == "3"  # one stays empty
    assert command[-2:] == [f"{first.model}={first.folder}", f"{second.model}={second.folder}"]
    note = json.loads((second.folder / NOTE).read_text("utf8"))
    (second.folder / NOTE).write_text(json.dumps({**note, "digest": "0" * 64}), encoding="utf8")
    with pytest.raises(Conflict, match="with other weights"):
        export_adapter(other, tmp_path, base)
    assert not list(tmp_path.glob(".new-*"))


def test_what_another_server_would_compute_otherwise_is_not_exported(adapter: AdapterRef, base: ModelFolder, tmp_path: Path) -> None:
    activated = make_adapter(tmp_path / "alora", tiny_model(), DIGEST, seed=7, invocation=[1, 2])
    with pytest.raises(Conflict, match=r"train random-7 --kind lora --init random-7@1") as caught:
        export_adapter(activated, tmp_path / "exports", base)
    assert caught.value.code == "adapter_activated"
    with pytest.raises(Unavailable, match="trained on another base model"):
        export_adapter(adapter, tmp_path / "exports", ModelFolder("other", base.path, "8" * 64, ""))
    changed = tmp_path / "changed"
    shutil.copytree(adapter.path, changed)
    (changed / "adapter_config.json").write_text((changed / "adapter_config.json").read_text() + "\n")
    with pytest.raises(Unavailable, match="was changed after it was registered"):
        export_adapter(AdapterRef(adapter.name, 1, str(changed), adapter.digest), tmp_path / "exports", base)
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "bankassist-export/9"}'])
def test_a_note_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(NotFound):
        read_export(tmp_path)
    (tmp_path / NOTE).write_text(content)
    with pytest.raises(Unavailable, match="export the adapter again"):
        read_export(tmp_path)


@pytest.mark.parametrize(
    ("found", "expected", "other", "is_same"),
    [
        ([[-1.0, -2.0]], [[-1.0, -2.0]], [[-3.0, -3.0]], True),
        ([[-1.09, -2.09]], [[-1.0, -2.0]], [[-3.0, -3.0]], True),
        ([[-1.11, -2.11]], [[-1.0, -2.0]], [[-3.0, -3.0]], False),
        ([[-1.05]], [[-1.0]], [[-1.08]], False),  # more than half of what tells them apart
        ([[float("nan")]], [[-1.0]], [[-3.0]], False),
        ([[float("-inf")]], [[-1.0]], [[-3.0]], False),
    ],
)
def test_two_computations_of_the_same_weights_are_close(found: Any, expected: Any, other: Any, is_same: bool) -> None:
    assert same(found, expected, other) is is_same
