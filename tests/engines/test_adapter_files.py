"""Adapter folders: hostile and damaged ones are refused before any weight is used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file

from core.errors import Unavailable
from engines.adapter_files import CONFIG, MANIFEST, WEIGHTS, read_adapter

A, B = (f"base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight" for part in "AB")
TENSORS = {A: torch.ones(4, 8), B: torch.ones(6, 4) / 2}


def adapter(folder: Path, tensors: dict[str, torch.Tensor] = TENSORS, **config: Any) -> Path:
    """An adapter folder with the configuration that PEFT itself writes, some keys changed; None takes a key out."""
    folder.mkdir()
    LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", inference_mode=True).save_pretrained(str(folder))
    written = json.loads((folder / CONFIG).read_text()) | config
    (folder / CONFIG).write_text(json.dumps({key: value for key, value in written.items() if value is not None or key not in config}))
    (folder / MANIFEST).write_text(json.dumps({"name": "合规", "base": {"digest": "b" * 64}}))
    save_file(tensors, folder / WEIGHTS)
    return folder


def refusal(folder: Path) -> Unavailable:
    with pytest.raises(Unavailable) as refused:
        read_adapter(folder)
    return refused.value


def test_what_peft_writes_is_read(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    found = read_adapter(folder)
    assert (found.kind, found.invocation, found.base_digest, found.manifest["name"]) == ("lora", (), "b" * 64, "合规")
    assert dict(found.lora) == {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "use_rslora": False, "fan_in_fan_out": False}
    assert {name: tensor.tolist() for name, tensor in found.weights.items()} == {name: tensor.tolist() for name, tensor in TENSORS.items()}
    assert found.digest == hashlib.sha256((folder / CONFIG).read_bytes() + (folder / WEIGHTS).read_bytes()).hexdigest()


def test_invocation_tokens_make_an_activated_adapter(tmp_path: Path) -> None:
    found = read_adapter(adapter(tmp_path / "a", alora_invocation_tokens=[1, 520, 9531]))
    assert (found.kind, found.invocation) == ("alora", (1, 520, 9531))
    assert "alora_invocation_tokens" not in found.lora


def test_the_digest_is_over_configuration_and_weights_and_not_the_manifest(tmp_path: Path) -> None:
    first = read_adapter(adapter(tmp_path / "a"))
    assert read_adapter(adapter(tmp_path / "b", lora_alpha=16)).digest != first.digest
    assert read_adapter(adapter(tmp_path / "c", {A: torch.ones(4, 8), B: torch.ones(6, 4)})).digest != first.digest
    same = adapter(tmp_path / "d")
    (same / MANIFEST).write_text(json.dumps({"base": {"digest": "c" * 64}}))
    assert (read_adapter(same).digest, read_adapter(same).base_digest) == (first.digest, "c" * 64)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        pytest.param({"peft_type": "IA3"}, "only LoRA adapters", id="another method"),
        pytest.param({"peft_type": None}, "only LoRA adapters", id="no method"),
        pytest.param({"bias": "all"}, "without biases", id="biases"),
        pytest.param({"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}}, "automatic mapping", id="a class to import"),
        pytest.param({"target_modules": "all-linear"}, "must be a list of module names, got 'all-linear'", id="modules by a word"),
        pytest.param({"target_modules": []}, "must be a list of module names", id="no modules"),
        pytest.param({"target_modules": ["q_proj", ".*"]}, "must be a list of module names", id="modules by an expression"),
        pytest.param({"target_modules": None}, "must be a list of module names", id="modules missing"),
        pytest.param({"r": None}, "r must be a whole number above 0, got None", id="rank missing"),
        pytest.param({"r": "4"}, "r must be a whole number above 0, got '4'", id="rank is text"),
        pytest.param({"r": 0}, "r must be a whole number above 0", id="rank 0"),
        pytest.param({"r": True}, "r must be a whole number above 0, got True", id="rank is a yes"),
        pytest.param({"lora_alpha": "8"}, "lora_alpha must be a number above 0", id="alpha is text"),
        pytest.param({"lora_alpha": math.inf}, "lora_alpha must be a number above 0, got inf", id="alpha is infinite"),
        pytest.param({"use_rslora": "no"}, "use_rslora must be true or false", id="rslora is text"),
        pytest.param({"alora_invocation_tokens": "system"}, "must be a list of token ids", id="invocation is text"),
        pytest.param({"alora_invocation_tokens": [1, "2"]}, "must be a list of token ids", id="invocation of texts"),
        pytest.param({"use_dora": True}, "sets use_dora to True", id="DoRA"),
        pytest.param({"use_qalora": True}, "sets use_qalora to True", id="QA-LoRA"),
        pytest.param({"modules_to_save": ["lm_head"]}, "sets modules_to_save", id="whole modules"),
        pytest.param({"rank_pattern": {"q_proj": 8}}, "sets rank_pattern", id="ranks by module"),
        pytest.param({"layers_to_transform": 1}, "sets layers_to_transform to 1", id="some layers"),
        pytest.param({"layers_to_transform": 0}, "sets layers_to_transform to 0", id="the first layer"),
        pytest.param({"layer_replication": [[0, 4]]}, "sets layer_replication", id="layers repeated"),
        pytest.param({"megatron_core": "os"}, "sets megatron_core to 'os'", id="a module to import"),
        pytest.param({"from_the_future": "x"}, "sets from_the_future to 'x', which is not supported", id="unknown key"),
    ],
)
def test_a_hostile_configuration_is_refused(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    refused = refusal(adapter(tmp_path / "a", **config))
    assert refused.code == "adapter_unreadable"
    assert says in refused.message


def _header(content: bytes) -> bytes:
    """The weights with another header."""
    return len(content).to_bytes(8, "little") + content


@pytest.mark.parametrize(
    ("tensors", "code", "says"),
    [
        pytest.param({A: torch.ones(4, 8), B: torch.full((6, 4), math.nan)}, "adapter_unreadable", "finite numbers", id="not a number"),
        pytest.param({A: torch.full((4, 8), math.inf), B: torch.ones(6, 4)}, "adapter_unreadable", "finite numbers", id="infinite"),
        pytest.param({A: torch.ones(4, 8), B: torch.zeros(6, 4)}, "adapter_no_op", "would change nothing", id="B is zero"),
        pytest.param({A: torch.zeros(4, 8), B: torch.ones(6, 4)}, "adapter_no_op", "would change nothing", id="A is zero"),
        pytest.param({A: torch.ones(4, 8)}, "adapter_no_op", "would change nothing", id="B is missing"),
        pytest.param({A: torch.ones(3, 8), B: torch.ones(6, 3)}, "adapter_unreadable", "expected rank 4", id="another rank"),
        pytest.param({A: torch.ones(4, 8), B: torch.ones(24)}, "adapter_unreadable", "expected rank 4", id="no matrix"),
        pytest.param(TENSORS | {"lm_head.weight": torch.ones(8, 6)}, "adapter_unreadable", "lm_head.weight has shape (8, 6)", id="a whole layer"),
    ],
)
def test_weights_that_are_no_lora_weights_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], code: str, says: str) -> None:
    refused = refusal(adapter(tmp_path / "a", tensors))
    assert refused.code == code
    assert says in refused.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "adapter_model.safetensors", id="empty"),
        pytest.param(b"\x80\x04\x95pickle", "over the limit", id="pickle"),
        pytest.param((2**62).to_bytes(8, "little") + b"{}", "a header of 4611686018427387904 bytes is over the limit", id="huge header"),
        pytest.param((9_000_000).to_bytes(8, "little") + b"{}", "over the limit", id="large header"),
        pytest.param(_header(b"no json"), "adapter_model.safetensors", id="header is no JSON"),
        pytest.param(
            _header(json.dumps({A: {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, 128]}}).encode()), "adapter_model.safetensors", id="data cut off"
        ),
        pytest.param(
            _header(json.dumps({A: {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 128]}}).encode()) + bytes(128),
            "adapter_model.safetensors",
            id="shape that overflows",
        ),
        pytest.param(
            _header(json.dumps({A: {"dtype": "F8_E8M0", "shape": [4, 8], "data_offsets": [0, 32]}}).encode()) + bytes(32),
            "adapter_model.safetensors",
            id="a number format of scales",
        ),
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    folder = adapter(tmp_path / "a")
    (folder / WEIGHTS).write_bytes(content)
    refused = refusal(folder)
    assert refused.code == "adapter_unreadable"
    assert says in refused.message


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(_write("adapter_model.bin", "x"), "holds adapter_config.json, adapter_model.bin", id="a pickle beside"),
        pytest.param(_write("README.md", "x"), "README.md", id="a file more"),
        pytest.param(lambda folder: (folder / MANIFEST).unlink(), "holds adapter_config.json, adapter_model.safetensors", id="no manifest"),
        pytest.param(_write(CONFIG, "{"), "JSONDecodeError", id="configuration is no JSON"),
        pytest.param(_write(CONFIG, "[]"), "must be a JSON object, got list", id="configuration is a list"),
        pytest.param(_write(MANIFEST, "{}"), "KeyError('base')", id="manifest without base"),
        pytest.param(_write(MANIFEST, "[]"), "TypeError", id="manifest is a list"),
        pytest.param(lambda folder: (folder / CONFIG).write_bytes(b"\xff"), "UnicodeDecodeError", id="configuration is no UTF-8"),
    ],
)
def test_a_folder_of_other_files_is_refused(tmp_path: Path, change: Callable[[Path], object], says: str) -> None:
    folder = adapter(tmp_path / "a")
    change(folder)
    refused = refusal(folder)
    assert refused.code == "adapter_unreadable"
    assert says in refused.message


def test_no_folder_is_refused(tmp_path: Path) -> None:
    assert "holds nothing" in refusal(tmp_path / "gone").message


def test_what_is_replaced_later_stays_as_it_was_read(tmp_path: Path) -> None:
    """Else the weights of one version would go by the digest of another."""
    folder = adapter(tmp_path / "a")
    found = read_adapter(folder)
    save_file({A: torch.ones(4, 8) * 7, B: torch.ones(6, 4) * 7}, folder / WEIGHTS)
    assert float(found.weights[A].max()) == 1.0
    assert read_adapter(folder).digest != found.digest


def test_a_file_that_goes_while_the_folder_is_read_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(folder / "gone")  # its name is still there
    refused = refusal(folder)
    assert refused.code == "adapter_unreadable"
    assert "cannot be read" in refused.message
